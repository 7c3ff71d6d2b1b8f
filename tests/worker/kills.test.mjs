// Killed again and again (SIGKILL, with its runtime), in the middle of logouts and between the ledger and KV: every
// logout that was answered with success is refused afterwards, and reaches KV.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { Agent, request } from "node:http";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { CLIENT_SECRET, batch } from "./harness/asking.mjs";
import { LOYALTYDOG } from "./harness/contracts.mjs";
import { eventually, forAll } from "./harness/eventually.mjs";
import { scratch } from "./harness/scratch.mjs";
import { mint } from "./harness/tokens.mjs";
import { start } from "./harness/worker.mjs";

const KILLS = 12;
const LOGOUTS = 10_000;
const AT_ONCE = 12;
const BATCH = 100;
const WORKER = fileURLToPath(new URL("harness/kill-worker.mjs", import.meta.url));

/** Starts the process. @param {string} folder */
async function spawnWorker(folder) {
  // A group of its own, so that the runtime dies with it.
  const child = spawn(process.execPath, [WORKER, folder], { detached: true, stdio: ["ignore", "pipe", "inherit"], env: { ...process.env, TMPDIR: folder } });
  const [line] = await once(child.stdout, "data");
  const kill = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, "exit");
    process.kill(-Number(child.pid), "SIGKILL");
    await gone;
  };
  return { url: new URL(String(line).trim()), kill };
}

/** Posts a logout, and gives the status; 0 when there is no answer. @param {URL} url @param {Agent} agent @param {string} merchant @param {string} session @returns {Promise<number>} */
function end(url, agent, merchant, session) {
  return new Promise((resolve) => {
    const headers = { authorization: `Bearer ${merchant}`, "content-type": "application/json" };
    const sent = request(new URL(LOYALTYDOG.paths[0], url), { method: "POST", agent, headers, timeout: 10_000 }, (response) => {
      response.on("error", () => resolve(0)).on("end", () => resolve(response.complete ? Number(response.statusCode) : 0)).resume();
    });
    sent.on("error", () => resolve(0)).on("timeout", () => sent.destroy()).end(JSON.stringify({ sessionToken: session }));
  });
}

/** Where a session's revocation is found, as docs/reference/storage.md has it. @param {string} session */
const keyOf = (session) => `v1:loyaltydog-sessions:token:${createHash("sha256").update(`loyaltydog-sessions\ntoken\nopaque:${session}`).digest("base64url")}`;

test("no answered logout is lost", { timeout: 240_000 }, async (t) => {
  const begun = performance.now();
  const folder = await scratch(t);
  const merchant = await mint(LOYALTYDOG.name);
  /** @type {string[]} */
  const answered = [];
  let [posted, unanswered] = [0, 0];

  for (let round = 1; round <= KILLS; round++) {
    const { url, kill } = await spawnWorker(folder);
    t.after(kill);
    const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE });
    const wanted = Math.ceil((LOGOUTS * round) / KILLS);
    const works = Array.from({ length: AT_ONCE }, async () => {
      while (answered.length < wanted) {
        const session = `session-${posted++}`;
        const status = await end(url, agent, merchant, session);
        if (status === 200) answered.push(session);
        else if ((unanswered += 1) && status === 0) return;
      }
    });
    // Every other time in the middle of logouts, and otherwise between their answers and KV.
    if (round % 2) await eventually("all but some are answered", () => answered.length >= wanted - AT_ONCE * 4, 30_000);
    else await Promise.all(works).then(() => sleep(round * 8));
    await kill();
    await Promise.all(works);
    agent.destroy();
  }
  const took = Math.round(performance.now() - begun);
  t.diagnostic(`${KILLS} kills, ${answered.length} logouts answered with success, ${unanswered} not, in ${took} ms`);
  assert.ok(answered.length >= LOGOUTS - KILLS * AT_ONCE * 4);

  const worker = await start(t, { persistIn: folder });
  const batches = Array.from({ length: Math.ceil(answered.length / BATCH) }, (_, index) => answered.slice(index * BATCH, (index + 1) * BATCH));
  for (const freshness of ["strong", "bounded"]) {
    const lost = (await forAll(batches, async (tokens) => {
      const got = await batch(worker, { tokens, issuer: "loyaltydog-sessions", freshness }, CLIENT_SECRET);
      assert.equal(got.json.verdicts.length, tokens.length, got.text);
      return got.json.verdicts.filter((/** @type {any} */ { status }) => status !== "revoked");
    }, 3)).flat();
    assert.deepEqual(lost, [], `${freshness}: ${lost.length} of ${answered.length}`);
  }

  const keys = answered.map(keyOf);
  const namespace = await worker.namespace("REVOCATIONS");
  const missing = await eventually("all are in KV", async () => {
    const left = new Set(keys);
    for (let cursor = "", isComplete = false; !isComplete; ) {
      const page = /** @type {any} */ (await namespace.list({ limit: 1000, ...(cursor && { cursor }) }));
      for (const { name } of page.keys) left.delete(name);
      [cursor, isComplete] = [page.cursor, page.list_complete];
    }
    return left.size === 0 && left;
  }, 60_000);
  assert.equal(missing.size, 0);
  t.diagnostic(`all ${answered.length} refused by strong and by bounded, and in KV after ${Math.round(performance.now() - begun)} ms`);
});
