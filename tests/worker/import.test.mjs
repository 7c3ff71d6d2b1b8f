// What Workers KV had before there was a ledger: refused from the first moment on, and known to the ledger in the end.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { assertActive, assertRevoked, check, logOut, subjectOf, subjects, withoutSession } from "./harness/asking.mjs";
import { WORTH } from "./harness/contracts.mjs";
import { eventually, forAll, gate } from "./harness/eventually.mjs";
import { always } from "./harness/fake-kv.mjs";
import { startLocations } from "./harness/locations.mjs";
import { scratch } from "./harness/scratch.mjs";
import { now } from "./harness/tokens.mjs";
import { fakeKv, start } from "./harness/worker.mjs";

/** @typedef {import("./harness/worker.mjs").Owner} Owner */
/** @typedef {import("./harness/worker.mjs").Worker} Worker */
/** @typedef {import("./harness/asking.mjs").Subject} Subject */
/** @typedef {import("./harness/fake-kv.mjs").FakeKv} FakeKv */

/** A ledger is asked again after a listing that has failed. */
const LISTED_AGAIN_WITHIN_MS = 30_000;
const FRESHNESS = /** @type {const} */ (["strong", "bounded"]);

/** Logs out by a Worker that has no ledger. @param {Owner} owner @param {FakeKv} kv @param {Subject[]} ended */
async function logOutWithoutLedger(owner, kv, ended) {
  const before = await start(owner, { ledger: "missing", namespaces: { REVOCATIONS: kv } });
  await forAll(ended, (subject) => logOut(before, subject));
  await before.dispose();
}

/** @param {Worker} worker @param {Subject[]} ended */
async function assertAllRevoked(worker, ended) {
  for (const freshness of FRESHNESS) for (const got of await forAll(ended, (subject) => check(worker, subject, freshness))) assertRevoked(got);
}

/** From now on KV answers nothing. @param {FakeKv} kv */
function takeAway(kv) {
  for (const kind of /** @type {const} */ (["bulk", "get", "put", "list"])) kv.on(kind, always({ status: 503 }));
  kv.operations.length = 0;
}

/** No location syncs later than that by itself: it has heard that everything is imported. */
const pass = () => sleep(1_005);

for (const shards of [1, 3]) {
  test(`refused from the first moment on, and without KV once it is imported, with ${shards} shard(s)`, async (t) => {
    const kv = await fakeKv(t);
    const ended = [...(await subjects(20)), await withoutSession("ada")];
    await logOutWithoutLedger(t, kv, ended);
    const configure = (/** @type {import("./harness/shipped.mjs").Table} */ table) => void (table.ledger = { settling_seconds: 2, shards });
    const { here, there } = await startLocations(t, ["here", "there"], { configure, namespaces: { REVOCATIONS: kv } });
    await assertAllRevoked(here, ended);
    const [active, later] = [await subjectOf(WORTH), await withoutSession("ada", now() + 4)];
    for (const freshness of FRESHNESS) for (const subject of [active, later]) assertActive(await check(here, subject, freshness), freshness);
    assert.ok((await here.sync()).isImporting);
    assert.ok(kv.count("bulk") > 0, "KV is asked as well");

    await here.imported();
    await pass();
    takeAway(kv);
    for (const worker of [there, here]) {
      await assertAllRevoked(worker, ended);
      for (const freshness of FRESHNESS) for (const subject of [active, later]) assertActive(await check(worker, subject, freshness), freshness);
    }
    assert.equal(kv.operations.length, 0, "nobody asks KV any more");
  });
}

test("what is imported is not written again", async (t) => {
  const kv = await fakeKv(t);
  await logOutWithoutLedger(t, kv, await subjects(10));
  kv.operations.length = 0;
  const worker = await start(t, { namespaces: { REVOCATIONS: kv } });
  await worker.imported();
  await worker.written();
  assert.equal(kv.count("put"), 0);
  assert.equal((await worker.sync()).entries.length, kv.entries.size);
});

test("an entry without metadata is read, and one that cannot be read ends every token", async (t) => {
  const kv = await fakeKv(t);
  const ended = [await subjectOf(WORTH), await subjectOf(WORTH)];
  await logOutWithoutLedger(t, kv, ended);
  const entries = [...kv.entries.values()];
  entries.forEach((entry, index) => Object.assign(entry, { metadata: null, ...(index >= 2 && { value: "{" }) }));
  const worker = await start(t, { namespaces: { REVOCATIONS: kv } });
  await worker.imported();
  takeAway(kv);
  await assertAllRevoked(worker, ended);
  assertActive(await check(worker, await subjectOf(WORTH), "strong"), "strong");
});

describe("while KV cannot be listed", { concurrency: 2 }, () => {
  for (const [what, fault] of /** @type {const} */ ([["503", { status: 503 }], ["the connection is lost", { reset: true }]])) {
    test(`${what}: the ledger goes on importing, and checks go on asking KV`, async (t) => {
      const kv = await fakeKv(t);
      const ended = await subjects(5);
      await logOutWithoutLedger(t, kv, ended);
      kv.on("list", always(fault));
      const { here, there } = await startLocations(t, ["here", "there"], { namespaces: { REVOCATIONS: kv } });
      await assertAllRevoked(there, ended);
      await eventually("it was tried", () => kv.count("list") > 0);
      assert.ok((await here.sync()).isImporting);
      await assertAllRevoked(there, ended);

      // A logout needs KV for nothing.
      kv.on("bulk", always({ status: 503 }));
      const later = await subjectOf(WORTH);
      await logOut(here, later);
      assertRevoked(await check(there, later, "strong"));
      const got = await check(there, await subjectOf(WORTH), "strong");
      assert.deepEqual([got.status, got.json.reason], [503, "index_transient"]);

      kv.heal();
      await eventually("everything is imported", async () => !(await here.sync()).isImporting, LISTED_AGAIN_WITHIN_MS);
      await pass();
      takeAway(kv);
      await assertAllRevoked(there, [...ended, later]);
    });
  }
});

test("a listing goes on after a restart where it was", async (t) => {
  const kv = await fakeKv(t);
  const ended = await subjects(50);
  await logOutWithoutLedger(t, kv, ended);
  kv.mostListed = 10;
  const { opened, open } = gate();
  t.after(open);
  kv.on("list", () => (kv.count("list") > 3 ? { until: opened } : undefined));
  const options = { persistIn: await scratch(t), namespaces: { REVOCATIONS: kv } };
  const first = await start(t, options);
  await first.askLedger("Sync", {});
  await eventually("the fourth page is asked for", () => kv.count("list") === 4);
  await first.dispose();

  kv.heal();
  kv.operations.length = 0;
  const second = await start(t, options);
  await assertAllRevoked(second, ended);
  await second.imported();
  const [{ keys: [cursor] }] = kv.operations.filter(({ kind }) => kind === "list");
  assert.notEqual(cursor, "", "the listing did not begin anew");
  assert.equal(kv.count("list"), Math.ceil(kv.entries.size / kv.mostListed) - 3);
  takeAway(kv);
  await assertAllRevoked(second, ended);
});

test("until the moment that the operator declares KV is asked, and listed only then", async (t) => {
  const kv = await fakeKv(t);
  const until = Math.ceil(Date.now() / 1000) + 5;
  const configure = (/** @type {import("./harness/shipped.mjs").Table} */ table) => void (table.ledger = { settling_seconds: 0, kv_written_until: until });
  const { here, there } = await startLocations(t, ["here", "there"], { configure, namespaces: { REVOCATIONS: kv } });
  assertActive(await check(there, await subjectOf(WORTH), "strong"), "strong");
  // The version without a ledger still serves somewhere.
  const ended = await subjects(5);
  await logOutWithoutLedger(t, kv, ended);
  await assertAllRevoked(there, ended);
  assert.ok(Date.now() < until * 1000, "a machine that is too slow for this test");
  assert.deepEqual([(await here.sync()).isImporting, kv.count("list")], [true, 0]);
  await eventually("everything is imported", async () => !(await here.sync()).isImporting, 20_000);
  await pass();
  takeAway(kv);
  await assertAllRevoked(there, ended);
});
