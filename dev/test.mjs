// `npm test`: everything that has to hold, cheapest first, up to the first thing that does not.
// `npm test -- lint`, `native`, `worker`, `soak` run a part; several can be named.
import { existsSync, readdirSync } from "node:fs";
import { build, buildCheckTool } from "./build.mjs";
import { modernNode, modernNodeEnv } from "./lib/packages.mjs";
import { inRoot, toolPath } from "./lib/paths.mjs";
import { seconds } from "./lib/progress.mjs";
import { Refusal, command } from "./lib/refusal.mjs";
import { run } from "./lib/run.mjs";
import { NO_SKIPS, recorder, listOf } from "./lib/skips.mjs";
import { WASM_TARGET } from "./lib/versions.mjs";
import { setup } from "./setup.mjs";

/** @typedef {import("./lib/skips.mjs").Skip} Skip */
/** @typedef {{ name: string, work: () => Promise<number | void>, skips?: () => Skip[] }} Step a number is an exit code */

/**
 * @param {string} name
 * @param {string} program
 * @param {string[]} args
 * @param {Record<string, string>} [env]
 * @returns {Step}
 */
const runs = (name, program, args, env) => ({
  name,
  work: async () => (await run(program, args, { show: true, env: { ...modernNodeEnv(), ...env } })).code,
});

/** @param {string} name @param {string[]} args @param {Record<string, string>} [env] */
const cargo = (name, args, env) => runs(name, "cargo", args, env);

/** @param {string} name @param {string[]} args */
const node = (name, args) => runs(name, modernNode, args);

/**
 * The tests in a folder, under node:test. Named one by one, since a folder means different things to different versions.
 * @param {string} name
 * @param {string} folder
 */
function nodeTests(name, folder) {
  const files = existsSync(inRoot(folder)) ? readdirSync(inRoot(folder)).filter((file) => file.endsWith(".test.mjs")).sort() : [];
  if (files.length === 0) throw new Refusal(`${folder} has no *.test.mjs`); // node:test would look everywhere
  const { args, read } = recorder();
  // What hangs fails; two files at a time, since a test mostly waits for its Worker.
  const step = node(name, ["--test", "--test-timeout=120000", "--test-concurrency=2", ...args, ...files.map((file) => `${folder}/${file}`)]);
  return { ...step, skips: read };
}

const PARTS = /** @type {Record<string, () => Step[]>} */ ({
  lint: () => [
    cargo("format", ["fmt", "--all", "--check"]),
    node("eslint", ["node_modules/eslint/bin/eslint.js", "."]),
    node("types of the scripts", ["node_modules/typescript/bin/tsc", "--project", "."]),
    runs("licences, bans, sources", toolPath("cargo-deny"), ["--locked", "check", "--hide-inclusion-graph", "licenses", "bans", "sources"]),
    cargo("clippy", ["clippy", "--locked", "--all-targets", "--", "-D", "warnings"]),
    cargo("clippy for wasm", ["clippy", "--locked", "--lib", "--workspace", "--target", WASM_TARGET, "--", "-D", "warnings"]),
    cargo("documentation", ["doc", "--locked", "--no-deps"], { RUSTDOCFLAGS: "-D warnings" }),
  ],
  native: () => [cargo("native tests", ["test", "--locked"])],
  worker: () => [
    { name: "build", work: build },
    { name: "build of the check", work: buildCheckTool },
    nodeTests("scripts", "dev/tests"),
    nodeTests("worker in its runtime", "tests/worker"),
    nodeTests("behind proxies and other Workers", "tests/proxies"),
  ],
  soak: () => [node("soak, the short form", ["bench/soak.mjs", "--short"])],
});

/** @param {string[]} names */
function chosenParts(names) {
  const unknown = names.find((name) => !(name in PARTS));
  if (unknown) throw new Refusal(`There is no part \`${unknown}\` of the tests: ${Object.keys(PARTS).join(", ")}`, 2);
  return Object.keys(PARTS).filter((name) => names.length === 0 || names.includes(name));
}

/** @param {{ name: string, took: string, passed: boolean }[]} done @param {Skip[]} skipped */
const summary = (done, skipped) =>
  [...done.map(({ name, took, passed }) => `  ${passed ? "ok    " : "FAILED"}  ${took.padStart(8)}  ${name}`), listOf(skipped)].filter(Boolean).join("\n");

async function main() {
  const begun = performance.now();
  const parts = chosenParts(process.argv.slice(2));
  const steps = [{ name: "set-up", work: () => setup({ tests: true }) }, ...parts.flatMap((part) => PARTS[part]())];
  const done = [];
  /** @type {Skip[]} */
  const skipped = [];
  for (const { name, work, skips } of steps) {
    console.log(`\n== ${name}`);
    const since = performance.now();
    const code = (await work()) ?? 0;
    const skippedHere = skips?.() ?? [];
    skipped.push(...skippedHere);
    const isShort = skippedHere.length > 0 && process.env[NO_SKIPS] === "1";
    const passed = code === 0 && !isShort;
    done.push({ name, took: seconds(since), passed });
    if (!passed) throw new Refusal(`\n${summary(done, skipped)}\nFailed at: ${name}${isShort ? `, where ${NO_SKIPS}=1 allows no skipped test` : ""}`);
  }
  const without = skipped.length === 0 ? "" : `, ${skipped.length} tests skipped`;
  console.log(`\n${summary(done, skipped)}\nAll ${done.length} steps passed in ${seconds(begun)}${without}`);
}

await command(main);
