// The Worker's main module: the `fetch` handler, the entrypoint `Internal` and the Durable Object class `Ledger`.
//
// The handler is a plain object, which the runtime calls faster than a class. After a WebAssembly trap (a panic, or memory
// or stack exhaustion) the state of the instance is undefined, so a new instance replaces it.
import { DurableObject, WorkerEntrypoint } from "cloudflare:workers";
import { Shard, __wbg_reset_state, fetch, resume } from "./index.js";
import { writeEntries } from "./kv-writer.js";

/** The number of the current WebAssembly instance. */
let instance = 0;
/** The last trap. @type {unknown} */
let lastTrap;
/** Rejects the promises of ledger calls in flight. @type {Set<(error: Error) => void>} */
const rejecters = new Set();

/** @param {unknown} error */
const isTrap = (error) => error instanceof WebAssembly.RuntimeError || (error instanceof RangeError && /call stack/i.test(error.message));

/** Replaces the instance after a trap, and rejects the calls in flight, which would never complete.
 * @param {unknown} error */
function replaceAfterTrap(error) {
  if (!isTrap(error) || error === lastTrap) return; // a trap can be both caught and reported as an event
  lastTrap = error;
  console.error("Critical", error);
  console.log("Reinitializing Wasm application");
  instance += 1;
  __wbg_reset_state();
  for (const fail of rejecters) fail(new Error("the wasm has trapped"));
  rejecters.clear();
}

// Traps in tasks of the executor, outside of any call from this module.
addEventListener("error", (event) => replaceAfterTrap(event.error));

/** Waits for a result of the wasm, and rejects when it traps. Otherwise an alarm could hang, and no other would follow.
 * @template T @param {T | Promise<T>} result @returns {Promise<T>} */
async function rejectOnTrap(result) {
  if (!(result instanceof Promise)) return result;
  /** @type {(error: Error) => void} */
  let fail = () => {};
  const trapped = new Promise((_resolve, reject) => {
    fail = reject;
  });
  rejecters.add(fail);
  try {
    return await Promise.race([result, trapped]);
  } finally {
    rejecters.delete(fail);
  }
}

/** @param {Request} request @param {any} env @param {any} context @param {boolean} isInternal */
const answer = (request, env, context, isInternal) => toResponse(() => fetch(request, env, context, isInternal));

/** Calls the wasm and converts its result into a response. @param {() => any} ask @returns {Response | Promise<Response>} */
function toResponse(ask) {
  let result;
  try {
    result = ask();
  } catch (error) {
    replaceAfterTrap(error);
    throw error;
  }
  if (typeof result === "function") return result();
  return result.ticket === undefined ? result : resumeWhenSettled(result);
}

/** Resumes a paused request when its promise is settled.
 * @param {{ promise: Promise<unknown>, ticket: number }} pause */
function resumeWhenSettled({ promise, ticket }) {
  const pausedInstance = instance;
  const continueWith = (/** @type {unknown} */ value, /** @type {boolean} */ isFulfilled) => {
    // The ticket belongs to another instance.
    if (pausedInstance !== instance) throw new Error("the wasm has trapped");
    return toResponse(() => resume(ticket, value, isFulfilled));
  };
  return promise.then((value) => continueWith(value, true), (error) => continueWith(error, false));
}

export default {
  /** @param {Request} request @param {any} env @param {any} context */
  fetch: (request, env, context) => answer(request, env, context, false),
};

/** The entrypoint for service bindings with `entrypoint = "Internal"`. No route leads here, so the caller is one of the
 * deployer's own Workers, and may choose the freshness of checks. */
export class Internal extends WorkerEntrypoint {
  /** @param {Request} request */
  fetch(request) {
    return answer(request, this.env, this.ctx, true);
  }
}

/** The name prefix of objects that only write batches. */
const WRITER = "writer-";
/** How long a batch may wait for the alarm of its writer, in milliseconds. */
const BATCH_LIMIT = 10_000;

/** @typedef {import("./kv-writer.js").KvEntry} KvEntry */
/** @typedef {(string | null)[]} Results one error message per entry, `null` for success */

/** A shard of the ledger, or a writer: an object that writes batches to Workers KV for a shard. Writers multiply the six
 * connections of an invocation; each writes in its alarm, which is an invocation of its own. */
export class Ledger extends DurableObject {
  /** @type {Shard | undefined} */
  #shard;
  #instance = -1;

  /** The shard in the current instance. After a trap, a new one reads its state from storage. */
  get shard() {
    if (!this.#shard || this.#instance !== instance) {
      const write = (/** @type {string} */ name, /** @type {KvEntry[]} */ entries) => this.#writeBatch(name, entries);
      this.#shard = new Shard(this.ctx, this.env, { write });
      this.#instance = instance;
    }
    return this.#shard;
  }

  /** The busy writers. Number 0 is this object. @type {Set<number>} */
  #writing = new Set();

  /** Writes a batch with the first idle writer: this object itself if it is idle.
   * @param {string} name @param {KvEntry[]} entries @returns {Promise<Results>} */
  async #writeBatch(name, entries) {
    let writer = 0;
    while (this.#writing.has(writer)) writer += 1;
    this.#writing.add(writer);
    try {
      if (writer === 0) return await writeEntries(this.env[name], entries);
      return await this.env.LEDGER.getByName(`${WRITER}${this.ctx.id}-${writer}`).write(name, entries);
    } finally {
      this.#writing.delete(writer);
    }
  }

  /** Batches of another object, for the next alarm. @type {{ name: string, entries: KvEntry[], by: number, done: (results: Results) => void }[]} */
  #batches = [];

  /** Writes a batch for another object, in an alarm.
   * @param {string} name the KV namespace binding @param {KvEntry[]} entries @returns {Promise<Results>} */
  async write(name, entries) {
    const by = Date.now() + BATCH_LIMIT;
    const written = new Promise((done) => this.#batches.push({ name, entries, by, done }));
    await this.ctx.storage.setAlarm(Date.now());
    return written;
  }

  /** Answers an encoded call of the Worker. @param {Uint8Array} call */
  ask(call) {
    try {
      return this.shard.ask(call);
    } catch (error) {
      replaceAfterTrap(error);
      throw error;
    }
  }

  async alarm() {
    // Drop expired batches: their shard has stopped waiting and retries them.
    const batches = this.#batches.splice(0).filter(({ by }) => Date.now() < by);
    await Promise.all(batches.map(async ({ name, entries, done }) => done(await writeEntries(this.env[name], entries))));
    if (batches.length > 0 || this.ctx.id.name?.startsWith(WRITER)) return;
    try {
      await rejectOnTrap(this.shard.alarm());
    } catch (error) {
      replaceAfterTrap(error);
      throw error;
    }
  }
}
