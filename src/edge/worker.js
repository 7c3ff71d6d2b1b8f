// The module that the runtime loads: the Worker's entry and the ledger's class.
//
// A plain object instead of a class: the runtime calls it some 7 us sooner. A trap of the wasm (a panic, or memory that
// is used up) leaves it in a state that nothing can be said of; the next call begins with a new instance.
import { DurableObject } from "cloudflare:workers";
import { Shard, __wbg_reset_state, fetch } from "./index.js";

let [isBroken, instance] = [false, 0];

function renew() {
  if (!isBroken) return;
  console.log("Reinitializing Wasm application");
  __wbg_reset_state();
  [isBroken, instance] = [false, instance + 1];
}

/** @param {unknown} error */
function note(error) {
  if (!(error instanceof WebAssembly.RuntimeError)) return;
  console.error("Critical", error);
  isBroken = true;
}

// What traps behind an answer, in no call from here.
addEventListener("error", (event) => note(event.error));

export default {
  /** @param {Request} request @param {any} env @param {any} context */
  fetch(request, env, context) {
    if (isBroken) renew();
    try {
      return fetch(request, env, context);
    } catch (error) {
      note(error);
      throw error;
    }
  },
};

/** One shard of the ledger. */
export class Ledger extends DurableObject {
  /** @type {Shard | undefined} */
  #shard;
  #instance = -1;

  /** The shard within the present wasm: after a trap it reads its state anew. */
  get shard() {
    renew();
    if (!this.#shard || this.#instance !== instance) {
      this.#shard = new Shard(this.ctx, this.env);
      this.#instance = instance;
    }
    return this.#shard;
  }

  /** Called by the Worker: a call between the two costs half of a request. @param {string} question */
  async ask(question) {
    try {
      return await this.shard.ask(question);
    } catch (error) {
      note(error);
      throw error;
    }
  }

  async alarm() {
    try {
      await this.shard.alarm();
    } catch (error) {
      note(error);
      throw error;
    }
  }
}
