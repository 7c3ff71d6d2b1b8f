// All that is measured, or what of it was chosen.
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { inRoot } from "../../dev/lib/paths.mjs";
import { step } from "../../dev/lib/progress.mjs";
import { bareRust } from "./bare-rust.mjs";
import { bundleSizes } from "./bundle-size.mjs";
import { batchAnswer } from "./cells-batch.mjs";
import { allCells } from "./cells.mjs";
import { coldStarts, starts } from "./cold-start.mjs";
import { CONNECTIONS } from "./load.mjs";
import { processors } from "./machine.mjs";
import { measure } from "./measure.mjs";
import { memoryBytes, segmentBytes } from "./memory.mjs";
import { rowsWritten } from "./rows.mjs";
import { prepareSubjects } from "./subjects.mjs";
import { ALGORITHMS, tokensOf } from "./tokens.mjs";

/** @typedef {import("./options.mjs").Options} Options */
/** @typedef {import("./targets.mjs").Results} Results */

const WARM_UP_SECONDS = 1;
const BESIDE_CELLS = ["bundle", "cold-start", "memory", "rows"];
/** How long there are logouts, and in a quick run. */
const ROWS_SECONDS = { whole: 60, quick: 5 };

/** @param {string} name of a package */
const versionOf = async (name) => JSON.parse(await readFile(inRoot("node_modules", name, "package.json"), "utf8")).version;

/** @param {string} wrk its version */
async function machine(wrk) {
  const packages = await Promise.all(["workerd", "hono", "jose"].map(async (name) => [name, await versionOf(name)]));
  return { ...Object.fromEntries(packages), wrk: wrk.replace(/^wrk /, ""), "on a machine of": processors() };
}

async function allTokens() {
  const tokens = /** @type {Record<import("./tokens.mjs").Algorithm, string[]>} */ ({});
  // One after the other: each uses every processor.
  for (const algorithm of ALGORITHMS) tokens[algorithm] = await tokensOf(algorithm);
  return tokens;
}

/** @typedef {{ name: string, subjects: import("./subjects.mjs").Subjects, cells: import("./cells.mjs").Cell[] }} Side a build that is measured */

/** What is of a build beside the one that is measured has that one's name behind it. @param {string} text @param {string} side */
const named = (text, side) => (side === "" ? text : `${text}@${side}`);

/** @param {string} text @param {string} side */
const titled = (text, side) => (side === "" ? text : `${text}, ${side}`);

/** @param {Options} options @param {string} folder @returns {Promise<{ tokens: import("./cells.mjs").Tokens, sides: Side[] }>} the first one is the build that is measured */
async function prepare({ build, beside, includes }, folder) {
  const [tokens, bare] = [await allTokens(), includes("bare-rust") || includes("cold-start") ? await bareRust() : undefined];
  const sides = [];
  for (const [name, files] of [["", build], ...beside.map((one) => [one.name, one.folder])]) {
    const subjects = await prepareSubjects({ folder, build: resolve(files), bareRust: bare });
    const cells = allCells(subjects, tokens, await batchAnswer(subjects, tokens.HS256, folder));
    const ofSide = cells.filter(({ side }) => name === "" || side === "ours").filter((cell) => includes(cell.name));
    sides.push({ name, subjects, cells: ofSide.map((cell) => ({ ...cell, name: named(cell.name, name), title: titled(cell.title, name) })) });
  }
  return { tokens, sides };
}

/** The names by which `--only` chooses. @param {Options} options @param {string} folder */
export async function names(options, folder) {
  const { sides } = await prepare(options, folder);
  return [...sides[0].cells.map(({ name }) => name), ...BESIDE_CELLS.filter(options.includes)];
}

/** Starts of every build, and of the others once. @param {Side[]} sides */
const allStarts = (sides) =>
  sides.flatMap(({ name, subjects }) => {
    const own = starts(subjects).filter(({ isOurs }) => name === "" || isOurs);
    return own.map((start) => ({ ...start, name: named(start.name, name), title: titled(start.title, name) }));
  });

/** @param {Options} options @param {Side[]} sides @param {string[]} tokens @param {string} folder */
async function rowsOf({ isQuick }, sides, tokens, folder) {
  const all = [];
  for (const { name, subjects } of sides) all.push(await rowsWritten(named("ours", name), subjects, tokens, folder, isQuick ? ROWS_SECONDS.quick : ROWS_SECONDS.whole));
  return all;
}

/** @param {Options} options @param {Side[]} sides */
async function bundles({ build, beside }, sides) {
  const folders = [build, ...beside.map(({ folder }) => folder)];
  const sizes = await Promise.all(folders.map((folder) => bundleSizes(folder)));
  return sizes.flatMap((files, index) => files.map((one) => ({ ...one, file: named(one.file, sides[index].name) })));
}

/** @param {Options} options @param {{ folder: string, storage: string, wrk: string }} surroundings @returns {Promise<Results>} */
export async function measureEverything(options, { folder, storage, wrk }) {
  const { tokens, sides } = await prepare(options, folder);
  const { rounds, seconds, includes } = options;
  const chosen = sides.flatMap(({ cells }) => cells);
  const measured = await measure(chosen, { rounds, seconds, warmUp: WARM_UP_SECONDS, folder });
  return {
    machine: await machine(wrk),
    how: { rounds, seconds, connections: CONNECTIONS, storage },
    builds: sides.slice(1).map(({ name }) => name),
    cells: chosen.map(({ name, title, side }) => ({ name, title, side, rounds: measured.get(name) ?? [] })),
    ...(includes("bundle") && { bundle: await bundles(options, sides) }),
    ...(includes("cold-start") && { coldStarts: await step("cold starts", () => coldStarts(allStarts(sides), tokens.HS256[0], folder)) }),
    ...(includes("memory") && { memory: await step("memory", () => memoryBytes(sides[0].subjects, tokens.HS256, folder)) }),
    ...(options.asksFor("segments") && { segments: await step("memory of segments", () => segmentBytes(sides[0].subjects, tokens.HS256, folder)) }),
    ...(includes("rows") && { rows: await rowsOf(options, sides, tokens.HS256, folder) }),
  };
}
