// The built Worker in workerd, on a socket of its own: what a test sends arrives as it was sent, with nothing between.
import { Miniflare } from "miniflare";
import { answer, assertSound } from "./answer.mjs";
import { eventually } from "./eventually.mjs";
import { FakeKv } from "./fake-kv.mjs";
import "./scratch.mjs";
import { MAIN, workerOptions } from "./options.mjs";

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

/** What a page of the feed tells: digest, version and, where there is one, cut-off. @param {string} entries @returns {[string, number, number?][]} */
export const told = (entries) =>
  entries.split(",").filter(Boolean).map((entry) => {
    const [digest, version, cutOff] = entry.split(" ");
    return cutOff === undefined ? [digest, Number(version)] : [digest, Number(version), Number(cutOff)];
  });

export class Worker {
  /** @type {LoggedLine[]} everything that it has logged */
  logs = [];

  /** @param {Options} options */
  async start(options) {
    this.hasLedger = options.ledger !== "missing";
    await this.run(options, [await workerOptions(options)]);
    return this.at(MAIN);
  }

  /** @param {Options} options @param {any[]} workers */
  async run({ persistIn, beside = [] }, workers) {
    this.miniflare = new Miniflare({
      host: "127.0.0.1",
      port: 0,
      cf: false,
      handleStructuredLogs: (/** @type {LoggedLine} */ line) => void this.logs.push(line),
      ...(persistIn !== undefined && { kvPersist: persistIn, durableObjectsPersist: persistIn }),
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

  /** What a shard of the ledger answers. @param {Record<string, unknown>} question @returns {Promise<any>} */
  async askLedger(question, shard = 0) {
    const namespace = /** @type {any} */ (await this.miniflare?.getDurableObjectNamespace("LEDGER", MAIN));
    return JSON.parse(await namespace.get(namespace.idFromName(`shard-${shard}`)).ask(JSON.stringify(question)));
  }

  /** All that is in the simulated KV, once what the ledger has is there. @returns {Promise<StoredEntry[]>} */
  stored() {
    return eventually("Workers KV has what the ledger has", async () => {
      const { entries = "" } = this.hasLedger ? await this.askLedger({ Changes: { Start: 0 } }) : {};
      const stored = await this.listed("REVOCATIONS");
      const digests = new Set(stored.map(({ name }) => name.split(":")[3]));
      return told(entries).every(([digest]) => digests.has(digest)) && stored;
    });
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
