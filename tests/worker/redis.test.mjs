// LoyaltyDog's sessions in Redis: a session that has ended is not left in the vendor's own store either. A real
// redis-server is the peer of one test; a small server that keeps what it is told stands in everywhere else.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { assertAnswer } from "./harness/answer.mjs";
import { LOYALTYDOG } from "./harness/contracts.mjs";
import { eventually } from "./harness/eventually.mjs";
import { missing, pathOf } from "./harness/installed.mjs";
import { routeIn } from "./harness/shipped.mjs";
import { mint } from "./harness/tokens.mjs";
import { start } from "./harness/worker.mjs";

/** @typedef {import("node:test").TestContext} TestContext */

const PATH = LOYALTYDOG.paths[0];
const PASSWORD = "p@ss word/1";

/** @param {TestContext} t @param {string} url */
async function workerWithStoreAt(t, url) {
  return start(t, {
    configure: (table) => {
      routeIn(table, LOYALTYDOG.name).session_store = { url_secret: "LOYALTYDOG_REDIS_URL", key_prefix: "session:" };
    },
    bindings: { LOYALTYDOG_REDIS_URL: url },
  });
}

/** @param {import("./harness/worker.mjs").Worker} worker @param {string} sessionToken */
const end = async (worker, sessionToken) => worker.post(PATH, { token: await mint(LOYALTYDOG.name), json: { sessionToken } });

/**
 * A server that answers every command with the same line, and keeps what it was sent.
 * @param {TestContext} t @param {(socket: net.Socket, commands: number) => void} reply
 */
async function peer(t, reply) {
  /** @type {string[]} */
  const received = [];
  const server = net.createServer((socket) => {
    socket.on("error", () => {});
    socket.on("data", (data) => {
      received.push(String(data));
      reply(socket, String(data).match(/^\*\d+\r$/gm)?.length ?? 0);
    });
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  t.after(() => server.close());
  return { port: /** @type {net.AddressInfo} */ (server.address()).port, received };
}

/** A port at which nobody listens. */
async function freePort() {
  const server = net.createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = /** @type {net.AddressInfo} */ (server.address());
  server.close();
  await once(server, "close");
  return port;
}

test("the key is deleted, whatever the session token is made of", async (t) => {
  const { port, received } = await peer(t, (socket, commands) => socket.write(`${"+OK\r\n".repeat(commands - 1)}:1\r\n`));
  const worker = await workerWithStoreAt(t, `redis://shop:${encodeURIComponent(PASSWORD)}@127.0.0.1:${port}/3`);
  LOYALTYDOG.assertSuccess(await end(worker, "a\r\n*1\r\n$8\r\nFLUSHALL\r\nä"));
  const key = "session:a\r\n*1\r\n$8\r\nFLUSHALL\r\nä";
  const commands = [["AUTH", "shop", PASSWORD], ["SELECT", "3"], ["DEL", key]];
  const words = (/** @type {string[]} */ command) => command.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join("");
  assert.equal(received.join(""), commands.map((command) => `*${command.length}\r\n${words(command)}`).join(""));
});

test("a store that fails is a failure, and the session is revoked all the same", async (t) => {
  const faults = {
    refuses: (/** @type {net.Socket} */ socket) => socket.write("-NOAUTH Authentication required.\r\n"),
    "hangs up": (/** @type {net.Socket} */ socket) => socket.destroy(),
    "talks nonsense": (/** @type {net.Socket} */ socket) => socket.write("x".repeat(5000)),
    "says nothing": () => {},
  };
  for (const [fault, reply] of Object.entries(faults)) {
    await t.test(fault, async (each) => {
      const { port } = await peer(each, reply);
      const worker = await workerWithStoreAt(each, `redis://127.0.0.1:${port}`);
      const got = await end(worker, "abc");
      assertAnswer(got, LOYALTYDOG.refusals.unavailable);
      assert.equal((await worker.logOf(got)).reason, "session_store_unavailable");
      assert.equal((await worker.stored()).length, 1);
    });
  }
});

test("nobody listening is a failure", async (t) => {
  const worker = await workerWithStoreAt(t, `redis://127.0.0.1:${await freePort()}`);
  assertAnswer(await end(worker, "abc"), LOYALTYDOG.refusals.unavailable);
});

test("a real Redis forgets the session, and only that", { skip: missing("redis-server") }, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "edge-logout-redis-"));
  const free = String(await freePort());
  const server = spawn(pathOf("redis-server") ?? "", ["--port", free, "--bind", "127.0.0.1", "--requirepass", PASSWORD, "--dir", folder, "--save", ""]);
  t.after(async () => {
    if (server.kill()) await once(server, "exit");
    await rm(folder, { recursive: true });
  });
  const cli = (/** @type {string[]} */ ...words) => {
    const { stdout } = spawnSync("redis-cli", ["-p", free, "-n", "2", "--no-auth-warning", "-a", PASSWORD, ...words]);
    return String(stdout).trim();
  };
  await eventually("Redis answers", () => cli("PING") === "PONG" || undefined);
  cli("MSET", "session:abc", "jane", "session:abcd", "joe");
  const worker = await workerWithStoreAt(t, `redis://:${encodeURIComponent(PASSWORD)}@127.0.0.1:${free}/2`);
  for (let i = 0; i < 2; i++) LOYALTYDOG.assertSuccess(await end(worker, "abc"));
  assert.equal(cli("EXISTS", "session:abc"), "0");
  assert.equal(cli("EXISTS", "session:abcd"), "1");
});
