// What the ledger has recorded reaches Workers KV, however long KV fails and whatever is restarted meanwhile; and once
// everything has expired, nothing is left in the ledger.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { assertRevoked, check, logOut, subjects, withoutSession } from "./harness/asking.mjs";
import { WORTH, logout } from "./harness/contracts.mjs";
import { rowsOf, shardFiles } from "./harness/database.mjs";
import { MAIN, workerOptions } from "./harness/options.mjs";
import { eventually, forAll } from "./harness/eventually.mjs";
import { always, times } from "./harness/fake-kv.mjs";
import { startLocations } from "./harness/locations.mjs";
import { mint, now } from "./harness/tokens.mjs";
import { scratch } from "./harness/scratch.mjs";
import { issuerIn } from "./harness/shipped.mjs";
import { digestFor, digestOf, prefixOf } from "./harness/wire.mjs";
import { fakeKv, start } from "./harness/worker.mjs";

/** @typedef {import("./harness/worker.mjs").Worker} Worker */
/** @typedef {import("./harness/fake-kv.mjs").FakeKv} FakeKv */

/** How long the shortest-lived tokens live, in seconds. */
const LIFETIME = 2;

/** Two revocations for most contracts' logout, one for a POS session and for LoyaltyDog. @param {number} logouts */
const entriesOf = (logouts) => (logouts / 5) * 8;

/** KV has all that the ledger has recorded, whole. @param {Worker} worker @param {FakeKv} kv @param {number} count @param {number} [withinMs] */
async function assertArrives(worker, kv, count, withinMs = 20_000) {
  await worker.written(withinMs);
  assert.equal(kv.entries.size, count);
  const { entries } = await worker.sync();
  const prefixes = new Set([...kv.entries.keys()].map((key) => prefixOf(digestOf(key))));
  for (const { prefix } of entries) assert.ok(prefixes.has(prefix));
  for (const { value, metadata } of kv.entries.values()) assert.deepEqual(JSON.parse(value), metadata);
}

describe("Workers KV fails for longer than any retry: logouts succeed, checks refuse, and all arrives in the end", { concurrency: 3 }, () => {
  for (const [what, fault] of Object.entries(/** @type {Record<string, import("./harness/fake-kv.mjs").Fault>} */ ({
    "500": { status: 500 },
    "429": { status: 429 },
    "400, which trying again would not mend": { status: 400 },
    "the connection is lost": { reset: true },
    "it is stored, and the answer is lost": { reset: true, stored: true },
    "no answer": { hang: true },
  }))) {
    test(what, async (t) => {
      const kv = await fakeKv(t);
      const { here, there } = await startLocations(t, ["here", "there"], { namespaces: { REVOCATIONS: kv } });
      const ended = await subjects(20);
      kv.on("put", always(fault));
      for (const subject of ended) await logOut(here, subject);
      // More than there are entries: all of them have failed, and some twice.
      const often = fault.hang ? 24 : entriesOf(ended.length) + 8;
      await eventually("KV has failed often", () => kv.count("put") >= often, 30_000);
      for (const freshness of ["strong", "bounded"]) {
        for (const got of await forAll(ended, (subject) => check(there, subject, freshness))) assertRevoked(got);
      }
      kv.heal();
      // Writes that hang are given up one after the other, and pauses have become longer.
      await assertArrives(here, kv, entriesOf(ended.length), 70_000);
    });
  }
});

test("a thousand entries arrive, of which the first five hundred writes fail", async (t) => {
  const kv = await fakeKv(t);
  const worker = await start(t, { namespaces: { REVOCATIONS: kv } });
  kv.on("put", times(500, { status: 503 }));
  await worker.askLedger("Record", Array.from({ length: 1000 }, (_, index) => ({ digest: digestFor(`many ${index}`) })));
  await assertArrives(worker, kv, 1000, 30_000);
});

test("entries that KV refuses hold up no others, and are tried again", async (t) => {
  const kv = await fakeKv(t);
  const worker = await start(t, { namespaces: { REVOCATIONS: kv } });
  const all = Array.from({ length: 400 }, (_, index) => digestFor(`some ${index}`));
  const refused = new Set(all.filter((_, index) => index % 10 === 0));
  kv.on("put", ({ keys: [key] }) => (refused.has(digestOf(key)) ? { status: 400 } : undefined));
  await worker.askLedger("Record", all.map((digest) => ({ digest })));
  await eventually("the others are in KV", () => kv.entries.size === all.length - refused.size);
  kv.heal();
  await assertArrives(worker, kv, all.length);
});

test("the writes of one batch are another invocation's, and many are under way at once", async (t) => {
  const kv = await fakeKv(t);
  const worker = await start(t, { namespaces: { REVOCATIONS: kv } });
  let [underWay, most] = [0, 0];
  kv.on("put", () => {
    most = Math.max(most, (underWay += 1));
    return { until: sleep(100).then(() => (underWay -= 1)) };
  });
  await worker.askLedger("Record", Array.from({ length: 300 }, (_, index) => ({ digest: digestFor(`wide ${index}`) })));
  await assertArrives(worker, kv, 300);
  // One invocation has six calls open at most.
  assert.ok(most > 6, `${most} at once`);
});

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
  const { entries } = await here.sync();
  const latest = Math.max(...entries.map((entry) => entry.cutOff ?? 0));
  await eventually("KV has what the ledger has", () => Math.abs(cutOff() * 1000 - latest) < 1, 15_000);
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
  kv.on("put", times(40, { status: 503 }));
  let failed = 0;
  // What was broken off is tried again: it may have been recorded, and then it says so.
  const logsOut = forAll(ended, async ({ contract, logout: { token, json } }) => {
    for (let isFirst = true; ; isFirst = false) {
      const status = await worker.post(contract.paths[0], { token, json }).then((got) => got.status, () => 0);
      if (status === 200 || (status === 401 && !isFirst)) return;
      failed += 1;
      await sleep(20);
    }
  }, 3);
  for (let restarts = 0; restarts < 3; restarts++) {
    await sleep(300);
    await worker.miniflare?.setOptions({ host: "127.0.0.1", port: 0, cf: false, handleStructuredLogs: () => {}, durableObjectsPersist: persistIn, workers: [await workerOptions(options)] });
    await worker.at(MAIN);
  }
  await logsOut;
  t.diagnostic(`${failed} requests were broken off`);
  await worker.written(20_000);
  const { entries } = await worker.sync();
  const prefixes = new Set([...kv.entries.keys()].map((key) => prefixOf(digestOf(key))));
  for (const { prefix } of entries) assert.ok(prefixes.has(prefix));
  for (const freshness of ["strong", "bounded", "eventual"]) for (const got of await forAll(ended, (subject) => check(worker, subject, freshness))) assertRevoked(got);
});

/** The Worker with a clock that can be set ahead, and an alarm that rings when it is told to. */
const WITH_CLOCK = `
import Service, { Ledger as Real } from "./index.js";

const { now } = Date;

export class Ledger extends Real {
  async ringAfter(milliseconds) {
    Date.now = () => now() + milliseconds;
    await super.alarm();
  }
}

export default Service;
`;

test("when everything has expired, nothing is left", async (t) => {
  const worker = await start(t, {
    entry: WITH_CLOCK,
    configure(table) {
      Object.assign(issuerIn(table, WORTH.name), { leeway_seconds: 0, longest_lifetime_seconds: LIFETIME });
    },
  });
  for (let count = 0; count < 3; count++) WORTH.assertSuccess(await logout(worker, WORTH, await mint(WORTH.name, { expiresIn: LIFETIME })));
  const digests = [1, 2].map((seconds) => digestFor(`short ${seconds}`));
  await worker.askLedger("Record", digests.map((digest) => ({ digest, expiresAt: Date.now() + 1_000 })));
  await worker.askLedger("Record", [{ digest: digestFor("issuer"), scope: "issuer", cutOff: Date.now(), expiresAt: Date.now() + 1_000 }]);
  await worker.written();
  const [file] = await shardFiles(String(worker.folder));
  const count = () => Object.values(rowsOf(file, "SELECT (SELECT count(*) FROM log), (SELECT count(*) FROM runs), (SELECT count(*) FROM blocks), (SELECT count(*) FROM cut_offs), (SELECT count(*) FROM pending)")[0]);
  assert.equal(count()[0], 6);
  const shard = await worker.shard();
  // Those who check may have clocks that are late: what has only just expired stays.
  await shard.ringAfter(60_000);
  assert.equal(count()[0], 6);
  await shard.ringAfter(2 * 3_600_000);
  assert.deepEqual(count(), [0, 0, 0, 0, 0]);
  const { entries, directory } = await worker.sync();
  assert.deepEqual([entries, directory?.segments, directory?.cutOffs], [[], [], []]);
  assert.deepEqual((await worker.askLedger("Confirm", { digests })).confirmed, [null, null]);
});
