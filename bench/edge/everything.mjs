// All that is measured, or what of it was chosen.
import { readFile } from "node:fs/promises";
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
import { memoryBytes } from "./memory.mjs";
import { prepareSubjects } from "./subjects.mjs";
import { ALGORITHMS, tokensOf } from "./tokens.mjs";

/** @typedef {import("./options.mjs").Options} Options */
/** @typedef {import("./targets.mjs").Results} Results */

const WARM_UP_SECONDS = 1;
const BESIDE_CELLS = ["bundle", "cold-start", "memory"];

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

/** @param {Options} options @param {string} folder */
async function prepare({ build }, folder) {
  const subjects = await prepareSubjects({ folder, build, bareRust: await bareRust() });
  const tokens = await allTokens();
  return { subjects, tokens, cells: allCells(subjects, tokens, await batchAnswer(subjects, tokens.HS256, folder)) };
}

/** The names by which `--only` chooses. @param {Options} options @param {string} folder */
export async function names(options, folder) {
  const { cells } = await prepare(options, folder);
  return [...cells.map(({ name }) => name), ...BESIDE_CELLS];
}

/** @param {Options} options @param {{ folder: string, storage: string, wrk: string }} surroundings @returns {Promise<Results>} */
export async function measureEverything(options, { folder, storage, wrk }) {
  const { subjects, tokens, cells } = await prepare(options, folder);
  const chosen = cells.filter(({ name }) => options.includes(name));
  const { rounds, seconds, includes } = options;
  const measured = await measure(chosen, { rounds, seconds, warmUp: WARM_UP_SECONDS, folder });
  return {
    machine: await machine(wrk),
    how: { rounds, seconds, connections: CONNECTIONS, storage },
    cells: chosen.map(({ name, title, side }) => ({ name, title, side, rounds: measured.get(name) ?? [] })),
    ...(includes("bundle") && { bundle: await bundleSizes(options.build) }),
    ...(includes("cold-start") && { coldStarts: await step("cold starts", () => coldStarts(starts(subjects), tokens.HS256[0], folder)) }),
    ...(includes("memory") && { memory: await step("memory", () => memoryBytes(subjects, tokens.HS256, folder)) }),
  };
}
