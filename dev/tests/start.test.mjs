import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { mint } from "../lib/mint.mjs";
import { ROOT } from "../lib/paths.mjs";
import { ask, run } from "../lib/run.mjs";

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  server.close();
  return port;
}

/** Every process below one. @param {number} pid */
async function descendants(pid) {
  const lines = (await ask("ps", ["-eo", "pid=,ppid="]))?.split("\n") ?? [];
  const pairs = lines.map((line) => line.trim().split(/\s+/).map(Number));
  const found = [pid];
  for (const parent of found) found.push(...pairs.filter(([, ppid]) => ppid === parent).map(([child]) => child));
  return found.slice(1);
}

/** @param {number} pid */
function isAlive(pid) {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** `npm start`, ready to answer. @param {import("node:test").TestContext} t @param {number} port */
async function started(t, port) {
  const child = spawn(process.execPath, ["dev/start.mjs"], { cwd: ROOT, env: { ...process.env, PORT: String(port) } });
  t.after(() => void child.kill("SIGTERM"));
  let stdout = "";
  child.stdout.setEncoding("utf8").on("data", (text) => (stdout += text));
  while (!stdout.includes("/check") && child.exitCode === null) await sleep(100);
  return { child, stdout, origin: `http://127.0.0.1:${port}` };
}

test("npm start answers, prints a request for each contract, and leaves nothing behind", { timeout: 120_000 }, async (t) => {
  const port = await freePort();
  const { child, stdout, origin } = await started(t, port);
  assert.ok(stdout.startsWith(`Ready on ${origin}\n`), stdout);
  const requests = stdout.split("\n").filter((line) => line.startsWith("curl "));
  assert.equal(requests.length, 6);
  assert.equal((await fetch(`${origin}/healthz`)).status, 200);

  const below = await descendants(Number(child.pid));
  assert.ok(below.length >= 3, "wrangler and workerd are running");
  child.kill("SIGTERM");
  const [code] = await once(child, "exit");
  assert.equal(code, 0);
  assert.deepEqual(below.filter(isAlive), []);
});

test("what was logged out stays so when everything is killed hard", { timeout: 120_000 }, async (t) => {
  const port = await freePort();
  const headers = { authorization: `Bearer ${await mint("worth")}` };
  const first = await started(t, port);
  assert.equal((await fetch(`${first.origin}/check`, { headers })).status, 200);
  assert.equal((await fetch(`${first.origin}/customer/logout`, { method: "POST", headers })).status, 200);
  assert.equal((await fetch(`${first.origin}/check`, { headers })).status, 401);
  const all = [Number(first.child.pid), ...(await descendants(Number(first.child.pid)))];
  for (const pid of all.filter(isAlive)) process.kill(pid, "SIGKILL");
  while (all.slice(1).some(isAlive)) await sleep(50);

  const { origin } = await started(t, port);
  for (const freshness of ["strong", "bounded"]) {
    assert.equal((await fetch(`${origin}/check?freshness=${freshness}`, { headers })).status, 401, freshness);
  }
});

test("a port in use is named before anything else is done", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  const { code, output } = await run(process.execPath, ["dev/start.mjs"], { env: { PORT: String(port) } });
  server.close();
  assert.equal(code, 1);
  assert.match(output, new RegExp(`^Port ${port} is in use: .*PORT=\\d+ npm start\n$`));
});
