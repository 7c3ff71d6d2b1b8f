// The versions that set-up installs, each from the one file that decides it.
import { readFileSync } from "node:fs";
import { inRoot } from "./paths.mjs";
import { Refusal } from "./refusal.mjs";

/** wrangler's own limit */
export const OLDEST_NODE_FOR_WRANGLER = "22.12.0";
export const OLDEST_NODE = "20.0.0";
export const CARGO_DENY = "0.20.2";
export const CARGO_MUTANTS = "27.1.0";
export const WASM_TARGET = "wasm32-unknown-unknown";

/**
 * @param {string} version
 * @param {string} oldest
 */
export function isAtLeast(version, oldest) {
  const [ours, theirs] = [version, oldest].map((v) => v.replace(/^v/, "").split(".").map(Number));
  for (const i of [0, 1, 2]) {
    if (ours[i] !== theirs[i]) return ours[i] > theirs[i];
  }
  return true;
}

/** @param {string} crate */
function lockedVersion(crate) {
  const lock = readFileSync(inRoot("Cargo.lock"), "utf8");
  const version = lock.match(new RegExp(`^name = "${crate}"\\nversion = "(.+)"$`, "m"))?.[1];
  if (!version) throw new Refusal(`Cargo.lock names no \`${crate}\`: run \`cargo update --workspace\``);
  return version;
}

/** The command's version: the bindings in the compiled Worker can only be read by a command of the very same version. */
export function wasmBindgenVersion() {
  const library = lockedVersion("wasm-bindgen");
  const manifest = readFileSync(inRoot("dev/wasm-bindgen/Cargo.toml"), "utf8");
  const command = manifest.match(/^wasm-bindgen-cli = \{ version = "=(.+?)"/m)?.[1];
  if (library !== command) {
    throw new Refusal(
      `Cargo.lock has wasm-bindgen ${library}, dev/wasm-bindgen/Cargo.toml has wasm-bindgen-cli ${command}: ` +
        `set \`version\` and \`wasm-bindgen-cli\` there to ${library} and run \`cargo update\` in that folder`,
    );
  }
  return library;
}

/** The tool chain that rust-toolchain.toml pins. Read without a TOML parser: set-up runs before there is one. */
export function pinnedToolchain() {
  const text = readFileSync(inRoot("rust-toolchain.toml"), "utf8");
  const channel = text.match(/^channel\s*=\s*"(.+)"/m)?.[1];
  if (!channel) throw new Refusal("rust-toolchain.toml names no channel");
  const components = text.match(/^components\s*=\s*\[(.*)\]/m)?.[1].match(/[\w-]+/g) ?? [];
  return { channel, components: [...components] };
}
