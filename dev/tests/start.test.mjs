import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { CONFIGURED } from "../../tests/config.mjs";
import { DEVELOPMENT_CLIENT_SECRET } from "../lib/dev-vars.mjs";
import { modernNodeEnv } from "../lib/packages.mjs";
import { mint } from "../lib/mint.mjs";
import { ROOT } from "../lib/paths.mjs";
import { ask, run } from "../lib/run.mjs";
import { configWith, tableOfReadme, tableOfTests } from "./harness.mjs";

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

const START = [process.execPath, "dev/start.mjs"];

/**
 * `npm start`, ready to answer.
 * @param {import("node:test").TestContext} t
 * @param {number} port
 * @param {{ config?: string, command?: string[], last?: string }} [how] `last`: what it has printed when it is ready
 */
async function started(t, port, { config, command = START, last = "/check" } = {}) {
  const file = config ?? (await configWith(t, await tableOfTests()));
  const [program, ...args] = command;
  // A process group of its own, to be killed as one.
  const child = spawn(program, [...args, "--config", file], { cwd: ROOT, env: { ...process.env, ...modernNodeEnv(), PORT: String(port) }, detached: true });
  t.after(() => void child.kill("SIGTERM"));
  const printed = { stdout: "", stderr: "" };
  child.stdout.setEncoding("utf8").on("data", (text) => (printed.stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text) => (printed.stderr += text));
  while (!printed.stdout.includes(last) && child.exitCode === null) await sleep(100);
  return { child, stdout: printed.stdout, printed, origin: `http://127.0.0.1:${port}` };
}

/** @param {number[]} pids */
async function gone(pids) {
  const until = Date.now() + 10_000;
  while (pids.some(isAlive) && Date.now() < until) await sleep(50);
  assert.deepEqual(pids.filter(isAlive), []);
}

/** The status of each printed request, run in a shell as a reader would. @param {string} stdout @returns {Promise<[title: string, status: number][]>} */
async function statuses(stdout) {
  const blocks = stdout.split("\n\n").filter((block) => block.startsWith("# "));
  return Promise.all(blocks.map(async (block) => {
    const { output } = await run("sh", ["-c", block], { env: modernNodeEnv() });
    return [block.split("\n")[0], Number(/^HTTP\/1\.1 (\d+)/m.exec(output)?.[1])];
  }));
}

test("npm start answers, prints short requests that work, and leaves nothing behind", { timeout: 120_000 }, async (t) => {
  const { child, stdout, origin } = await started(t, await freePort());
  assert.ok(stdout.startsWith(`Ready on ${origin}\n`), stdout);
  const lines = stdout.split("\n");
  assert.ok(lines.every((line) => line.length <= 200), stdout);
  assert.equal(lines.filter((line) => line.startsWith("curl ")).length, 6);
  const answers = await statuses(stdout);
  assert.deepEqual(answers.map(([, status]) => status), [200, 200, 200, 200, 200, 200], JSON.stringify(answers));

  const below = await descendants(Number(child.pid));
  assert.ok(below.length >= 4, "the watchdog, wrangler and workerd are running");
  child.kill("SIGTERM");
  const [code] = await once(child, "exit");
  assert.equal(code, 0);
  assert.deepEqual(below.filter(isAlive), []);
});

test("npm start serves README's own table, whose private keys are elsewhere", { timeout: 120_000 }, async (t) => {
  const config = await configWith(t, await tableOfReadme(), 'routes = [{ pattern = "logout.shop.example", custom_domain = true }]');
  const { stdout, origin } = await started(t, await freePort(), { config });
  assert.ok(stdout.startsWith(`Ready on ${origin}\n`), stdout);
  assert.match(stdout, /^# There is no development key of worth: .*https:\/\/auth\.shop\.example.*\nTOKEN=\.\.\.\ncurl .*\/customer\/logout /m);
  assert.deepEqual((await statuses(stdout)).map(([, status]) => status), [401, 401]);
  assert.equal((await fetch(`${origin}/healthz`)).status, 200);
});

test("npm start says what the Worker refuses of a table", { timeout: 120_000 }, async (t) => {
  const config = await configWith(t, (await tableOfReadme()).replace('audiences = ["worth-customers"]', ""));
  const { printed, child } = await started(t, await freePort(), { config, last: "" });
  while (!/refuses its configuration[^]*audiences/.test(printed.stderr) && child.exitCode === null) await sleep(50);
  assert.equal(child.exitCode, null, printed.stderr);
  assert.equal(printed.stdout, "");
});

test("npm start refuses what is no table before anything is started", async (t) => {
  const cases = [["", /has no vars\.EDGE_LOGOUT/], ["[[vars.EDGE_LOGOUT.issuers", /shop\.toml:\d+:\d+: /], ['[vars]\nEDGE_LOGOUT = "no JSON"', /vars\.EDGE_LOGOUT: must be a JSON object/]];
  for (const [table, refusal] of /** @type {[string, RegExp][]} */ (cases)) {
    const { code, output } = await run(START[0], [START[1], "--config", await configWith(t, table)], { env: { PORT: String(await freePort()) } });
    assert.equal(code, 1);
    assert.match(output, refusal);
  }
});

/** @param {import("node:test").TestContext} t @param {(child: import("node:child_process").ChildProcess) => void} kill @param {string[]} [command] */
async function killed(t, kill, command) {
  const port = await freePort();
  const { child } = await started(t, port, { command });
  const below = await descendants(Number(child.pid));
  assert.ok(below.length >= 4, "the watchdog, wrangler and workerd are running");
  kill(child);
  await gone([Number(child.pid), ...below]);
  const { stdout } = await started(t, port);
  assert.match(stdout, /^Ready on /, "the next start finds the port free");
}

test("SIGKILL of npm start leaves nothing running", { timeout: 120_000 }, (t) => killed(t, ({ pid }) => process.kill(Number(pid), "SIGKILL")));

test("SIGKILL of its whole process group leaves nothing running", { timeout: 120_000 }, (t) => killed(t, ({ pid }) => process.kill(-Number(pid), "SIGKILL")));

test("SIGKILL of npm leaves nothing running", { timeout: 120_000 }, (t) => killed(t, ({ pid }) => process.kill(Number(pid), "SIGKILL"), ["npm", "start", "--silent", "--"]));

test("a program that is watched ends with its owner, and with all that it has started", async () => {
  const owner = `import { run } from "./dev/lib/run.mjs"; await run("sh", ["-c", "sleep 600 & sleep 600"], { watched: true });`;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", owner], { cwd: ROOT });
  let below = await descendants(Number(child.pid));
  while (below.length < 4) {
    await sleep(50);
    below = await descendants(Number(child.pid));
  }
  child.kill("SIGKILL");
  await gone([Number(child.pid), ...below]);
});

test("what was logged out stays so when everything is killed hard", { timeout: 120_000 }, async (t) => {
  const port = await freePort();
  const headers = { authorization: `Bearer ${await mint(CONFIGURED, "worth")}`, "x-edge-logout-client": DEVELOPMENT_CLIENT_SECRET };
  const first = await started(t, port);
  assert.equal((await fetch(`${first.origin}/check`, { headers })).status, 200);
  assert.equal((await fetch(`${first.origin}/customer/logout`, { method: "POST", headers })).status, 200);
  assert.equal((await fetch(`${first.origin}/check`, { headers })).status, 401);
  const below = await descendants(Number(first.child.pid));
  first.child.kill("SIGKILL");
  await gone([Number(first.child.pid), ...below]);

  const { origin } = await started(t, port);
  for (const freshness of ["strong", "bounded"]) {
    assert.equal((await fetch(`${origin}/check?freshness=${freshness}`, { headers })).status, 401, freshness);
  }
});

test("a port in use is named before anything else is done", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  const { code, output } = await run(START[0], START.slice(1), { env: { PORT: String(port) } });
  server.close();
  assert.equal(code, 1);
  assert.match(output, new RegExp(`^Port ${port} is in use: .*PORT=\\d+ npm start\n$`));
});
