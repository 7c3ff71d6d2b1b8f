// Workers KV as the runtime's own KVNamespace speaks to it, over HTTP, so that every fault reaches the Worker as in
// production: `KV PUT failed: 429 Too Many Requests`, `Network connection lost.` It has the platform's limits as well.
import { once } from "node:events";
import { STATUS_CODES, createServer } from "node:http";
import { text } from "node:stream/consumers";

/** @typedef {"get" | "bulk" | "put"} Kind */
/** @typedef {{ kind: Kind, keys: string[] }} Operation */
/**
 * What goes wrong. Without a status the operation is done once it may go on.
 * @typedef {object} Fault
 * @property {number} [status] the answer
 * @property {boolean} [reset] the connection is lost instead of an answer
 * @property {boolean} [hang] there is never an answer
 * @property {boolean} [stored] a put: it is stored before it goes wrong
 * @property {boolean} [partial] a bulk: it says nothing of the last key
 * @property {Promise<unknown>} [until] is waited for
 */
/** @typedef {(operation: Operation) => Fault | undefined} Rule */
/** @typedef {{ value: string, metadata: unknown, expiration?: number, writtenAt: number }} Entry */

/** The first operations, not the later ones. @template Any @param {number} count @param {Any} fault @returns {() => Any | undefined} */
export function times(count, fault) {
  let left = count;
  return () => (left-- > 0 ? fault : undefined);
}

/** @template Any @param {Any} fault @returns {() => Any} */
export const always = (fault) => () => fault;

/** @param {string} scope @param {Rule} rule @returns {Rule} a rule for revocations of one scope */
export const ofScope = (scope, rule) => (operation) => operation.keys.some((key) => key.split(":")[2] === scope) ? rule(operation) : undefined;

const KV_SHORTEST_SECONDS = 60;
const KV_MAX_KEY_BYTES = 512;
const KV_MAX_METADATA_BYTES = 1024;

export class FakeKv {
  /** @type {Map<string, Entry>} */
  entries = new Map();
  /** @type {Operation[]} in the order in which they came, those that went wrong as well */
  operations = [];
  /** Whether a second write to a key within a second is answered with 429, as in production. */
  limitsWrites = false;
  /** @type {Partial<Record<Kind, Rule>>} */
  #rules = {};

  /** @param {Kind} kind @param {Rule} rule */
  on(kind, rule) {
    this.#rules[kind] = rule;
    return this;
  }

  /** As at the beginning. */
  reset() {
    this.entries.clear();
    this.operations.length = 0;
    this.#rules = {};
    this.limitsWrites = false;
  }

  /** From now on everything is as it should be. */
  heal() {
    this.#rules = {};
  }

  /** @param {Kind} kind */
  count(kind) {
    return this.operations.filter((operation) => operation.kind === kind).length;
  }

  /** @param {string} scope */
  holds(scope) {
    return [...this.entries.keys()].some((key) => key.split(":")[2] === scope);
  }

  async listen() {
    this.server = createServer((request, response) => void this.#serve(request, response)).listen(0, "127.0.0.1");
    await once(this.server, "listening");
    const { port } = /** @type {import("node:net").AddressInfo} */ (this.server.address());
    this.url = new URL(`http://127.0.0.1:${port}/`);
    return this;
  }

  close() {
    this.server?.closeAllConnections();
    this.server?.close();
  }

  /** @param {import("node:http").IncomingMessage} request @param {import("node:http").ServerResponse} response */
  async #serve(request, response) {
    const body = await text(request);
    if (!request.headers["mf-url"]) return void response.writeHead(426).end(); // Miniflare's other way, for bindings that are no KV
    const url = new URL(String(request.headers["mf-url"]));
    const operation = read(String(request.method), url, body);
    this.operations.push(operation);
    const fault = this.#rules[operation.kind]?.(operation) ?? {};
    await fault.until;
    const store = () => this.#take(operation.keys[0], body, url.searchParams, String(request.headers["mf-header-cf-kv-metadata"] ?? "null"));
    if (fault.stored) store();
    if (goesWrong(fault, response)) return;
    if (operation.kind === "put") answerWith(response, store());
    else this.#answerRead(fault.partial ? { ...operation, keys: operation.keys.slice(0, -1) } : operation, response);
  }

  /** @param {Operation} operation @param {import("node:http").ServerResponse} response */
  #answerRead({ kind, keys }, response) {
    const values = keys.map((key) => this.look(key)?.value ?? null);
    if (kind === "bulk") return void response.end(JSON.stringify(Object.fromEntries(keys.map((key, index) => [key, values[index]]))));
    if (values[0] === null) return void response.writeHead(404).end();
    response.end(values[0]);
  }

  /** What a read finds. @param {string} key @returns {Entry | undefined} */
  look(key) {
    return this.entries.get(key);
  }

  /** @param {string} key @param {Entry} entry */
  store(key, entry) {
    this.entries.set(key, entry);
  }

  /** @param {string} key @param {string} value @param {URLSearchParams} options @param {string} metadata @returns {number} status */
  #take(key, value, options, metadata) {
    const writtenAt = Date.now();
    const expiration = expirationIn(options, Math.floor(writtenAt / 1000));
    if (Buffer.byteLength(key) > KV_MAX_KEY_BYTES) return 414;
    if (Buffer.byteLength(metadata) > KV_MAX_METADATA_BYTES) return 413;
    if (expiration < Math.floor(writtenAt / 1000) + KV_SHORTEST_SECONDS) return 400;
    const before = this.entries.get(key)?.writtenAt ?? 0;
    if (this.limitsWrites && writtenAt - before < 1_000) return 429;
    this.store(key, { value, metadata: JSON.parse(metadata), expiration, writtenAt });
    return 200;
  }
}

/** @param {URLSearchParams} options @param {number} second */
function expirationIn(options, second) {
  const ttl = options.get("expiration_ttl");
  return ttl === null ? Number(options.get("expiration") ?? Infinity) : second + Number(ttl);
}

/** @param {string} method @param {URL} url @param {string} body @returns {Operation} */
function read(method, url, body) {
  if (method === "POST" && url.pathname === "/bulk/get") return { kind: "bulk", keys: JSON.parse(body).keys };
  const key = decodeURIComponent(url.pathname.slice(1));
  if (method === "PUT") return { kind: "put", keys: [key] };
  if (method === "GET") return { kind: "get", keys: [key] };
  throw new Error(`The Worker has no need of ${method} ${url}`);
}

/** @param {Fault} fault @param {import("node:http").ServerResponse} response @returns {boolean} whether that was all */
function goesWrong({ hang, reset, status }, response) {
  if (reset) response.destroy();
  else if (status !== undefined) answerWith(response, status);
  return Boolean(hang || reset || status);
}

/** @param {import("node:http").ServerResponse} response @param {number} status */
const answerWith = (response, status) => void response.writeHead(status, STATUS_CODES[status]).end();
