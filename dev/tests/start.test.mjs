import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
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

test("npm start answers, prints a request for each contract, and leaves nothing behind", { timeout: 120_000 }, async () => {
  const port = await freePort();
  const child = spawn(process.execPath, ["dev/start.mjs"], { cwd: ROOT, env: { ...process.env, PORT: String(port) } });
  let stdout = "";
  child.stdout.setEncoding("utf8").on("data", (text) => (stdout += text));
  try {
    while (!stdout.includes("storefront/auth/logout") && child.exitCode === null) await sleep(100);
    assert.ok(stdout.startsWith(`Ready on http://127.0.0.1:${port}\n`), stdout);
    const requests = stdout.split("\n").filter((line) => line.startsWith("curl "));
    assert.equal(requests.length, 5);
    assert.equal((await fetch(`http://127.0.0.1:${port}/healthz`)).status, 200);

    const below = await descendants(Number(child.pid));
    assert.ok(below.length >= 3, "wrangler and workerd are running");
    child.kill("SIGTERM");
    const [code] = await once(child, "exit");
    assert.equal(code, 0);
    assert.deepEqual(below.filter(isAlive), []);
  } finally {
    child.kill("SIGTERM");
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
