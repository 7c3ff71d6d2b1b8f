// What the ledger has recorded reaches Workers KV, however long KV fails and whatever is restarted meanwhile; and once
// everything has expired, nothing is left in the ledger.
import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { assertRevoked, check, logOut, subjects, withoutSession } from "./harness/asking.mjs";
import { WORTH, logout } from "./harness/contracts.mjs";
import { MAIN, workerOptions } from "./harness/options.mjs";
import { eventually, forAll } from "./harness/eventually.mjs";
import { always, times } from "./harness/fake-kv.mjs";
import { startLocations } from "./harness/locations.mjs";
import { mint, now } from "./harness/tokens.mjs";
import { scratch } from "./harness/scratch.mjs";
import { issuerIn } from "./harness/shipped.mjs";
import { fakeKv, start, told } from "./harness/worker.mjs";

/** @typedef {import("./harness/worker.mjs").Worker} Worker */
/** @typedef {import("./harness/fake-kv.mjs").FakeKv} FakeKv */

/** How long the shortest-lived tokens live, in seconds. */
const LIFETIME = 2;

/** Two revocations for most contracts' logout, one for a POS session and for LoyaltyDog. @param {number} logouts */
const entriesOf = (logouts) => (logouts / 5) * 8;

/** KV has all that the ledger tells, whole. @param {Worker} worker @param {FakeKv} kv @param {number} count @param {number} [withinMs] */
async function assertArrives(worker, kv, count, withinMs = 20_000) {
  await eventually(`${count} entries are in KV`, () => kv.entries.size >= count, withinMs);
  const { entries } = await worker.askLedger({ Changes: { Start: 0 } });
  const digests = new Set([...kv.entries.keys()].map((key) => key.split(":")[3]));
  for (const [digest] of told(entries)) assert.ok(digests.has(digest));
  for (const { value, metadata } of kv.entries.values()) assert.deepEqual(JSON.parse(value), metadata);
}

describe("Workers KV fails for longer than any retry: logouts succeed, checks refuse, and all arrives in the end", { concurrency: 3 }, () => {
  for (const [what, fault] of Object.entries({
    "500": { status: 500 },
    "429": { status: 429 },
    "400, which trying again would not mend": { status: 400 },
    "the connection is lost": { reset: true },
    "it is stored, and the answer is lost": { reset: true, stored: true },
    "no answer": { hang: true },
  })) {
    test(what, async (t) => {
      const kv = await fakeKv(t);
      const { here, there } = await startLocations(t, ["here", "there"], { namespaces: { REVOCATIONS: kv } });
      const ended = await subjects(20);
      kv.on("put", always(fault));
      for (const subject of ended) await logOut(here, subject);
      await eventually("KV has failed often", () => kv.count("put") >= 24, 20_000);
      for (const freshness of ["strong", "bounded"]) {
        for (const got of await forAll(ended, (subject) => check(there, subject, freshness))) assertRevoked(got);
      }
      kv.heal();
      await assertArrives(here, kv, entriesOf(ended.length));
    });
  }
});

test("more than one alarm writes, while the first five hundred writes fail", async (t) => {
  const kv = await fakeKv(t);
  const worker = await start(t, { namespaces: { REVOCATIONS: kv } });
  kv.on("put", times(500, { status: 503 }));
  const batch = Array.from({ length: 1000 }, (_, index) => revocation(`many ${index}`));
  await worker.askLedger({ Record: batch });
  await assertArrives(worker, kv, 1000, 30_000);
});

/** A revocation as the ledger is told of it. @param {string} id */
function revocation(id, expiresAt = Date.now() + 3_600_000) {
  const digest = Buffer.from(id.padEnd(32).slice(0, 32)).toString("base64url");
  return { key: `v1:worth:session:${digest}`, issuer: "worth", scope: "session", revoked_at: Date.now(), cut_off: null, expires_at: expiresAt, spare: { secs: 3, nanos: 0 } };
}

test("one write a second to a key: a cut-off that is moved at once is there in the end, and takes nothing back", async (t) => {
  const kv = await fakeKv(t);
  kv.limitsWrites = true;
  const { here, there } = await startLocations(t, ["here", "there"], { namespaces: { REVOCATIONS: kv } });
  const cutOff = () => Math.max(0, ...[...kv.entries.values()].map(({ metadata }) => /** @type {any} */ (metadata).cut_off));
  const ahead = [0, 1, 2, 3, 4];
  for (const seconds of ahead) {
    await logOut(here, await withoutSession("ada", now() + seconds));
    // Long enough that the one before has been written, and not long enough for KV.
    await eventually("it is being written", () => kv.count("put") > seconds);
  }
  const last = await withoutSession("ada", now() + 3);
  await eventually("the last cut-off is in KV", () => cutOff() >= Math.floor(Date.now() / 1000) + 1, 15_000);
  const { entries } = await here.askLedger({ Changes: { Start: 0 } });
  await eventually("KV has what the ledger has", () => Math.abs(cutOff() * 1000 - (told(entries)[0][2] ?? 0)) < 1, 15_000);
  for (const freshness of ["strong", "bounded", "eventual"]) assertRevoked(await check(there, last, freshness));
});

test("evicted again and again in the middle of the traffic: no answered logout is lost", async (t) => {
  // With the simulated KV: while Miniflare evicts, this process answers nobody.
  const { here, there } = await startLocations(t, ["here", "there"], {});
  const ended = await subjects(200);
  let isOver = false;
  let evictions = 0;
  const evict = async () => {
    while (!isOver) {
      try {
        await here.miniflare?.unsafeEvictDurableObject(MAIN, "Ledger", { name: "shard-0" });
        evictions += 1;
      } catch {
        // It was not running: nobody has asked since.
      }
      await sleep(20);
    }
  };
  t.after(() => (isOver = true));
  const evicting = evict();
  // What is cut off in the middle fails as its contract has it, and is tried again.
  let failed = 0;
  const once = async (/** @type {import("./harness/asking.mjs").Subject} */ subject) => (await here.post(subject.contract.paths[0], subject.logout)).status;
  await forAll(ended, async (subject) => {
    let status = await once(subject);
    for (; status >= 500; status = await once(subject)) failed += 1;
    assert.ok(status === 200 || (failed > 0 && status === 401), String(status));
  });
  isOver = true; // by now as well
  await evicting;
  t.diagnostic(`${evictions} evictions, ${failed} failures`);
  for (const freshness of ["strong", "bounded"]) for (const got of await forAll(ended, (subject) => check(there, subject, freshness))) assertRevoked(got);
  await eventually("all of it is in KV", async () => (await here.stored()).length === entriesOf(ended.length));
});

test("restarted in the middle of the traffic: what was answered is refused afterwards, and reaches KV", async (t) => {
  const persistIn = await scratch(t);
  const kv = await fakeKv(t);
  const options = { persistIn, namespaces: { REVOCATIONS: kv } };
  const worker = await start(t, options);
  const ended = await subjects(150);
  /** @type {typeof ended} */
  const answered = [];
  kv.on("put", times(40, { status: 503 }));
  const logsOut = forAll(ended, async (subject) => {
    try {
      await logOut(worker, subject);
      answered.push(subject);
    } catch {
      await sleep(20); // it was broken off: nothing is promised
    }
  }, 3);
  for (let restarts = 0; restarts < 3; restarts++) {
    await sleep(300);
    await worker.miniflare?.setOptions({ host: "127.0.0.1", port: 0, cf: false, handleStructuredLogs: () => {}, durableObjectsPersist: persistIn, workers: [await workerOptions(options)] });
    await worker.at(MAIN);
  }
  await logsOut;
  t.diagnostic(`${answered.length} of ${ended.length} were answered`);
  assert.ok(answered.length > 20);
  const { entries } = await worker.askLedger({ Changes: { Start: 0 } });
  await assertArrives(worker, kv, told(entries).length);
  for (const freshness of ["strong", "bounded", "eventual"]) for (const got of await forAll(answered, (subject) => check(worker, subject, freshness))) assertRevoked(got);
});

test("when everything has expired, nothing is left", async (t) => {
  const persistIn = await scratch(t);
  const worker = await start(t, {
    persistIn,
    settling: 1,
    configure(table) {
      Object.assign(issuerIn(table, WORTH.name), { leeway_seconds: 0, longest_lifetime_seconds: LIFETIME });
    },
  });
  const [folder] = await eventually("the ledger's file", async () => {
    await worker.askLedger({ Contains: [] });
    const folders = (await readdir(persistIn, { recursive: true })).filter((path) => path.endsWith(".sqlite") && path.includes("Ledger") && !path.includes("metadata"));
    return folders.length > 0 && folders;
  });
  const rows = () => {
    const database = new DatabaseSync(join(persistIn, folder), { readOnly: true });
    const [{ count }] = /** @type {any[]} */ (database.prepare("SELECT count(*) AS count FROM revocations").all());
    database.close();
    return count;
  };
  for (let count = 0; count < 3; count++) WORTH.assertSuccess(await logout(worker, WORTH, await mint(WORTH.name, { expiresIn: LIFETIME })));
  await worker.askLedger({ Record: [1, 2].map((seconds) => revocation(`short ${seconds}`, Date.now() + seconds * 500)) });
  assert.equal(rows(), 8);
  await eventually("the table is empty", () => rows() === 0, 30_000);
  const { entries, is_complete: isComplete } = await worker.askLedger({ Changes: { Start: 0 } });
  assert.deepEqual([entries, isComplete], ["", true]);
  assert.deepEqual(await worker.askLedger({ Contains: [revocation("short 1").key] }), [null]);
});
