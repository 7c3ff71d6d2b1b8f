// The built Worker in workerd, on a socket of its own: what a test sends arrives as it was sent, with nothing between.
import { rm } from "node:fs/promises";
import { Miniflare } from "miniflare";
import { answer, assertSound } from "./answer.mjs";
import { eventually } from "./eventually.mjs";
import { FakeKv } from "./fake-kv.mjs";
import { pendingIn, shardFiles } from "./database.mjs";
import { MAIN, tableOf, workerOptions } from "./options.mjs";
import { scratchFolder } from "./scratch.mjs";
import { digestOf, readAnswer, writeCall } from "./wire.mjs";

/** @typedef {import("./answer.mjs").Answer} Answer */
/** @typedef {{ after: (hook: () => unknown) => void }} Owner a test's context, or node:test itself for a whole file */
/** @typedef {{ name: string, value: string, metadata: any, expiration: number }} StoredEntry */
/**
 * What the tests need of a KV namespace.
 * @typedef {object} Namespace
 * @property {(options: object) => Promise<{ keys: { name: string, metadata?: unknown, expiration?: number }[], list_complete: boolean }>} list
 * @property {(key: string) => Promise<string | null>} get
 * @property {(key: string, value: string, options?: object) => Promise<void>} put
 */
/** @typedef {{ level: string, message: string }} LoggedLine */
/** @typedef {import("./options.mjs").Options} Options */
/** @typedef {{ method?: string, headers?: Record<string, string>, body?: string | Uint8Array }} Init */

const ANSWER_WITHIN_MS = 15_000;

export class Worker {
  /** @type {LoggedLine[]} everything that it has logged */
  logs = [];

  /** What its calls of the ledger say. @type {{ shards: number, settling: number, kvWrittenUntil: number | null }} */
  setup = { shards: 1, settling: 0, kvWrittenUntil: null };

  /** Takes the options' word for how the ledger is called. @param {Options} options */
  configure(options) {
    const { shards = 1, settling_seconds: settling = 0, kv_written_until: until } = /** @type {any} */ (tableOf(options).ledger ?? {});
    this.hasLedger = options.ledger !== "missing";
    const { REVOCATIONS: namespace } = options.namespaces ?? {};
    /** Workers KV, where the test has a stand-in for it. @type {{ entries: Map<string, unknown> } | undefined} */
    this.kv = namespace instanceof FakeKv ? namespace : undefined;
    this.setup = { shards, settling, kvWrittenUntil: until === undefined ? null : until * 1000 };
    return this;
  }

  /** @param {Options} options */
  async start(options) {
    this.configure(options);
    await this.run(options, [await workerOptions(options)]);
    return this.at(MAIN);
  }

  /** @param {Options} options @param {any[]} workers */
  async run({ persistIn, beside = [] }, workers) {
    this.folder = persistIn ?? (await (this.scratch = scratchFolder()));
    this.miniflare = new Miniflare({
      host: "127.0.0.1",
      port: 0,
      cf: false,
      handleStructuredLogs: (/** @type {LoggedLine} */ line) => void this.logs.push(line),
      durableObjectsPersist: this.folder,
      ...(persistIn !== undefined && { kvPersist: persistIn }),
      workers: [...workers, ...beside],
    });
    await this.miniflare.ready;
  }

  /** Speaks to the worker of this name. @param {string} name */
  async at(name) {
    this.url = await this.miniflare?.unsafeGetDirectURL(name);
    return this;
  }

  async dispose() {
    await this.miniflare?.dispose();
    this.miniflare = undefined;
    if (this.scratch) await rm(await this.scratch, { recursive: true, force: true });
  }

  /** Any request to what need not be the Worker's own answer. @param {string} path @param {RequestInit} [init] */
  raw(path, init = {}) {
    // A connection each: one that is kept and just being closed would fail the request that it is used for.
    const headers = { connection: "close", .../** @type {Record<string, string>} */ (init.headers) };
    return fetch(`${this.url?.origin}${path}`, { redirect: "manual", signal: AbortSignal.timeout(ANSWER_WITHIN_MS), ...init, headers });
  }

  /** Any request; the answer is read to its end, and is sound. @param {string} path @param {Init} [init] @returns {Promise<Answer>} */
  async fetch(path, init = {}) {
    const response = await this.raw(path, init);
    return assertSound(answer(response.status, response.headers, await response.text()));
  }

  /**
   * @param {string} path
   * @param {{ token?: string, headers?: Record<string, string>, json?: unknown, body?: string | Uint8Array }} [what]
   */
  post(path, { token, headers = {}, json, body } = {}) {
    /** @type {Record<string, string>} */
    const sent = { ...headers };
    if (token !== undefined) sent.authorization = `Bearer ${token}`;
    if (json === undefined) return this.fetch(path, { method: "POST", headers: sent, body });
    return this.fetch(path, { method: "POST", headers: { "content-type": "application/json", ...sent }, body: JSON.stringify(json) });
  }

  /** @param {string} binding @returns {Promise<Namespace>} */
  async namespace(binding) {
    if (!this.miniflare) throw new Error("The Worker has been disposed of");
    return /** @type {any} */ (await this.miniflare.getKVNamespace(binding));
  }

  /** The object of a shard. @returns {Promise<any>} */
  async shard(shard = 0) {
    const namespace = /** @type {any} */ (await this.miniflare?.getDurableObjectNamespace("LEDGER", MAIN));
    return namespace.get(namespace.idFromName(`shard-${shard}`));
  }

  /**
   * What a shard of the ledger answers.
   * @template {import("./wire.mjs").Kind} K
   * @param {K} kind @param {import("./wire.mjs").Questions[K]} question
   */
  async askLedger(kind, question, shard = 0) {
    return readAnswer(await this.answerOf(kind, question, shard));
  }

  /** The same as bytes. @template {import("./wire.mjs").Kind} K @param {K} kind @param {import("./wire.mjs").Questions[K]} question @returns {Promise<Uint8Array>} */
  async answerOf(kind, question, shard = 0) {
    return (await this.shard(shard)).ask(writeCall({ ...this.setup, shard }, kind, question));
  }

  /** What a shard tells a replica that knows nothing, all pages. @returns {Promise<import("./wire.mjs").Synced>} */
  async sync(shard = 0) {
    let all = await this.#page(shard);
    while (!all.isComplete) {
      const next = await this.#page(shard, { at: { lineage: all.lineage, version: all.upto }, directory: all.directoryId });
      if (next.directory) throw new Error("The shard has sealed or merged meanwhile");
      all = { ...next, after: all.after, directory: all.directory, entries: [...all.entries, ...next.entries] };
    }
    return all;
  }

  /** @param {number} shard @param {import("./wire.mjs").Questions["Sync"]} [question] */
  async #page(shard, question = {}) {
    const { kind, synced } = await this.askLedger("Sync", question, shard);
    if (!synced) throw new Error(`The shard has answered ${kind}`);
    return synced;
  }

  /** Waits until every shard has what Workers KV had before it. */
  imported() {
    return this.eachShard("everything is imported", async (shard) => !(await this.sync(shard)).isImporting);
  }

  /** @param {string} what @param {(shard: number) => Promise<boolean>} look @param {number} [withinMs] */
  eachShard(what, look, withinMs) {
    const shards = Array.from({ length: this.setup.shards }, (_, shard) => shard);
    return eventually(what, async () => (await Promise.all(shards.map(look))).every(Boolean), withinMs);
  }

  /** Waits until Workers KV has all that the ledger has recorded. @param {number} [withinMs] */
  async written(withinMs) {
    const files = await shardFiles(String(this.folder));
    await eventually("Workers KV has what the ledger has", async () => {
      const pending = files.map(pendingIn);
      if (pending.includes(undefined)) return false;
      // After a restart what may have been under way is written once more: it is there already.
      const digests = pending.flatMap((some) => some ?? []);
      const there = digests.length > 0 ? await this.#digestsInKv() : new Set();
      return digests.every((digest) => there.has(digest));
    }, withinMs);
  }

  async #digestsInKv() {
    const keys = [...(this.kv?.entries.keys() ?? [])];
    if (!this.kv) {
      const namespace = /** @type {any} */ (await this.namespace("REVOCATIONS"));
      for (let cursor = /** @type {string | undefined} */ (undefined), isComplete = false; !isComplete; ) {
        const page = /** @type {any} */ (await namespace.list({ limit: 1000, cursor }));
        keys.push(...page.keys.map((/** @type {{ name: string }} */ { name }) => name));
        [cursor, isComplete] = [page.cursor, page.list_complete];
      }
    }
    return new Set(keys.filter((key) => key.startsWith("v1:")).map(digestOf));
  }

  /** All that is in the simulated KV, once what the ledger has is there. @returns {Promise<StoredEntry[]>} */
  async stored() {
    if (this.hasLedger) await this.written();
    return this.listed("REVOCATIONS");
  }

  /** All that is in a simulated KV now. @param {string} binding @returns {Promise<StoredEntry[]>} */
  async listed(binding) {
    const namespace = await this.namespace(binding);
    const { keys, list_complete: isComplete } = await namespace.list({ limit: 1000 });
    if (!isComplete) throw new Error("More than a thousand keys: too many for a test");
    const values = await Promise.all(keys.map(({ name }) => namespace.get(name)));
    return keys.map(({ name, metadata, expiration }, index) => ({ name, metadata, expiration: expiration ?? NaN, value: values[index] ?? "" }));
  }

  /** The log line of an answer, by its request id. @param {Answer} got @returns {Promise<Record<string, any>>} */
  logOf(got) {
    const id = got.headers.get("x-request-id");
    return eventually(`the log line of ${id}`, () => this.requestLogs().find((line) => line.request_id === id));
  }

  /** The log lines of requests so far. They come a little later than the answers. @returns {Record<string, any>[]} */
  requestLogs() {
    return this.events("request");
  }

  /** @param {string} event @returns {Record<string, any>[]} */
  events(event) {
    return this.logs
      .filter(({ message }) => message.startsWith("{"))
      .map(({ message }) => JSON.parse(message))
      .filter((line) => line.event === event);
  }
}

/** A Worker that is disposed of with its owner. @param {Owner} owner @param {Options} [options] */
export async function start(owner, options = {}) {
  const worker = new Worker();
  owner.after(() => worker.dispose());
  return worker.start(options);
}

/** A KV that is closed with its owner. @param {Owner} owner */
export async function fakeKv(owner) {
  const kv = new FakeKv();
  owner.after(() => kv.close());
  return kv.listen();
}
