// The programs that are compiled from crates into .tools/bin, once. They are built without optimisation and without
// debug information, since they run for a moment and what counts is how soon they are there.
import { rm } from "node:fs/promises";
import { TOOLS, inRoot, toolPath } from "./paths.mjs";
import { step } from "./progress.mjs";
import { Refusal } from "./refusal.mjs";
import { ask, must } from "./run.mjs";
import { CARGO_DENY, wasmBindgenVersion, workerBuildVersion } from "./versions.mjs";

const TARGET = inRoot(".tools", "target");

/** @typedef {{ name: string, version: string, source: string[], needsOpenssl?: boolean }} Tool */

/** @returns {Tool[]} */
const buildTools = () => [
  { name: "wasm-bindgen", version: wasmBindgenVersion(), source: ["--path", "dev/wasm-bindgen"] },
  fromRegistry("worker-build", workerBuildVersion(), "worker-build", true),
];

/** @returns {Tool[]} */
const testTools = () => [fromRegistry("cargo-deny", CARGO_DENY, "cargo-deny")];

/**
 * @param {string} name
 * @param {string} version
 * @param {string} crate
 * @param {boolean} [needsOpenssl]
 * @returns {Tool}
 */
function fromRegistry(name, version, crate, needsOpenssl) {
  return { name, version, source: [crate, "--version", version, "--bin", name], needsOpenssl };
}

/** worker-build links the system's TLS library, for downloads that we spare it. */
async function refuseWithoutOpenssl() {
  if (process.platform !== "linux" || process.env.OPENSSL_DIR) return;
  if ((await ask("pkg-config", ["--exists", "openssl"])) !== undefined) return;
  throw new Refusal(
    "worker-build cannot be compiled without pkg-config and OpenSSL's headers. On Debian or Ubuntu: apt-get install pkg-config libssl-dev",
  );
}

/** @param {Tool} tool */
async function isInstalled({ name, version }) {
  const words = (await ask(toolPath(name), ["--version"]))?.split(/\s+/);
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
 * What has to be compiled, after a look whether it can be.
 * @param {{ tests: boolean }} options
 */
export async function missingCargoTools({ tests }) {
  const tools = tests ? [...buildTools(), ...testTools()] : buildTools();
  const installed = await Promise.all(tools.map(isInstalled));
  const missing = tools.filter((_, i) => !installed[i]);
  if (missing.some((tool) => tool.needsOpenssl)) await refuseWithoutOpenssl();
  return missing;
}

/** @param {Tool[]} missing */
export async function installCargoTools(missing) {
  if (missing.length === 0) return;
  // One after the other: they share one target folder, and cargo already uses every core.
  for (const tool of missing) await install(tool);
  // Nearly a gigabyte that is of no use until a version changes.
  await rm(TARGET, { recursive: true, force: true });
}
