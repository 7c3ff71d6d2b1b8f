// The module that the runtime loads: the Worker's entry and the ledger's class.
//
// A plain object instead of a class: the runtime calls it some 7 us sooner. A trap of the wasm (a panic, memory or stack
// that is used up) leaves it in a state that nothing can be said of: a new instance takes its place.
import { DurableObject, WorkerEntrypoint } from "cloudflare:workers";
import { Shard, __wbg_reset_state, fetch, resume } from "./index.js";
import { writeEntries } from "./kv-writer.js";

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
const answer = (request, env, context, isInternal) => answered(() => fetch(request, env, context, isInternal));

/** The response that the wasm gives, or its promise. @param {() => any} ask @returns {Response | Promise<Response>} */
function answered(ask) {
  let given;
  try {
    given = ask();
  } catch (error) {
    note(error);
    throw error;
  }
  if (typeof given === "function") return given();
  return given.ticket === undefined ? given : afterwards(given);
}

/** Goes on with a request when what it waits for is settled.
 * @param {{ promise: Promise<unknown>, ticket: number }} pause */
function afterwards({ promise, ticket }) {
  const own = instance;
  const goOn = (/** @type {unknown} */ value, /** @type {boolean} */ isFulfilled) => {
    // Another instance may have given the same ticket.
    if (own !== instance) throw new Error("the wasm has trapped");
    return answered(() => resume(ticket, value, isFulfilled));
  };
  return promise.then((value) => goOn(value, true), (error) => goOn(error, false));
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

/** What the names of objects begin with that only write batches. */
const WRITER = "writer-";
/** How long a batch may wait for its writer's alarm, in milliseconds. */
const BATCH_LIMIT = 10_000;

/** @typedef {import("./kv-writer.js").KvEntry} KvEntry */
/** @typedef {(string | null)[]} Results what is wrong with each entry */

/** One shard of the ledger. Objects of this class that are named after a shard also write batches to Workers KV for it:
 * an invocation lets six calls wait for KV, and an alarm is an invocation of its own. */
export class Ledger extends DurableObject {
  /** @type {Shard | undefined} */
  #shard;
  #instance = -1;

  /** The shard within the present wasm: after a trap it reads its state anew. */
  get shard() {
    if (!this.#shard || this.#instance !== instance) {
      const write = (/** @type {string} */ name, /** @type {KvEntry[]} */ entries) => this.#writeSomewhere(name, entries);
      this.#shard = new Shard(this.ctx, this.env, { write });
      this.#instance = instance;
    }
    return this.#shard;
  }

  /** Which writers are at work: 0 is this object itself. @type {Set<number>} */
  #writing = new Set();

  /** Writes a batch: by this object's own alarm while that has nothing else to write, then by other objects.
   * @param {string} name @param {KvEntry[]} entries @returns {Promise<Results>} */
  async #writeSomewhere(name, entries) {
    let place = 0;
    while (this.#writing.has(place)) place += 1;
    this.#writing.add(place);
    try {
      if (place === 0) return await writeEntries(this.env[name], entries);
      return await this.env.LEDGER.getByName(`${WRITER}${this.ctx.id}-${place}`).write(name, entries);
    } finally {
      this.#writing.delete(place);
    }
  }

  /** Batches that the next alarm writes for another object. @type {{ name: string, entries: KvEntry[], by: number, done: (results: Results) => void }[]} */
  #batches = [];

  /** Writes a batch for another object. @param {string} name of the KV namespace @param {KvEntry[]} entries @returns {Promise<Results>} */
  async write(name, entries) {
    const by = Date.now() + BATCH_LIMIT;
    const written = new Promise((done) => this.#batches.push({ name, entries, by, done }));
    await this.ctx.storage.setAlarm(Date.now());
    return written;
  }

  /** Answers a call of the Worker. @param {Uint8Array} call */
  ask(call) {
    try {
      return this.shard.ask(call);
    } catch (error) {
      note(error);
      throw error;
    }
  }

  async alarm() {
    // Whoever has given a batch has stopped waiting for it by then, and writes it again.
    const batches = this.#batches.splice(0).filter(({ by }) => Date.now() < by);
    await Promise.all(batches.map(async ({ name, entries, done }) => done(await writeEntries(this.env[name], entries))));
    if (batches.length > 0 || this.ctx.id.name?.startsWith(WRITER)) return;
    try {
      await orTrap(this.shard.alarm());
    } catch (error) {
      note(error);
      throw error;
    }
  }
}
