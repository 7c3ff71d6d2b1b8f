// `bounded`: revoked here, refused there within the bound, while Workers KV is as stale as it may be.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { assertActive, assertRevoked, check, logOut, subjectOf, subjects, withoutSession } from "./harness/asking.mjs";
import { CONTRACTS, WORTH } from "./harness/contracts.mjs";
import { forAll } from "./harness/eventually.mjs";
import { startLocations } from "./harness/locations.mjs";
import { always } from "./harness/fake-kv.mjs";
import { SteeredLedger } from "./harness/steered-ledger.mjs";
import { StaleKv } from "./harness/stale-kv.mjs";
import { assertNeverActiveAfter, checkOnce, staleness, stream } from "./harness/stream.mjs";
import { now } from "./harness/tokens.mjs";

/** @typedef {import("./harness/worker.mjs").Worker} Worker */

const SETTLING_SECONDS = 2;
const SETTLING_MS = SETTLING_SECONDS * 1000;
/** More entries than an answer repeats for isolates that are a few behind. */
const OVERLAP = 64;

/** @param {import("./harness/worker.mjs").Owner} owner @param {number} [shards] */
async function start(owner, shards = 1) {
  // Not even the location that writes sees its own writes at once.
  const kv = new StaleKv({ settling: SETTLING_MS, own: SETTLING_MS });
  const configure = (/** @type {import("./harness/shipped.mjs").Table} */ table) => void (table.ledger = { settling_seconds: SETTLING_SECONDS, shards });
  return { kv, ...(await startLocations(owner, ["here", "there", "fresh"], { kv, configure })) };
}

/** All that is recorded has been in KV for the settling time. @param {Worker} worker */
async function settled(worker) {
  await worker.written();
  await sleep(SETTLING_MS);
}

/** Long enough for the bound, from now on. @param {number} boundMs */
const pass = (boundMs) => sleep(boundMs + 5);

describe("a mixed stream of all contracts' tokens", { concurrency: 2 }, () => {
  for (const [boundMs, shards] of [[1000, 1], [200, 4]]) {
    test(`within ${boundMs} ms, with ${shards} shard(s), and never active again`, async (t) => {
      const { here, there, fresh } = await start(t, shards);
      const freshness = `bound_milliseconds=${boundMs}`;
      const records = await stream({ here, there, subjects: await subjects(250), freshness, lastsMs: 5_000, afterwardsMs: boundMs + 500 });
      assertNeverActiveAfter(records, boundMs);
      t.diagnostic(staleness(records));

      // Long after KV has settled as well: there, and where nobody was asked before.
      await settled(here);
      for (const worker of [there, fresh]) await forAll(records, (record) => checkOnce(worker, record, freshness));
      assertNeverActiveAfter(records, boundMs);
      for (const { checks } of records) assert.equal(checks.at(-1)?.status, 401);
    });
  }
});

test("a log that stands still is noticed: otherwise nothing here would be shown", async (t) => {
  const ledger = new SteeredLedger();
  const kv = new StaleKv({ settling: 60_000 });
  const { here, there } = await startLocations(t, ["here", "there"], { kv, ledger });
  const answer = await here.answerOf("Sync", {});
  ledger.on("Sync", always({ answer }));
  const records = await stream({ here, there, subjects: await subjects(10), freshness: "bound_milliseconds=100", lastsMs: 300, afterwardsMs: 600 });
  assert.throws(() => assertNeverActiveAfter(records, 100), /ms after the logout/);
});

describe("one at a time", { concurrency: 2 }, () => {
  for (const contract of CONTRACTS) {
    test(`${contract.name}: a miss that is cached there does not hide it`, async (t) => {
      const { here, there } = await start(t);
      const subject = await subjectOf(contract);
      assertActive(await check(there, subject), "bounded");
      assertActive(await check(here, subject), "bounded");
      await logOut(here, subject);
      assertRevoked(await check(here, subject));
      await pass(1000);
      assertRevoked(await check(there, subject));
      assertRevoked(await check(here, subject));
    });
  }

  test("as short a bound as can be asked for, and the longest as well", async (t) => {
    const { here, there } = await start(t);
    const subject = await subjectOf(WORTH);
    assertActive(await check(there, subject, "bound_milliseconds=100"), "bounded");
    await logOut(here, subject);
    await pass(100);
    assertRevoked(await check(there, subject, "bound_milliseconds=100"));
    // What one check has heard every other knows.
    assertRevoked(await check(there, subject, "bound_milliseconds=60000"));
  });

  test("where nobody was asked before", async (t) => {
    const { here, fresh } = await start(t);
    const ended = await subjects(10);
    for (const subject of ended) await logOut(here, subject);
    await pass(1000);
    for (const subject of ended) assertRevoked(await check(fresh, subject));
    assertActive(await check(fresh, await subjectOf(WORTH)), "bounded");
  });

  for (const shards of [1, 4]) {
    test(`after a pause in which the log has moved on, with ${shards} shard(s): nothing is missed`, async (t) => {
      const { here, there, fresh } = await start(t, shards);
      const asleep = await subjects(shards * OVERLAP + 60);
      for (const subject of asleep) assertActive(await check(there, subject), "bounded");
      await forAll(asleep, (subject) => logOut(here, subject));
      await settled(here);
      const [latest] = await subjects(1);
      assertActive(await check(there, latest), "bounded");
      for (const worker of [there, fresh]) {
        for (const got of await forAll(asleep, (subject) => check(worker, subject))) assertRevoked(got);
      }
      await logOut(here, latest);
      await pass(1000);
      assertRevoked(await check(there, latest));
    });
  }

  test("every token of a cashier issued up to the logout, and none issued later", async (t) => {
    const { here, there } = await start(t);
    const [first, older, later] = [await withoutSession("ada"), await withoutSession("ada", now() - 3000), await withoutSession("ada", now() + 4)];
    for (const subject of [first, older, later]) assertActive(await check(there, subject));
    await logOut(here, first);
    await pass(1000);
    for (const subject of [first, older]) assertRevoked(await check(there, subject));
    assertActive(await check(there, later), "bounded");
    await settled(here);
    for (const subject of [first, older]) assertRevoked(await check(there, subject));
    assertActive(await check(there, later), "bounded");
    // The later cut-off takes the place of the earlier one, and nothing back.
    await logOut(here, later);
    await pass(1000);
    for (const subject of [first, older, later]) assertRevoked(await check(there, subject));
  });
});
