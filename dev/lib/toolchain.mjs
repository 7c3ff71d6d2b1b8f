// The Rust tool chain: what is missing is installed with rustup, or named with its remedy.
import { existsSync } from "node:fs";
import { step } from "./progress.mjs";
import { Refusal } from "./refusal.mjs";
import { ask, must, run } from "./run.mjs";
import { WASM_TARGET, pinnedToolchain } from "./versions.mjs";

// Asked first, rustup would install a missing tool chain by itself and in silence; we do it with a progress line.
const QUIETLY = { env: { RUSTUP_AUTO_INSTALL: "0" } };

async function refuseWithoutLinker() {
  if ((await ask("cc", ["--version"])) !== undefined) return;
  throw new Refusal(
    "No C compiler (`cc`), which Rust needs for linking. On Debian or Ubuntu: apt-get install build-essential. On macOS: xcode-select --install",
  );
}

/** @param {string} channel */
async function isComplete(channel) {
  const version = await ask("rustc", ["--version"], QUIETLY);
  if (!version?.startsWith(`rustc ${channel} `)) return false;
  const installed = await Promise.all(
    [
      ["rustc", "--print", "target-libdir", "--target", WASM_TARGET],
      ["cargo", "fmt", "--version"],
      ["cargo", "clippy", "--version"],
    ].map(([program, ...args]) => ask(program, args, QUIETLY)),
  );
  if (installed.includes(undefined)) return false;
  return existsSync(/** @type {string} */ (installed[0]));
}

export async function ensureToolchain() {
  const { channel, components } = pinnedToolchain();
  if (await isComplete(channel)) return refuseWithoutLinker();
  if ((await ask("rustup", ["--version"])) === undefined) {
    const cargo = (await run("cargo", ["--version"], QUIETLY)).code === 127 ? "No Rust" : `No Rust ${channel} with ${WASM_TARGET}`;
    throw new Refusal(`${cargo} on this machine, and no rustup to install it with: install rustup from https://rustup.rs`);
  }
  await refuseWithoutLinker();
  const wanted = components.flatMap((component) => ["--component", component]);
  await step(`Rust ${channel} with ${WASM_TARGET}`, (tell) =>
    must("Installing the Rust tool chain", "rustup", ["toolchain", "install", channel, "--profile", "minimal", "--no-self-update", "--target", WASM_TARGET, ...wanted], {
      onLine: tell,
    }),
  );
  if (!(await isComplete(channel))) {
    throw new Refusal(
      `\`rustc\` on the PATH is not Rust ${channel} although rustup has it: put rustup's folder (~/.cargo/bin) first in PATH and unset RUSTUP_TOOLCHAIN`,
    );
  }
}
