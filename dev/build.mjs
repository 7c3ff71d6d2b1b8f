// `npm run build`, and wrangler's [build] command: src/ -> build/, unless build/ is already made from exactly these
// inputs.
import { existsSync } from "node:fs";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { filesBelow, hashFiles } from "./lib/hash.mjs";
import { BUILD, CHECK_TOOL, ROOT, inRoot } from "./lib/paths.mjs";
import { step } from "./lib/progress.mjs";
import { Refusal, command, isMain } from "./lib/refusal.mjs";
import { must } from "./lib/run.mjs";
import { WASM_TARGET, pinnedToolchain, wasmBindgenVersion } from "./lib/versions.mjs";
import { assemble } from "./lib/wasm.mjs";
import { setup } from "./setup.mjs";

const STAMP = ".made-from";
const OUTPUTS = ["index.js", "index_bg.wasm"];

/**
 * @typedef {object} Program
 * @property {string} what
 * @property {string} crate
 * @property {string} entry the module that is loaded
 * @property {string} into the folder
 * @property {string[]} [sources] files beside the Worker's own
 * @property {boolean} [inNode]
 */

/** @type {Program} */
const WORKER = { what: "the Worker", crate: "edge-logout", entry: inRoot("src", "edge", "worker.js"), into: BUILD };

/** @type {Program} */
const CHECK = {
  what: "the Worker's check of its configuration",
  crate: "check-tool",
  entry: inRoot("dev", "check-tool", "entry.js"),
  into: CHECK_TOOL,
  sources: ["Cargo.toml", "entry.js", "src/lib.rs"].map((file) => `dev/check-tool/${file}`),
  inNode: true,
};

/** Set by `npm start` alone: a deployment must never take what was built before for what it asked for. */
export const KEEP_SERVING = "EDGE_LOGOUT_KEEP_SERVING";

/** Variables that change what comes out. */
const SETTINGS = ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS"];

const target = () => process.env.CARGO_TARGET_DIR ?? inRoot("target");

/** @param {Program} program @param {string} extension */
const compiled = ({ crate }, extension) => join(target(), WASM_TARGET, "release", crate.replaceAll("-", "_") + extension);

/** Files outside src/ that the compiler has read, such as those of `include_str!`. Cargo lists them with its output.
 * @param {Program} program */
async function filesReadByCompiler(program) {
  const list = compiled(program, ".d");
  if (!existsSync(list)) return [];
  const [, files = ""] = (await readFile(list, "utf8")).split("\n")[0].split(/: (.*)/);
  return files
    .split(/(?<!\\) /)
    .map((file) => relative(ROOT, file.replaceAll("\\ ", " ")))
    .filter((file) => file && !file.startsWith("..") && !file.startsWith("target"));
}

/** @param {Program} program @param {string[]} alsoRead */
async function inputs({ sources = [] }, alsoRead) {
  const known = ["dev/lib/wasm.mjs", "Cargo.toml", "Cargo.lock", "rust-toolchain.toml", ".cargo/config.toml", "build.rs", "package-lock.json"];
  const versions = [pinnedToolchain().channel, wasmBindgenVersion()];
  const settings = SETTINGS.map((name) => `${name}=${process.env[name] ?? ""}`);
  return [await hashFiles(ROOT, [...known, ...sources, ...(await filesBelow(ROOT, "src")), ...alsoRead]), ...versions, ...settings].join("\n");
}

/** @param {Program} program */
const outputs = ({ into }) => hashFiles(into, OUTPUTS);

/** @param {Program} program */
async function isUpToDate(program) {
  const stamp = join(program.into, STAMP);
  if (!existsSync(stamp)) return false;
  const made = JSON.parse(await readFile(stamp, "utf8"));
  return made.inputs === (await inputs(program, made.alsoRead)) && made.outputs === (await outputs(program));
}

/** @param {Program} program */
async function make(program) {
  if (await isUpToDate(program)) return;
  const { what, crate, into } = program;
  await rm(join(into, STAMP), { force: true });
  const before = await inputs(program, []);
  await step(`building ${what}`, async (tell) => {
    await must(`Building ${what}`, "cargo", ["build", "--release", "--lib", "--package", crate, "--locked", "--target", WASM_TARGET], { onLine: tell });
    await assemble({ ...program, wasm: compiled(program, ".wasm") });
  });
  // A file that was saved while the compiler ran may or may not be in: then there is no stamp, and the next time builds.
  if ((await inputs(program, [])) !== before) return;
  const alsoRead = await filesReadByCompiler(program);
  const made = { inputs: await inputs(program, alsoRead), outputs: await outputs(program), alsoRead };
  await writeFile(join(into, STAMP), JSON.stringify(made, null, 2));
}

/** Builds the Worker when it is out of date. Set-up has to be done. */
export const build = () => make(WORKER);

/** Builds the Worker's code for `npm run check` when it is out of date. Set-up has to be done. */
export const buildCheckTool = () => make(CHECK);

async function main() {
  await setup();
  try {
    await build();
  } catch (error) {
    // `wrangler dev` ends when its build fails. A mistake in the middle of an edit should not cost the server.
    if (!process.env[KEEP_SERVING] || !(error instanceof Refusal) || !existsSync(join(BUILD, OUTPUTS[0]))) throw error;
    console.error(`${error.message}\nWhat was built before is still served.`);
  }
}

if (isMain(import.meta.url)) await command(main);
