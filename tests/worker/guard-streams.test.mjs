// What takes its time behind the guard: bodies that stream in both directions, events, WebSockets, and clients and APIs
// that go away in the middle.
import assert from "node:assert/strict";
import { once } from "node:events";
import { request } from "node:http";
import { connect } from "node:net";
import { after, beforeEach, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { eventually, gate } from "./harness/eventually.mjs";
import { WORTH } from "./harness/contracts.mjs";
import { mint } from "./harness/tokens.mjs";
import { KINDS, guarded } from "./harness/upstream.mjs";

/** @typedef {import("node:http").IncomingMessage} Incoming */
/** @typedef {import("./harness/worker.mjs").Worker} Worker */

const MEGABYTE = 1024 * 1024;

const { upstream, ...workers } = await guarded({ after });
beforeEach(() => upstream.reset());
const authorization = `Bearer ${await mint(WORTH.name)}`;

/** A request whose body is still to be sent. @param {Worker} worker @param {string} path */
const post = (worker, path) => request(new URL(path, worker.url), { method: "POST", agent: false, headers: { authorization } });

/** @param {import("node:http").ClientRequest} sent @returns {Promise<Incoming>} */
const responseTo = async (sent) => (await once(sent, "response"))[0];

/** @param {Incoming} stream */
const nextChunk = async (stream) => String((await once(stream, "data"))[0]);

/** @param {Worker} worker @param {Record<string, string>} [headers] */
const webSocket = (worker, headers = { authorization }) => new WebSocket(`ws://${worker.url?.host}/api/socket?a=b`, /** @type {any} */ ({ headers, protocols: [] }));

for (const kind of KINDS) {
  const worker = workers[kind];

  describe(`by ${kind}`, () => {
    test("a request's body arrives as it is sent, before its end", async () => {
      const { opened, open } = gate();
      upstream.answer = async (incoming, response) => {
        const first = await nextChunk(incoming);
        open();
        let rest = "";
        for await (const chunk of incoming) rest += chunk;
        response.end(`${first}+${rest}`);
      };
      const sent = post(worker, "/api/upload");
      sent.write("first");
      await opened;
      sent.end("second");
      let body = "";
      for await (const chunk of await responseTo(sent)) body += chunk;
      assert.equal(body, "first+second");
    });

    test("an answer's body arrives as it is sent, and events as well", async () => {
      const { opened, open } = gate();
      upstream.answer = async (_incoming, response) => {
        response.writeHead(200, { "content-type": "text/event-stream" }).write("data: one\n\n");
        await opened;
        response.write("data: two\n\n");
        response.end();
      };
      const sent = post(worker, "/api/events");
      sent.end();
      const response = await responseTo(sent);
      assert.equal(response.headers["content-type"], "text/event-stream");
      assert.equal(await nextChunk(response), "data: one\n\n");
      open();
      assert.equal(await nextChunk(response), "data: two\n\n");
    });

    test("both at once: what is sent comes back while more is being sent", async () => {
      upstream.answer = (incoming, response) => void incoming.pipe(response);
      const sent = post(worker, "/api/echo");
      sent.write("a");
      const response = await responseTo(sent);
      assert.equal(await nextChunk(response), "a");
      for (const letter of ["b", "c"]) {
        const next = nextChunk(response);
        sent.write(letter);
        assert.equal(await next, letter);
      }
      sent.end();
      await once(response.resume(), "end");
    });

    test("a large body, both ways", async () => {
      upstream.answer = (incoming, response) => void incoming.pipe(response);
      const got = await worker.raw("/api/echo", { method: "PUT", headers: { authorization }, body: Buffer.alloc(20 * MEGABYTE, "x") });
      assert.equal((await got.arrayBuffer()).byteLength, 20 * MEGABYTE);
    });

    test("a client that goes away is gone for the API too", async () => {
      const { opened, open } = gate();
      upstream.answer = (incoming, response) => {
        response.on("close", () => open());
        response.writeHead(200).write("some");
        // An API that goes on for as long as somebody listens.
        const timer = setInterval(() => response.write("more"), 10);
        response.on("close", () => clearInterval(timer));
        incoming.resume();
      };
      const sent = post(worker, "/api/forever");
      sent.end();
      await nextChunk(await responseTo(sent));
      sent.on("error", () => {}).destroy();
      await opened;
      assert.equal(upstream.requests.length, 1);
    });

    test("a client that goes away in the middle of its body takes nothing else with it", async () => {
      /** @type {unknown} */
      let told;
      upstream.answer = async (incoming, response) => {
        try {
          for await (const _ of incoming);
          told = "the whole body";
        } catch (error) {
          told = error;
        }
        response.end();
      };
      const { port, hostname } = /** @type {URL} */ (worker.url);
      const socket = connect(Number(port), hostname);
      socket.write(`POST /api/upload HTTP/1.1\r\nHost: ${hostname}\r\nAuthorization: ${authorization}\r\nContent-Length: 1000\r\n\r\nsome`);
      await eventually("it arrives", () => upstream.requests.length === 1);
      socket.resetAndDestroy();
      await eventually("the API is told", () => told !== undefined);
      assert.ok(told instanceof Error, String(told));
      upstream.reset();
      assert.equal((await worker.raw("/api/x", { headers: { authorization } })).status, 200);
    });

    test("a WebSocket, in both directions", async () => {
      const socket = webSocket(worker);
      await once(socket, "open");
      assert.deepEqual([upstream.requests[0].url, upstream.header("x-auth-issuer"), upstream.header("upgrade")], ["/api/socket?a=b", "worth", "websocket"]);
      for (const text of ["one", "ü".repeat(1000), "x".repeat(60_000)]) {
        socket.send(text);
        const [{ data }] = /** @type {any} */ (await once(socket, "message"));
        assert.equal(data, text);
      }
      socket.binaryType = "arraybuffer";
      socket.send(Buffer.from([1, 2, 3]));
      assert.deepEqual([...new Uint8Array(/** @type {any} */ (await once(socket, "message"))[0].data)], [1, 2, 3]);
      const closed = once(socket, "close");
      socket.close(4001, "bye");
      const [{ code, reason }] = /** @type {any} */ (await closed);
      assert.deepEqual([code, reason], [4001, "bye"]);
    });

    test("a WebSocket that the API closes, with its code and reason", async () => {
      const socket = webSocket(worker);
      await once(socket, "open");
      socket.send("close 4002");
      const [{ code, reason }] = /** @type {any} */ (await once(socket, "close"));
      assert.deepEqual([code, reason], [4002, "told to"]);
    });

    test("a WebSocket without a good token never reaches the API", async () => {
      for (const headers of [{}, { authorization: "Bearer x" }]) {
        const socket = webSocket(worker, /** @type {any} */ (headers));
        await once(socket, "error");
      }
      await sleep(20);
      assert.equal(upstream.requests.length, 0);
    });
  });
}
