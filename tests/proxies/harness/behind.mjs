// What stands around a proxy: the API behind it, and the Worker that it asks, with a look at what each of them gets.
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, request as ask } from "node:http";
import { SteeredLedger } from "../../worker/harness/steered-ledger.mjs";
import { start } from "../../worker/harness/worker.mjs";

/** @typedef {import("../../worker/harness/worker.mjs").Owner} Owner */
/** @typedef {import("node:http").IncomingMessage} Incoming */
/** @typedef {{ method: string, path: string, headers: Record<string, string[]>, bytes: number, sha256: string }} Seen */

/** @param {Owner} owner @param {(request: Incoming, response: import("node:http").ServerResponse) => unknown} answer @returns {Promise<number>} the port */
async function listen(owner, answer) {
  const server = createServer((request, response) => void answer(request, response)).listen(0, "127.0.0.1");
  owner.after(() => {
    server.closeAllConnections();
    server.close();
  });
  await once(server, "listening");
  return /** @type {import("node:net").AddressInfo} */ (server.address()).port;
}

/** @param {Incoming} request @returns {Promise<Seen>} */
async function look(request) {
  const hash = createHash("sha256");
  let bytes = 0;
  for await (const chunk of request) {
    hash.update(chunk);
    bytes += chunk.length;
  }
  const headers = /** @type {Record<string, string[]>} */ (request.headersDistinct);
  return { method: String(request.method), path: String(request.url), headers, bytes, sha256: hash.digest("hex") };
}

/** An API that tells what it got. @param {Owner} owner */
export async function api(owner) {
  /** @type {Seen[]} */
  const seen = [];
  const port = await listen(owner, async (request, response) => {
    const one = await look(request);
    seen.push(one);
    const status = one.path.startsWith("/broken") ? 500 : 200;
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(one));
  });
  return { port, seen };
}

/** The way to the Worker, which it can be cut off by. @param {Owner} owner @param {URL | undefined} worker */
async function wayToCheck(owner, worker) {
  const way = { port: 0, seen: /** @type {Seen[]} */ ([]), isCut: false };
  way.port = await listen(owner, async (request, response) => {
    const { rawHeaders, method, url } = request;
    way.seen.push(await look(request));
    if (way.isCut) return void response.destroy();
    const forward = ask({ host: "127.0.0.1", port: worker?.port, method, path: url, headers: /** @type {any} */ (rawHeaders), agent: false });
    forward.on("error", () => response.destroy());
    forward.on("response", (answer) => {
      response.writeHead(Number(answer.statusCode), answer.rawHeaders);
      answer.pipe(response);
    });
    forward.end();
  });
  return way;
}

/** A Worker whose ledger is steered, and the way to it. @param {Owner} owner @param {(table: import("../../worker/harness/shipped.mjs").Table) => void} [configure] */
export async function checkFor(owner, configure) {
  const ledger = new SteeredLedger();
  const worker = await start(owner, { ledger, configure });
  return { ledger, worker, way: await wayToCheck(owner, worker.url) };
}
