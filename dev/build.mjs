// `npm run build`, and wrangler's [build] command: src/ -> build/, unless build/ is already made from exactly these
// inputs.
import { existsSync } from "node:fs";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { filesBelow, hashFiles } from "./lib/hash.mjs";
import { BUILD, ROOT, inRoot } from "./lib/paths.mjs";
import { step } from "./lib/progress.mjs";
import { Refusal, command, isMain } from "./lib/refusal.mjs";
import { must } from "./lib/run.mjs";
import { WASM_TARGET, pinnedToolchain, wasmBindgenVersion } from "./lib/versions.mjs";
import { assemble } from "./lib/wasm.mjs";
import { setup } from "./setup.mjs";

const STAMP = join(BUILD, ".made-from");
const OUTPUTS = ["index.js", "index_bg.wasm"];

/** Set by `npm start` alone: a deployment must never take what was built before for what it asked for. */
export const KEEP_SERVING = "EDGE_LOGOUT_KEEP_SERVING";

/** Variables that change what comes out. */
const SETTINGS = ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS"];

const target = () => process.env.CARGO_TARGET_DIR ?? inRoot("target");

/** Files outside src/ that the compiler has read, such as those of `include_str!`: cargo lists them beside its output. */
async function filesReadByCompiler() {
  const list = join(target(), WASM_TARGET, "release", "edge_logout.d");
  if (!existsSync(list)) return [];
  const [, files = ""] = (await readFile(list, "utf8")).split("\n")[0].split(/: (.*)/);
  return files
    .split(/(?<!\\) /)
    .map((file) => relative(ROOT, file.replaceAll("\\ ", " ")))
    .filter((file) => file && !file.startsWith("..") && !file.startsWith("target"));
}

/** @param {string[]} alsoRead */
async function inputs(alsoRead) {
  const known = ["dev/lib/wasm.mjs", "Cargo.toml", "Cargo.lock", "rust-toolchain.toml", ".cargo/config.toml", "build.rs", "package-lock.json"];
  const versions = [pinnedToolchain().channel, wasmBindgenVersion()];
  const settings = SETTINGS.map((name) => `${name}=${process.env[name] ?? ""}`);
  return [await hashFiles(ROOT, [...known, ...(await filesBelow(ROOT, "src")), ...alsoRead]), ...versions, ...settings].join("\n");
}

const outputs = () => hashFiles(BUILD, OUTPUTS);

async function isUpToDate() {
  if (!existsSync(STAMP)) return false;
  const made = JSON.parse(await readFile(STAMP, "utf8"));
  return made.inputs === (await inputs(made.alsoRead)) && made.outputs === (await outputs());
}

/** Builds the Worker when it is out of date. Set-up has to be done. */
export async function build() {
  if (await isUpToDate()) return;
  await rm(STAMP, { force: true });
  const before = await inputs([]);
  await step("building the Worker", async (tell) => {
    await must("Building the Worker", "cargo", ["build", "--release", "--lib", "--locked", "--target", WASM_TARGET], { onLine: tell });
    const wasm = join(target(), WASM_TARGET, "release", "edge_logout.wasm");
    await assemble({ wasm, entry: inRoot("src", "edge", "worker.js"), into: BUILD });
  });
  // A file that was saved while the compiler ran may or may not be in: then there is no stamp, and the next time builds.
  if ((await inputs([])) !== before) return;
  const alsoRead = await filesReadByCompiler();
  const made = { inputs: await inputs(alsoRead), outputs: await outputs(), alsoRead };
  await writeFile(STAMP, JSON.stringify(made, null, 2));
}

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
