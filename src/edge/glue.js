// What the Worker asks of the runtime. From the wasm every step would be a call of its own, with names and values copied
// each time; here a whole errand is one call. Nothing is decided here.
import { connect } from "cloudflare:sockets";

/** How long a location may keep what it has read from KV, in seconds: the least that KV allows, since a cached miss hides
 * a new revocation for as long. */
const CACHE_TTL = 30;

// Bodies

/** The whole body, or undefined when it has more bytes than that.
 * @param {Request | Response} source @param {number} limit */
export async function read(source, limit) {
  const chunks = [];
  let length = 0;
  if (source.body) {
    const reader = source.body.getReader();
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      length += next.value.length;
      if (length > limit) {
        // Nothing more is wanted of it; whether the client minds does not matter.
        reader.cancel().catch(() => {});
        return undefined;
      }
      chunks.push(next.value);
    }
  }
  if (chunks.length === 1) return chunks[0];
  const body = new Uint8Array(length);
  let place = 0;
  for (const chunk of chunks) {
    body.set(chunk, place);
    place += chunk.length;
  }
  return body;
}

// Requests to other servers

/** A `GET` that can be aborted. */
export class Get {
  /** @param {string} url @param {number} limit how many bytes of a body are read */
  constructor(url, limit) {
    this.controller = new AbortController();
    this.answer = get(url, limit, this.controller.signal);
  }

  /** Aborts it; does nothing once it was answered. */
  end() {
    this.controller.abort();
  }
}

/**
 * Status, `Cache-Control`, `Age`, and the body, which is undefined when it is longer than `limit` bytes.
 * @param {string} url @param {number} limit @param {AbortSignal} signal
 * @returns {Promise<[status: number, cacheControl: string | null, age: string | null, body: Uint8Array | undefined]>}
 */
async function get(url, limit, signal) {
  // No cache: the server's own headers decide how long keys are fresh. No redirects: they could replace the keys.
  const response = await fetch(url, { headers: { accept: "application/json" }, redirect: "manual", cache: "no-store", signal });
  const body = await read(response, limit);
  return [response.status, response.headers.get("cache-control"), response.headers.get("age"), body];
}

// Variables and bindings

/** @param {any} env @param {string} name the text, or the table as JSON; undefined when there is neither */
export function variable(env, name) {
  const value = env[name];
  if (typeof value === "string" || value === undefined || value === null) return value;
  return typeof value === "object" ? JSON.stringify(value) : undefined;
}

/** @param {any} env @param {string} prefix @returns {string} the variables whose names begin with it, each as text or
 * as JSON, as one JSON object; bindings of other kinds are left out */
export function variables(env, prefix) {
  const isPlain = (/** @type {any} */ value) => typeof value !== "object" || Array.isArray(value) || Object.getPrototypeOf(value) === Object.prototype;
  const all = Object.entries(env).filter(([name, value]) => name.startsWith(prefix) && value !== null && isPlain(value));
  return JSON.stringify(Object.fromEntries(all.map(([name, value]) => [name, typeof value === "string" ? value : JSON.stringify(value)])));
}

/** @param {any} env @param {string} name @param {string} method whether something is bound there that has this method */
export const hasMethod = (env, name, method) => typeof env[name] === "object" && typeof env[name]?.[method] === "function";

// Time

/** A pause that can be given up. */
export class Pause {
  /** @param {number} milliseconds */
  constructor(milliseconds) {
    this.over = new Promise((resolve) => {
      this.timer = setTimeout(resolve, milliseconds);
    });
  }

  end() {
    clearTimeout(this.timer);
  }
}

// Workers KV

/** @param {any} env @param {string} name @param {string[]} keys @returns {Promise<(string | null | undefined)[]>} */
export async function kvFind(env, name, keys) {
  const found = await env[name].get(keys, { type: "text", cacheTtl: CACHE_TTL });
  return keys.map((key) => found.get(key));
}

/** @param {any} env @param {string} name @param {string} key */
export const kvGet = async (env, name, key) => env[name].get(key, { type: "text" });

/** @param {any} env @param {string} name @param {string} key @param {string} value JSON, and the metadata as well
 * @param {number} [expiration] @param {number} [expirationTtl] */
export async function kvPut(env, name, key, value, expiration, expirationTtl) {
  await env[name].put(key, value, { metadata: JSON.parse(value), expiration, expirationTtl });
}

/** @param {any} env @param {string} name @param {string} key @param {Uint8Array} value a view of the wasm's memory
 * @param {number} [expiration] @param {number} [expirationTtl] */
export async function kvPutBytes(env, name, key, value, expiration, expirationTtl) {
  await env[name].put(key, value.slice(), { expiration, expirationTtl });
}

/** How long a location may keep a segment, in seconds: it never changes. */
const SEGMENT_TTL = 86_400;

/** @param {any} env @param {string} name @param {string} key @returns {Promise<ArrayBuffer | null>} */
export const kvGetBytes = async (env, name, key) => env[name].get(key, { type: "arrayBuffer", cacheTtl: SEGMENT_TTL });

/** How many keys a page of a listing has: looking each of them up takes the ledger a while. A bulk read takes a hundred. */
const KEYS_LISTED = 100;

/** A page of the keys that begin like this, with their metadata and expiry, as JSON; with their values where the metadata
 * is none of ours. @param {any} env @param {string} name @param {string} prefix @param {string} [cursor] */
export async function kvList(env, name, prefix, cursor) {
  const page = await env[name].list({ prefix, limit: KEYS_LISTED, cursor });
  const entries = page.keys.map((/** @type {any} */ { name: key, metadata, expiration }) => {
    const isOurs = typeof metadata?.expires_at === "number";
    return { key, value: isOurs ? JSON.stringify(metadata) : undefined, expiration };
  });
  const unread = entries.filter((/** @type {any} */ { value }) => value === undefined);
  if (unread.length > 0) {
    const values = await env[name].get(unread.map((/** @type {any} */ { key }) => key), { type: "text" });
    for (const entry of unread) entry.value = values.get(entry.key) ?? undefined;
  }
  return JSON.stringify({ entries, cursor: page.list_complete ? undefined : page.cursor });
}

// The ledger

/** @param {any} env @param {string} shard a name that only this deployment's ledger has */
export const ledgerId = (env, shard) => env.LEDGER?.idFromName(shard).toString();

/** The answer of a shard. A new stub every time: one that has met an error stays broken.
 * @param {any} env @param {string} shard @param {Uint8Array} call a view of the wasm's memory
 * @param {number} milliseconds that it may take */
export async function ledgerAsk(env, shard, call, milliseconds) {
  if (!env.LEDGER) throw new Error("absent");
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const late = new Promise((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error("late")), milliseconds);
  });
  try {
    // The way to the ledger throws what the runtime marks: what may be tried again, and what must not be.
    const asked = env.LEDGER.getByName(shard).ask(call.slice()).catch((/** @type {any} */ error) => {
      throw new Error(error?.overloaded ? "overloaded" : error?.retryable ? "retryable" : "failed", { cause: error });
    });
    return await Promise.race([asked, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** @param {any} sql @param {string} statement @param {any[]} values @returns {any[][]} the rows */
export const query = (sql, statement, values) => [...sql.exec(statement, ...values).raw()];

/** @param {any} sql @returns {number} in bytes */
export const databaseSize = (sql) => sql.databaseSize;

/** @param {any} storage @param {() => boolean} act */
export function transaction(storage, act) {
  try {
    storage.transactionSync(() => {
      if (!act()) throw new Error("undone");
    });
    return undefined;
  } catch (error) {
    // A trap in `act` must end the calls around it as well: what they have borrowed is never given back.
    if (error instanceof WebAssembly.RuntimeError || error instanceof RangeError) throw error;
    return error;
  }
}

/** The answer that follows waits for it, so nobody else has to. @param {any} storage @param {number} moment in
 * milliseconds of Unix time */
export function setAlarm(storage, moment) {
  storage.setAlarm(moment).catch((/** @type {unknown} */ error) => console.error("the alarm could not be set", error));
}

/** Sets an alarm unless there is an earlier one. @param {any} storage @param {number} moment */
export async function ensureAlarm(storage, moment) {
  const set = await storage.getAlarm();
  if (set === null || set > moment) setAlarm(storage, moment);
}

/** @param {any} writer @param {string} name @param {string} entries as JSON */
export const kvWrite = (writer, name, entries) => writer.write(name, JSON.parse(entries));

// Rate limits

/** Whether one more look-up of an unverified token is within the limit. The binding is optional.
 * @param {any} env @param {string} key */
export const isWithinLimit = async (env, key) => !env.RATE_LIMITER || (await env.RATE_LIMITER.limit({ key })).success;

// The Cache API, where there is one: on `workers.dev` every isolate asks for itself.

/** @param {string} url */
export const recall = async (url) => (await caches.default.match(url))?.arrayBuffer();

/** @param {string} url @param {Uint8Array} bytes a view of the wasm's memory @param {number} seconds */
export const share = (url, bytes, seconds) =>
  caches.default.put(url, new Response(bytes.slice(), { headers: { "Cache-Control": `max-age=${seconds}` } }));

// Crypto

const rsa = (/** @type {string} */ name, /** @type {number} */ bits, extra = {}) => ({ name, hash: `SHA-${bits}`, ...extra });

/** Algorithms as WebCrypto names them: good for importing, signing and verifying alike. @type {Record<string, any>} */
const ALGORITHMS = {
  RS256: rsa("RSASSA-PKCS1-v1_5", 256),
  RS384: rsa("RSASSA-PKCS1-v1_5", 384),
  RS512: rsa("RSASSA-PKCS1-v1_5", 512),
  PS256: rsa("RSA-PSS", 256, { saltLength: 32 }),
  PS384: rsa("RSA-PSS", 384, { saltLength: 48 }),
  PS512: rsa("RSA-PSS", 512, { saltLength: 64 }),
  ES256: rsa("ECDSA", 256, { namedCurve: "P-256" }),
  ES384: rsa("ECDSA", 384, { namedCurve: "P-384" }),
  EdDSA: { name: "Ed25519" },
};

/** @typedef {{ key: CryptoKey, algorithm: any }} ImportedKey */

/** What a JWK says of its use was judged when it was read; the runtime must not judge it again, otherwise.
 * @param {string} jwk @param {string} algorithm @param {"sign" | "verify"} usage @returns {Promise<ImportedKey>} */
export async function importKey(jwk, algorithm, usage) {
  const { alg: _alg, key_ops: _operations, use: _use, ext: _ext, ...members } = JSON.parse(jwk);
  const key = await crypto.subtle.importKey("jwk", members, ALGORITHMS[algorithm], false, [usage]);
  return { key, algorithm: ALGORITHMS[algorithm] };
}

/** Views of the wasm's memory are good enough: WebCrypto copies both before it returns (its section 14.3.4).
 * @param {ImportedKey} imported @param {Uint8Array} signature @param {Uint8Array} input */
export const verify = ({ key, algorithm }, signature, input) => crypto.subtle.verify(algorithm, key, signature, input);

/** @param {ImportedKey} imported @param {Uint8Array} input */
export const sign = async ({ key, algorithm }, input) => new Uint8Array(await crypto.subtle.sign(algorithm, key, input));

// Redis

/** More than a line is no answer to what was asked. */
const LONGEST_REPLY = 1024;

/** Sends commands, each once the one before has been answered with a line that is no error.
 * @param {string} hostname @param {number} port @param {boolean} tls @param {string} commands a JSON array */
export async function exchange(hostname, port, tls, commands) {
  const socket = connect({ hostname, port }, { secureTransport: tls ? "on" : "off", allowHalfOpen: false });
  try {
    await socket.opened;
    const [writer, reader] = [socket.writable.getWriter(), socket.readable.getReader()];
    for (const command of JSON.parse(commands)) {
      await writer.write(new TextEncoder().encode(command));
      let reply = "";
      while (!reply.endsWith("\n")) {
        const { done, value } = await reader.read();
        if (done || reply.length > LONGEST_REPLY) return false;
        reply += new TextDecoder("latin1").decode(value);
      }
      if (!"+:".includes(reply[0])) return false;
    }
    return true;
  } finally {
    socket.close().catch(() => {});
  }
}

/** @param {string} url @returns {string[] | undefined} its parts, percent-decoded where they may be encoded */
export function urlParts(url) {
  if (!URL.canParse(url)) return undefined;
  const { protocol, hostname, port, username, password, pathname, search, hash } = new URL(url);
  return [protocol, hostname, port, decodeURIComponent(username), decodeURIComponent(password), pathname, search + hash];
}
