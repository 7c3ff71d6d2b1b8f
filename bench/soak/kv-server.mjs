// Workers KV in memory, in a process of its own: it keeps all that was ever written, and that is not to count as the
// Worker's memory. It never closes a connection that is kept: the runtime, as a client of HTTP, would meet that now and
// then with a request that it has just sent, and a read of KV that is lost is not repeated (docs/guide/operate.md).
import { createServer } from "node:http";
import { buffer } from "node:stream/consumers";

/** @type {Map<string, { value: Buffer, metadata?: string }>} */
const values = new Map();
const KEYS_A_PAGE = 1_000;

/** A page of the keys in their order; the cursor is the last key. @param {URLSearchParams} options */
function listing(options) {
  const [prefix, cursor, limit] = [options.get("prefix") ?? "", options.get("cursor") ?? "", Number(options.get("key_count_limit") ?? KEYS_A_PAGE)];
  const all = [...values.keys()].filter((key) => key.startsWith(prefix) && key > cursor).sort();
  const keys = all.slice(0, limit).map((name) => ({ name, metadata: values.get(name)?.metadata }));
  return { keys, list_complete: all.length <= limit, ...(all.length > limit && { cursor: all[limit - 1] }) };
}

/** @param {import("node:http").IncomingMessage} request @param {import("node:http").ServerResponse} response */
async function answer(request, response) {
  const { pathname, searchParams } = new URL(String(request.url), "http://kv.invalid");
  const key = decodeURIComponent(pathname.slice(1));
  if (request.method === "PUT") {
    const metadata = request.headers["cf-kv-metadata"];
    values.set(key, { value: await buffer(request), ...(metadata !== undefined && { metadata: String(metadata) }) });
    return response.end();
  }
  if (request.method === "GET" && key === "") return response.end(JSON.stringify(listing(searchParams)));
  if (request.method === "POST") {
    /** @type {string[]} */
    const keys = JSON.parse(String(await buffer(request))).keys;
    return response.end(JSON.stringify(Object.fromEntries(keys.map((one) => [one, values.get(one)?.value.toString() ?? null]))));
  }
  const found = values.get(key);
  return found === undefined ? response.writeHead(404).end() : response.end(found.value);
}

// A request that breaks off is one of a runtime that was killed just then: nobody waits for its answer.
const server = createServer((request, response) => answer(request, response).catch(() => response.destroy()));
Object.assign(server, { keepAliveTimeout: 0, requestTimeout: 0, headersTimeout: 0 });
server.listen(0, "127.0.0.1", () => process.stdout.write(`${/** @type {import("node:net").AddressInfo} */ (server.address()).port}\n`));
// With whoever has started it, however that ends.
process.stdin.on("end", () => process.exit(0)).resume();
