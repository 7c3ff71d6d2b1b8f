// The built Worker behind a module of the test's own.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { BUILD } from "../../../dev/lib/paths.mjs";

/** @param {"ESModule" | "CompiledWasm"} type @param {string} name */
const built = async (type, name) => ({ type, path: join(BUILD, name), contents: await readFile(join(BUILD, name)) });

/** The modules of a Worker that begins with this one, which imports `./index.js`. @param {string} entry */
export async function modulesBehind(entry) {
  const first = { type: /** @type {const} */ ("ESModule"), path: join(BUILD, "entry.js"), contents: entry };
  return [first, await built("ESModule", "index.js"), await built("CompiledWasm", "index_bg.wasm")];
}
