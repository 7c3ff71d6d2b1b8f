// Workers KV as the runtime's own KVNamespace speaks to it, over HTTP, so that every fault reaches the Worker as in
// production: `KV PUT failed: 429 Too Many Requests`, `Network connection lost.` It has the platform's limits as well.
import { isUtf8 } from "node:buffer";
import { once } from "node:events";
import { STATUS_CODES, createServer } from "node:http";
import { buffer } from "node:stream/consumers";

/** @typedef {"get" | "bulk" | "put" | "list"} Kind */
/** @typedef {{ kind: Kind, keys: string[] }} Operation of a listing: the cursor, which is empty at first */
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
/** @typedef {{ value: string, bytes?: Buffer, metadata: unknown, expiration?: number, writtenAt: number }} Entry `bytes`: a value that is no text */

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
const KV_MAX_LISTED = 1000;

export class FakeKv {
  /** @type {Map<string, Entry>} */
  entries = new Map();
  /** @type {Operation[]} in the order in which they came, those that went wrong as well */
  operations = [];
  /** Whether a second write to a key within a second is answered with 429, as in production. */
  limitsWrites = false;
  /** How many keys a page of a listing has at most. */
  mostListed = KV_MAX_LISTED;
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
    this.mostListed = KV_MAX_LISTED;
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
    const body = await buffer(request);
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
    else if (operation.kind === "list") this.#answerList(url.searchParams, response);
    else this.#answerRead(fault.partial ? { ...operation, keys: operation.keys.slice(0, -1) } : operation, response);
  }

  /** @param {Operation} operation @param {import("node:http").ServerResponse} response */
  #answerRead({ kind, keys }, response) {
    const found = keys.map((key) => this.look(key));
    if (kind === "bulk") return void response.end(JSON.stringify(Object.fromEntries(keys.map((key, index) => [key, found[index]?.value ?? null]))));
    if (!found[0]) return void response.writeHead(404).end();
    response.end(found[0].bytes ?? found[0].value);
  }

  /** A page of the keys in their order; the cursor is the last key. @param {URLSearchParams} options @param {import("node:http").ServerResponse} response */
  #answerList(options, response) {
    const [prefix, cursor] = [options.get("prefix") ?? "", options.get("cursor") ?? ""];
    const limit = Math.min(Number(options.get("key_count_limit") ?? KV_MAX_LISTED), this.mostListed);
    const all = [...this.entries.keys()].filter((key) => key.startsWith(prefix) && key > cursor).sort();
    const found = all.slice(0, limit).map((name) => ({ name, entry: this.peek(name) }));
    const keys = found.flatMap(({ name, entry }) => entry ? [{ name, expiration: entry.expiration, metadata: JSON.stringify(entry.metadata ?? undefined) }] : []);
    const isLast = all.length <= limit;
    response.end(JSON.stringify({ keys, list_complete: isLast, ...(!isLast && { cursor: all[limit - 1] }) }));
  }

  /** What a listing finds. @param {string} key @returns {Entry | undefined} */
  peek(key) {
    return this.entries.get(key);
  }

  /** What a read finds. @param {string} key @returns {Entry | undefined} */
  look(key) {
    return this.entries.get(key);
  }

  /** @param {string} key @param {Entry} entry */
  store(key, entry) {
    this.entries.set(key, entry);
  }

  /** @param {string} key @param {Buffer} bytes @param {URLSearchParams} options @param {string} metadata @returns {number} status */
  #take(key, bytes, options, metadata) {
    const writtenAt = Date.now();
    const expiration = expirationIn(options, Math.floor(writtenAt / 1000));
    if (Buffer.byteLength(key) > KV_MAX_KEY_BYTES) return 414;
    if (Buffer.byteLength(metadata) > KV_MAX_METADATA_BYTES) return 413;
    if (expiration < Math.floor(writtenAt / 1000) + KV_SHORTEST_SECONDS) return 400;
    const before = this.entries.get(key)?.writtenAt ?? 0;
    if (this.limitsWrites && writtenAt - before < 1_000) return 429;
    const value = bytes.toString();
    this.store(key, { value, ...(!isUtf8(bytes) && { bytes }), metadata: JSON.parse(metadata), expiration, writtenAt });
    return 200;
  }
}

/** @param {URLSearchParams} options @param {number} second */
function expirationIn(options, second) {
  const ttl = options.get("expiration_ttl");
  return ttl === null ? Number(options.get("expiration") ?? Infinity) : second + Number(ttl);
}

/** @param {string} method @param {URL} url @param {Buffer} body @returns {Operation} */
function read(method, url, body) {
  if (method === "POST" && url.pathname === "/bulk/get") return { kind: "bulk", keys: JSON.parse(body.toString()).keys };
  if (method === "GET" && url.pathname === "/") return { kind: "list", keys: [url.searchParams.get("cursor") ?? ""] };
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
