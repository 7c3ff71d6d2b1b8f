// The programs that are compiled from crates into .tools/bin, once. They are built without optimisation and without
// debug information, since they run for a moment and what counts is how soon they are there.
import { rm } from "node:fs/promises";
import { TOOLS, inRoot, toolPath } from "./paths.mjs";
import { step } from "./progress.mjs";
import { ask, must } from "./run.mjs";
import { CARGO_DENY, CARGO_MUTANTS, wasmBindgenVersion } from "./versions.mjs";

const TARGET = inRoot(".tools", "target");

/** @typedef {{ name: string, version: string, source: string[], says?: string[] }} Tool `says`: how it says its version */

/** @returns {Tool[]} */
const buildTools = () => [{ name: "wasm-bindgen", version: wasmBindgenVersion(), source: ["--path", "dev/wasm-bindgen"] }];

/** @returns {Tool[]} */
const testTools = () => [{ name: "cargo-deny", version: CARGO_DENY, source: ["cargo-deny", "--version", CARGO_DENY, "--bin", "cargo-deny"] }];

/** Not part of set-up: only `npm run mutants` needs it. @type {Tool} */
const MUTANTS = { name: "cargo-mutants", version: CARGO_MUTANTS, source: ["cargo-mutants", "--version", CARGO_MUTANTS], says: ["mutants", "--version"] };

/** @param {Tool} tool */
async function isInstalled({ name, version, says = ["--version"] }) {
  const words = (await ask(toolPath(name), says))?.split(/\s+/);
  return words?.includes(version) ?? false;
}

/** @param {Tool} tool */
function install({ name, version, source }) {
  return step(`compiling ${name} ${version}`, (tell) =>
    must(
      `Compiling ${name} ${version}`,
      "cargo",
      ["install", "--locked", "--debug", "--force", "--no-track", "--root", TOOLS, ...source],
      { env: { CARGO_TARGET_DIR: TARGET, CARGO_PROFILE_DEV_DEBUG: "0", CARGO_INCREMENTAL: "0" }, onLine: tell },
    ),
  );
}

/**
 * What has to be compiled.
 * @param {{ tests: boolean }} options
 */
export async function missingCargoTools({ tests }) {
  const tools = tests ? [...buildTools(), ...testTools()] : buildTools();
  const installed = await Promise.all(tools.map(isInstalled));
  return tools.filter((_, i) => !installed[i]);
}

/** @param {Tool[]} missing */
export async function installCargoTools(missing) {
  if (missing.length === 0) return;
  // One after the other: they share one target folder, and cargo already uses every core.
  for (const tool of missing) await install(tool);
  // Nearly a gigabyte that is of no use until a version changes.
  await rm(TARGET, { recursive: true, force: true });
}

export async function ensureCargoMutants() {
  if (!(await isInstalled(MUTANTS))) await installCargoTools([MUTANTS]);
}
