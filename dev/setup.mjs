// Everything between a fresh clone and a Worker that can be built, run and tested. Each step first looks whether it is
// needed, so a second time takes about a second. It uses Node's own modules only: it runs before there are any others.
import { installCargoTools, missingCargoTools } from "./lib/cargo-tools.mjs";
import { ensureNpmPackages, ensureOpenApiTools, refuseUnfitMachine } from "./lib/packages.mjs";
import { command, isMain } from "./lib/refusal.mjs";
import { ensureToolchain } from "./lib/toolchain.mjs";

/**
 * @param {object} [options]
 * @param {boolean} [options.tests] with what only the tests need
 * @param {boolean} [options.packagesOnly] for what needs no Rust
 */
export async function setup({ tests = false, packagesOnly = false } = {}) {
  refuseUnfitMachine();
  if (packagesOnly) return ensureNpmPackages();

  // What is missing on the machine is said before anything that takes long.
  await ensureToolchain();
  const missing = await missingCargoTools({ tests });
  // npm waits for the network while cargo compiles.
  const done = await Promise.allSettled([installCargoTools(missing), ensureNpmPackages()]);
  const failed = done.find((result) => result.status === "rejected");
  if (failed) throw failed.reason;
  if (tests) await ensureOpenApiTools();
}

if (isMain(import.meta.url)) await command(() => setup({ tests: process.argv.includes("--tests") }));
