// Workers KV in memory, in a process of its own: it keeps all that was ever written, and that is not to count as the
// Worker's memory. It never closes a connection that is kept: the runtime, as a client of HTTP, would meet that now and
// then with a request that it has just sent, and a read of KV that is lost is not repeated (docs/operations.md).
import { createServer } from "node:http";
import { text } from "node:stream/consumers";

/** @type {Map<string, string>} */
const values = new Map();

/** @param {import("node:http").IncomingMessage} request @param {import("node:http").ServerResponse} response */
async function answer(request, response) {
  const key = decodeURIComponent(new URL(String(request.url), "http://kv.invalid").pathname.slice(1));
  if (request.method === "PUT") {
    values.set(key, await text(request));
    return response.end();
  }
  if (request.method === "POST") {
    /** @type {string[]} */
    const keys = JSON.parse(await text(request)).keys;
    return response.end(JSON.stringify(Object.fromEntries(keys.map((one) => [one, values.get(one) ?? null]))));
  }
  const value = values.get(key);
  return value === undefined ? response.writeHead(404).end() : response.end(value);
}

// A request that breaks off is one of a runtime that was killed just then: nobody waits for its answer.
const server = createServer((request, response) => answer(request, response).catch(() => response.destroy()));
Object.assign(server, { keepAliveTimeout: 0, requestTimeout: 0, headersTimeout: 0 });
server.listen(0, "127.0.0.1", () => process.stdout.write(`${/** @type {import("node:net").AddressInfo} */ (server.address()).port}\n`));
// With whoever has started it, however that ends.
process.stdin.on("end", () => process.exit(0)).resume();
