// An API behind a guard: a server of Node's own, which is reached by its URL or as a service binding.
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { start } from "./worker.mjs";

/** @typedef {import("node:http").IncomingMessage} Incoming */
/** @typedef {(request: Incoming, response: import("node:http").ServerResponse) => unknown} Handler */
/** @typedef {"service" | "url"} Kind */

export const KINDS = /** @type {Kind[]} */ (["service", "url"]);

/** @type {Handler} */
const echo = (request, response) => void response.writeHead(200, { "content-type": "text/plain" }).end(`${request.method} ${request.url}`);

export class Upstream {
  /** @type {Incoming[]} in the order in which they came */
  requests = [];
  /** What answers; to be changed at will. @type {Handler} */
  answer = echo;

  async listen() {
    this.server = createServer((request, response) => {
      this.requests.push(request);
      request.on("error", () => {});
      void this.answer(request, response);
    });
    this.server.on("upgrade", (request, socket) => {
      this.requests.push(request);
      acceptWebSocket(request, socket);
    });
    this.server.listen(0, "127.0.0.1");
    await once(this.server, "listening");
    this.port = /** @type {import("node:net").AddressInfo} */ (this.server.address()).port;
    return this;
  }

  reset() {
    this.requests.length = 0;
    this.answer = echo;
  }

  close() {
    this.server?.closeAllConnections();
    this.server?.close();
  }

  /** The last request's header, undefined when it had none. @param {string} name */
  header(name) {
    return this.requests.at(-1)?.headers[name];
  }
}

/** An upstream, and a Worker with a guard before it, by each way. @param {import("./worker.mjs").Owner} owner @param {Record<string, unknown>} [rule] */
export async function guarded(owner, rule = {}) {
  const upstream = await new Upstream().listen();
  owner.after(() => upstream.close());
  const at = { service: { service: "ORDERS" }, url: { url: `http://127.0.0.1:${upstream.port}` } };
  const [service, url] = await Promise.all(KINDS.map((kind) => start(owner, {
    services: { ORDERS: { external: { address: `127.0.0.1:${upstream.port}`, http: {} } } },
    configure: (table) => void table.routes.push({ kind: "guard", paths: ["/api/*"], issuers: ["worth", "marzipan"], upstream: at[kind], ...rule }),
  })));
  return { upstream, service, url };
}

/** Sends back every text that comes in one frame (RFC 6455), and closes as it is told. @param {Incoming} request @param {import("node:stream").Duplex} socket */
function acceptWebSocket(request, socket) {
  const accept = createHash("sha1").update(`${request.headers["sec-websocket-key"]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`);
  socket.on("error", () => {});
  let buffered = Buffer.alloc(0);
  socket.on("data", (/** @type {Buffer} */ data) => {
    buffered = Buffer.concat([buffered, data]);
    for (let frame = frameIn(buffered); frame; frame = frameIn(buffered)) {
      buffered = buffered.subarray(frame.length);
      const text = String(frame.payload);
      if (frame.opcode === 8) return void socket.end(frameOf(8, frame.payload));
      if (text.startsWith("close ")) socket.write(frameOf(8, Buffer.concat([Buffer.of(Number(text.slice(6)) >> 8, Number(text.slice(6)) & 255), Buffer.from("told to")])));
      else socket.write(frameOf(frame.opcode, frame.payload));
    }
  });
}

/** A masked frame of fewer than 64 KiB. @param {Buffer} bytes */
function frameIn(bytes) {
  if (bytes.length < 6) return undefined;
  const short = bytes[1] & 127;
  const head = short === 126 ? 4 : 2;
  const size = short === 126 ? bytes.readUInt16BE(2) : short;
  const length = head + 4 + size;
  if (bytes.length < length) return undefined;
  const mask = bytes.subarray(head, head + 4);
  const payload = Buffer.from(bytes.subarray(head + 4, length).map((byte, index) => byte ^ mask[index % 4]));
  return { opcode: bytes[0] & 15, payload, length };
}

/** @param {number} opcode @param {Buffer} payload */
function frameOf(opcode, payload) {
  const head = payload.length < 126 ? Buffer.of(0x80 | opcode, payload.length) : Buffer.of(0x80 | opcode, 126, payload.length >> 8, payload.length & 255);
  return Buffer.concat([head, payload]);
}
