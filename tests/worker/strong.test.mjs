// `strong`: refused everywhere as soon as the logout is answered. `eventual`: once Workers KV has settled. And whoever has
// answered a logout refuses the token at once, whatever it was asked for.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { assertActive, assertRevoked, check, logOut, subjectOf, subjects, withoutSession } from "./harness/asking.mjs";
import { CONTRACTS, WORTH } from "./harness/contracts.mjs";
import { eventually, forAll } from "./harness/eventually.mjs";
import { startLocations } from "./harness/locations.mjs";
import { StaleKv } from "./harness/stale-kv.mjs";
import { assertNeverActiveAfter, checkOnce, staleness, stream } from "./harness/stream.mjs";
import { now } from "./harness/tokens.mjs";

const SETTLING_SECONDS = 2;
const SETTLING_MS = SETTLING_SECONDS * 1000;
const FRESHNESS = /** @type {const} */ (["strong", "bounded", "eventual"]);

/** @param {import("./harness/worker.mjs").Owner} owner @param {Partial<import("./harness/options.mjs").Options> & { shards?: number, own?: number }} [options] */
async function start(owner, { shards = 1, own = SETTLING_MS, ...options } = {}) {
  const kv = new StaleKv({ settling: SETTLING_MS, own });
  const configure = (/** @type {import("./harness/shipped.mjs").Table} */ table) => void (table.ledger = { settling_seconds: SETTLING_SECONDS, shards });
  return { kv, ...(await startLocations(owner, ["here", "there", "fresh"], { kv, configure, ...options })) };
}

describe("strong", { concurrency: 2 }, () => {
  for (const shards of [1, 4]) {
    test(`a mixed stream of all contracts' tokens, with ${shards} shard(s): none is active after its logout`, async (t) => {
      const { here, there, fresh } = await start(t, { shards });
      const records = await stream({ here, there, subjects: await subjects(100), freshness: "strong", lastsMs: 2_000, afterwardsMs: 200 });
      assertNeverActiveAfter(records, 0);
      t.diagnostic(staleness(records));
      await sleep(SETTLING_MS);
      for (const worker of [there, fresh]) await forAll(records, (record) => checkOnce(worker, record, "strong"));
      assertNeverActiveAfter(records, 0);
      for (const { checks } of records) assert.equal(checks.at(-1)?.status, 401);
    });
  }

  for (const contract of CONTRACTS) {
    test(`${contract.name}: at once there, although there is a cached miss`, async (t) => {
      const { here, there } = await start(t);
      const subject = await subjectOf(contract);
      for (const freshness of FRESHNESS) assertActive(await check(there, subject, freshness), freshness);
      await logOut(here, subject);
      assertRevoked(await check(there, subject, "strong"));
    });
  }

  test("every token of a cashier, at once there", async (t) => {
    const { here, there } = await start(t);
    const [first, other, later] = [await withoutSession("ada"), await withoutSession("ada"), await withoutSession("ada", now() + 4)];
    for (const subject of [first, other, later]) assertActive(await check(there, subject, "strong"), "strong");
    await logOut(here, first);
    for (const subject of [first, other]) assertRevoked(await check(there, subject, "strong"));
    assertActive(await check(there, later, "strong"), "strong");
  });

  test("what was written to KV by hand is found as well", async (t) => {
    const { kv, here, there } = await start(t, { own: 0 });
    const [known, other] = await Promise.all([subjectOf(WORTH), subjectOf(WORTH)]);
    await logOut(here, known);
    await eventually("it is in KV", () => kv.entries.size === 2);
    // As if a ledger had been lost and had begun anew: KV alone has it.
    const lost = await startLocations(t, ["here"], { kv, settling: SETTLING_SECONDS });
    await sleep(SETTLING_MS);
    for (const freshness of FRESHNESS) {
      assertRevoked(await check(lost.here, known, freshness));
      assertActive(await check(lost.here, other, freshness), freshness);
    }
    assertRevoked(await check(there, known, "strong"));
  });
});

describe("eventual", { concurrency: 2 }, () => {
  for (const contract of CONTRACTS) {
    test(`${contract.name}: refused there once KV has settled, and never active after that`, async (t) => {
      const { kv, here, there, fresh } = await start(t);
      const subject = await subjectOf(contract);
      assertActive(await check(there, subject, "eventual"), "eventual");
      await logOut(here, subject);
      assertActive(await check(there, subject, "eventual"), "eventual");
      await eventually("it is in KV", () => kv.entries.size > 0);
      await sleep(kv.lastWriteAt() + SETTLING_MS - Date.now() + 2);
      for (let count = 0; count < 20; count++) {
        for (const worker of [here, there, fresh]) assertRevoked(await check(worker, subject, "eventual"));
        await sleep(20);
      }
    });
  }

  test("without a ledger as well, where no other promise can be kept", async (t) => {
    const { kv, here, there } = await start(t, { ledger: "missing" });
    const subject = await subjectOf(WORTH);
    assertActive(await check(there, subject), "eventual");
    await logOut(here, subject);
    await sleep(kv.lastWriteAt() + SETTLING_MS - Date.now() + 2);
    assertRevoked(await check(there, subject));
    for (const freshness of ["strong", "bounded"]) {
      const got = await check(there, await subjectOf(WORTH), freshness);
      assert.deepEqual([got.status, got.json, got.headers.get("retry-after")], [503, { error: "temporarily_unavailable", reason: "ledger_absent" }, "1"]);
    }
  });
});

describe("whoever has answered the logout refuses the token at once", () => {
  for (const ledger of /** @type {const} */ (["own", "missing"])) {
    test(`ledger: ${ledger}`, async (t) => {
      const { here } = await start(t, { ledger });
      const freshnesses = ledger === "own" ? FRESHNESS : /** @type {const} */ (["eventual"]);
      for (const freshness of freshnesses) {
        for (const contract of CONTRACTS) {
          const [subject, never] = [await subjectOf(contract), await subjectOf(contract)];
          assertActive(await check(here, subject, freshness), freshness);
          for (const ended of [subject, never]) {
            await logOut(here, ended);
            assertRevoked(await check(here, ended, freshness));
          }
        }
        const [first, other] = [await withoutSession(`ada-${freshness}`), await withoutSession(`ada-${freshness}`)];
        await logOut(here, first);
        for (const subject of [first, other]) assertRevoked(await check(here, subject, freshness));
      }
    });
  }
});

test("the receipt says from when on, and that is kept", async (t) => {
  const { here, there, kv } = await start(t);
  const subject = await subjectOf(WORTH);
  assertActive(await check(there, subject));
  const got = await logOut(here, subject);
  const receipt = /^strong=@(\d+), bounded=@(\d+), eventual=@(\d+)$/.exec(got.headers.get("revocation-effective") ?? "");
  const [strong, bounded, eventual] = (receipt ?? []).slice(1).map((seconds) => Number(seconds) * 1000);
  assert.ok(strong >= Date.now() - 1_000 && strong <= Date.now() + 1_000, `${strong - Date.now()}`);
  assert.ok(bounded - strong >= 1_000 && bounded - strong <= 2_000 && eventual - strong === SETTLING_MS, String(got.headers.get("revocation-effective")));
  assertRevoked(await check(there, subject, "strong"));
  await sleep(bounded - Date.now() + 2);
  assertRevoked(await check(there, subject));
  // The receipt of `eventual` is as good as KV takes the write at once.
  const late = kv.lastWriteAt() + SETTLING_MS;
  await sleep(Math.max(late, eventual) - Date.now() + 2);
  assertRevoked(await check(there, subject, "eventual"));
});

test("without a ledger the receipt promises nothing but KV's settling", async (t) => {
  const { here } = await start(t, { ledger: "missing" });
  const got = await logOut(here, await subjectOf(WORTH));
  assert.match(got.headers.get("revocation-effective") ?? "", /^eventual=@\d+$/);
});
