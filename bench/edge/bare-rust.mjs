// The bare Worker in Rust, built as its documentation says.
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { filesBelow, hashFiles } from "../../dev/lib/hash.mjs";
import { modernNodeEnv } from "../../dev/lib/packages.mjs";
import { TOOLS, inRoot, toolPath } from "../../dev/lib/paths.mjs";
import { step } from "../../dev/lib/progress.mjs";
import { Refusal } from "../../dev/lib/refusal.mjs";
import { ask, must } from "../../dev/lib/run.mjs";

const CRATE = inRoot("bench", "bare-rust");
const TARGET = inRoot("target", "bare-rust");
const OUT = join(TARGET, "build");
const STAMP = join(TARGET, "made-from");

/** worker-build is released together with the `worker` crate, and has to be of its release. */
async function workerBuildVersion() {
  const lock = await readFile(join(CRATE, "Cargo.lock"), "utf8");
  const version = /^name = "worker"\nversion = "(.+)"$/m.exec(lock)?.[1];
  if (!version) throw new Refusal("bench/bare-rust/Cargo.lock names no `worker`: run `cargo update --workspace` in that folder");
  return version;
}

/** Nothing but this crate need be built with it. @param {string} version */
async function ensureWorkerBuild(version) {
  if ((await ask(toolPath("worker-build"), ["--version"]))?.split(/\s+/).includes(version)) return;
  const args = ["install", "--locked", "--debug", "--force", "--no-track", "--root", TOOLS, "worker-build", "--version", version];
  await step(`compiling worker-build ${version}`, (tell) =>
    must("Compiling worker-build (on Debian or Ubuntu it needs pkg-config and libssl-dev)", "cargo", args, { env: { CARGO_TARGET_DIR: TARGET, CARGO_PROFILE_DEV_DEBUG: "0" }, onLine: tell }),
  );
}

/** What turns the crate into a Worker. @param {(line: string) => void} tell */
const compile = (tell) =>
  must("Building the bare Worker in Rust", toolPath("worker-build"), ["--release", "--locked", "--out-dir", OUT], {
    cwd: CRATE,
    env: {
      ...modernNodeEnv(),
      CARGO_TARGET_DIR: TARGET,
      ESBUILD_BIN: inRoot("node_modules", "esbuild", "bin", "esbuild"),
      WASM_BINDGEN_BIN: toolPath("wasm-bindgen"),
      WASM_OPT_BIN: inRoot("node_modules", "binaryen", "bin", "wasm-opt"),
    },
    onLine: tell,
  });

/** Its folder, once it is built. */
export async function bareRust() {
  const version = await workerBuildVersion();
  const wanted = `${await hashFiles(CRATE, ["Cargo.toml", "Cargo.lock", ...(await filesBelow(CRATE, "src"))])} ${version}`;
  if (!existsSync(STAMP) || (await readFile(STAMP, "utf8")) !== wanted) {
    await ensureWorkerBuild(version);
    await step("building the bare Worker in Rust", compile);
    await writeFile(STAMP, wanted);
  }
  return OUT;
}
