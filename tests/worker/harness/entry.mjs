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

/** A module whose Worker calls the ledger through a function of the test's own.
 * @param {string} ask the source of an async function of the bindings, the name of the shard and the encoded call */
export const entryWithLedger = (ask) => `
import Service, { Ledger } from "./index.js";
export { Ledger };

const ask = ${ask};

// The Worker recognizes the binding by the name of its class.
class DurableObjectNamespace {
  constructor(env) {
    this.env = env;
  }

  idFromName(name) {
    return this.env.LEDGER.idFromName(name);
  }

  getByName(name) {
    return { ask: (call) => ask(this.env, name, call) };
  }
}

export default {
  fetch: (request, env, context) => Service.fetch(request, { ...env, LEDGER: new DurableObjectNamespace(env) }, context),
};
`;
