// The module that the runtime loads: the Worker's entry and the ledger's class.
//
// A plain object instead of a class: the runtime calls it some 7 us sooner. A trap of the wasm (a panic, memory or stack
// that is used up) leaves it in a state that nothing can be said of: a new instance takes its place.
import { DurableObject, WorkerEntrypoint } from "cloudflare:workers";
import { Shard, __wbg_reset_state, fetch } from "./index.js";

/** Which instance of the wasm it is, counted. */
let instance = 0;
/** The trap that was noted last. @type {unknown} */
let latest;
/** How the ledger's calls fail that wait for the instance. @type {Set<(error: Error) => void>} */
const waiting = new Set();

/** @param {unknown} error */
const isTrap = (error) => error instanceof WebAssembly.RuntimeError || (error instanceof RangeError && /call stack/i.test(error.message));

/** Begins anew after a trap, at once: what still waits for the old instance must not go on in it, and will not end by
 * itself. @param {unknown} error */
function note(error) {
  if (!isTrap(error) || error === latest) return; // it may be told of both where it is caught and as an event
  latest = error;
  console.error("Critical", error);
  console.log("Reinitializing Wasm application");
  instance += 1;
  __wbg_reset_state();
  for (const fail of waiting) fail(new Error("the wasm has trapped"));
  waiting.clear();
}

// What traps behind an answer, in no call from here.
addEventListener("error", (event) => note(event.error));

/** What the wasm gives, or an error when it traps meanwhile: an alarm that never ends would be the ledger's last.
 * @template T @param {T | Promise<T>} given @returns {Promise<T>} */
async function orTrap(given) {
  if (!(given instanceof Promise)) return given;
  /** @type {(error: Error) => void} */
  let fail = () => {};
  const trapped = new Promise((_resolve, reject) => {
    fail = reject;
  });
  waiting.add(fail);
  try {
    return await Promise.race([given, trapped]);
  } finally {
    waiting.delete(fail);
  }
}

/** @param {Request} request @param {any} env @param {any} context @param {boolean} isInternal */
function answer(request, env, context, isInternal) {
  try {
    return fetch(request, env, context, isInternal);
  } catch (error) {
    note(error);
    throw error;
  }
}

export default {
  /** @param {Request} request @param {any} env @param {any} context */
  fetch: (request, env, context) => answer(request, env, context, false),
};

/** For service bindings with `entrypoint = "Internal"`. No route leads here, so the caller is one of the deployer's own
 * Workers, and may choose how fresh an answer must be. */
export class Internal extends WorkerEntrypoint {
  /** @param {Request} request */
  fetch(request) {
    return answer(request, this.env, this.ctx, true);
  }
}

/** One shard of the ledger. */
export class Ledger extends DurableObject {
  /** @type {Shard | undefined} */
  #shard;
  #instance = -1;

  /** The shard within the present wasm: after a trap it reads its state anew. */
  get shard() {
    if (!this.#shard || this.#instance !== instance) {
      this.#shard = new Shard(this.ctx, this.env);
      this.#instance = instance;
    }
    return this.#shard;
  }

  /** Called by the Worker: a call between the two costs half of a request. @param {string} question */
  async ask(question) {
    try {
      return await orTrap(this.shard.ask(question));
    } catch (error) {
      note(error);
      throw error;
    }
  }

  async alarm() {
    try {
      await orTrap(this.shard.alarm());
    } catch (error) {
      note(error);
      throw error;
    }
  }
}
