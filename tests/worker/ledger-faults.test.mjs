// A ledger that is down, slow, overloaded, mad or not there: success only when it has the revocation, and never `active`
// for what is revoked.
import assert from "node:assert/strict";
import { after, beforeEach, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { assertAnswer } from "./harness/answer.mjs";
import { assertActive, assertRevoked, check, logOut, subjectOf, withoutSession } from "./harness/asking.mjs";
import { BEARER_CONTRACTS, CONTRACTS, LOYALTYDOG, MARZIPAN, POS, WORTH, logout } from "./harness/contracts.mjs";
import { eventually, gate } from "./harness/eventually.mjs";
import { always, times } from "./harness/fake-kv.mjs";
import { startLocations } from "./harness/locations.mjs";
import { postAndHold } from "./harness/raw.mjs";
import { SteeredLedger } from "./harness/steered-ledger.mjs";
import { mint } from "./harness/tokens.mjs";
import { fakeKv } from "./harness/worker.mjs";

/** @typedef {import("./harness/steered-ledger.mjs").Fault} Fault */

/** A logout has three seconds for ledger and KV, a check as many; the rest is for a machine that does other things too. */
const GIVES_UP_WITHIN_MS = 6_000;

/** The kinds of answers, as bytes. */
const [RECORDED, SYNCED, CONFIRMED, OTHER_HISTORY, FULL] = [1, 2, 3, 5, 7];

const FAULTS = /** @type {Record<string, Fault>} */ ({
  "an error that may be tried again": { error: "retryable" },
  "an overload": { error: "overloaded" },
  "any other error": { error: "broken" },
  "an error although it was done": { error: "broken", done: true },
  "no answer": { hang: true },
  "no bytes": { answer: "" },
  nonsense: { answer: "nonsense" },
  "a format of another version": { answer: Uint8Array.of(2, 1) },
  "an answer to something else": { answer: Uint8Array.of(1, CONFIRMED, 0) },
  "an answer with something behind it": { answer: Uint8Array.of(1, RECORDED, 0) },
  "another history, whatever is asked": { answer: Uint8Array.of(1, OTHER_HISTORY) },
  "full storage": { answer: Uint8Array.of(1, FULL) },
});
/** What only reading can meet: for writing, this is success. */
const READING_FAULTS = /** @type {Record<string, Fault>} */ ({
  ...FAULTS,
  "the answer to a logout": { answer: Uint8Array.of(1, RECORDED) },
  "an answer that is cut short": { answer: Uint8Array.of(1, SYNCED, 7) },
  "an answer that is longer than any": { answer: Uint8Array.of(1, SYNCED, 1, 0, 0, 1, 0, 1, 1, 0, 255, 255, 255, 255, 15) },
});

const ledger = new SteeredLedger();
const { here, there } = await startLocations({ after }, ["here", "there"], { ledger });
beforeEach(async () => {
  ledger.reset();
  for (const worker of [here, there]) await recovered(worker);
  ledger.reset();
});

/** Until the isolate's breaker has let a probe through. @param {import("./harness/worker.mjs").Worker} worker */
async function recovered(worker) {
  const subject = await subjectOf(WORTH);
  await eventually("the ledger is known to be well", async () => (await check(worker, subject, "strong")).status === 200);
}

/** @template T @param {() => Promise<T>} work @returns {Promise<T>} */
async function inTime(work) {
  const begun = performance.now();
  const result = await work();
  const took = Math.round(performance.now() - begun);
  assert.ok(took < GIVES_UP_WITHIN_MS, `took ${took} ms`);
  return result;
}

/** As short as can be asked for. */
const BOUNDED = "bound_milliseconds=100";

/** A logout looks whether its token has been logged out before, with a bound of a second: a little longer than that. */
const OWN_BOUND_MS = 1_005;

/** Long enough for the longest bound that is asked for here. */
const pass = () => sleep(105);

describe("a logout that the ledger does not confirm is the contract's failure, and trying again is safe", () => {
  for (const [what, fault] of Object.entries(FAULTS)) {
    test(what, async () => {
      const tokens = await Promise.all(CONTRACTS.map(({ name }) => mint(name)));
      const requests = CONTRACTS.map((contract, index) => contract.request(tokens[index]));
      const all = () => Promise.all(CONTRACTS.map(({ paths }, index) => here.post(paths[0], requests[index])));
      ledger.on("Record", always(fault));
      (await inTime(all)).forEach((got, index) => {
        const { unavailable } = CONTRACTS[index].refusals;
        assertAnswer(got, unavailable);
        assert.equal(got.headers.get("revocation-effective"), null);
        assert.equal(got.headers.get("retry-after"), unavailable.status === 503 ? "1" : null);
      });
      ledger.heal();
      // Was it done, the next try says so in the vendor's words: for most, that the token has been logged out.
      if (fault.done) await sleep(OWN_BOUND_MS);
      (await all()).forEach((got, index) => {
        const contract = CONTRACTS[index];
        if (fault.done && contract.endsBearer) assertAnswer(got, contract.refusals.revoked);
        else contract.assertSuccess(got);
      });
    });
  }

  test("an overload is not made worse by trying again", async () => {
    ledger.on("Record", always({ error: "overloaded" }));
    assertAnswer(await logout(here, MARZIPAN), MARZIPAN.refusals.unavailable);
    assert.equal(ledger.count("Record"), 1);
  });
});

describe("a logout that goes wrong and then right is a success", () => {
  for (const [what, fault, count] of /** @type {const} */ ([
    ["an error that may be tried again, twice", { error: "retryable" }, 2],
    ["the answer is lost once", { error: "retryable", done: true }, 1],
    ["no answer once", { hang: true }, 1],
    ["slow once", { until: sleep(700) }, 1],
  ])) {
    test(what, async () => {
      ledger.on("Record", times(count, fault));
      const subject = await subjectOf(WORTH);
      await inTime(() => logOut(here, subject));
      assert.equal(ledger.count("Record"), what === "slow once" ? 1 : count + 1);
      ledger.heal();
      assertRevoked(await check(there, subject, "strong"));
    });
  }
});

/** @param {import("./harness/asking.mjs").Subject} subject @param {string} freshness */
async function assertCannotTell(subject, freshness) {
  const got = await inTime(() => check(there, subject, freshness));
  assert.deepEqual([got.status, got.json.error, got.headers.get("retry-after")], [503, "temporarily_unavailable", "1"], got.text);
  assert.match(got.json.reason, /^ledger_\w+$/);
}

/** @param {import("./harness/asking.mjs").Subject} subject @param {string} freshness */
const assertStillRevoked = async (subject, freshness) => assertRevoked(await inTime(() => check(there, subject, freshness)));

/** @param {import("./harness/asking.mjs").Subject} subject @param {string} freshness */
const assertNotActive = async (subject, freshness) => assert.ok([401, 503].includes((await inTime(() => check(there, subject, freshness))).status));

describe("a check of what is revoked never says active", () => {
  for (const [what, fault] of Object.entries(READING_FAULTS)) {
    test(what, async () => {
      const [ended, active, cutOff] = [await subjectOf(WORTH), await subjectOf(WORTH), await withoutSession(`ada ${what}`)];
      for (const subject of [ended, active, cutOff]) assertActive(await check(there, subject, "strong"), "strong");
      for (const subject of [ended, cutOff]) await logOut(here, subject);

      ledger.onAll(always(fault));
      await pass();
      for (const freshness of ["strong", BOUNDED]) for (const subject of [ended, active, cutOff]) await assertCannotTell(subject, freshness);
      assertActive(await check(there, active, "eventual"), "eventual");

      ledger.heal();
      await recovered(there);
      for (const subject of [ended, cutOff]) assertRevoked(await check(there, subject, BOUNDED));
      assertActive(await check(there, active, BOUNDED), "bounded");

      // What was found revoked once stays so; of all else nothing can be told.
      ledger.onAll(always(fault));
      await pass();
      // Whoever hears of another history begins anew, and knows nothing then.
      const assertRefused = what.startsWith("another") ? assertNotActive : assertStillRevoked;
      for (const freshness of ["strong", BOUNDED]) {
        for (const subject of [ended, cutOff]) await assertRefused(subject, freshness);
        await assertCannotTell(active, freshness);
      }
    });
  }

  test("a sync that is answered too late is too old", async () => {
    const subject = await subjectOf(WORTH);
    assertActive(await check(there, subject, BOUNDED));
    const { opened, open } = gate();
    await pass();
    ledger.on("Sync", always({ done: true, until: opened }));
    const checking = check(there, subject, BOUNDED);
    await eventually("it syncs", () => ledger.count("Sync", "there") > 0);
    await logOut(here, subject);
    open();
    // It began before the logout: either answer is right, and the next one is not.
    await checking;
    ledger.heal();
    await pass();
    assertRevoked(await check(there, subject, BOUNDED));
  });
});

describe("the logout's own check of its token", () => {
  for (const [what, fault] of Object.entries({ "is refused": READING_FAULTS["any other error"], "is not answered": READING_FAULTS["no answer"] })) {
    test(`${what}: no logout succeeds that may be of a token that is revoked`, async () => {
      const subject = await subjectOf(POS);
      await logOut(here, subject);
      await sleep(OWN_BOUND_MS);
      ledger.on("Sync", always(fault)).on("Confirm", always(fault));
      const [got, other] = await inTime(() => Promise.all([there.post(POS.paths[0], subject.logout), logout(there, LOYALTYDOG)]));
      assertAnswer(got, POS.refusals.unavailable);
      assertAnswer(other, LOYALTYDOG.refusals.unavailable);
      assert.equal(ledger.count("Record", "there"), 0);
    });
  }
});

for (const contract of BEARER_CONTRACTS) {
  test(`${contract.name}: a client that is gone while the ledger is asked is logged out all the same`, async () => {
    const { opened, open } = gate();
    const subject = await subjectOf(contract);
    ledger.on("Record", times(1, { until: opened, error: "retryable" }));
    const socket = await postAndHold(here.url, contract.paths[0], subject.token);
    await eventually("the ledger is asked", () => ledger.count("Record") > 0);
    socket.resetAndDestroy();
    await sleep(50);
    open();
    await eventually("it is asked again", () => ledger.count("Record") > 1);
    await eventually("it is revoked", async () => (await check(there, subject, "strong")).status === 401);
  });
}

test("where KV is down, the ledger alone revokes and answers", async (t) => {
  const kv = await fakeKv(t);
  const pair = await startLocations(t, ["here", "there"], { namespaces: { REVOCATIONS: kv } });
  await pair.here.imported();
  for (const kind of /** @type {const} */ (["bulk", "get", "put", "list"])) kv.on(kind, always({ status: 503 }));
  const [ended, active] = [await subjectOf(WORTH), await subjectOf(WORTH)];
  assertActive(await check(pair.there, active), "bounded");
  await logOut(pair.here, ended);
  await pass();
  for (const freshness of ["strong", BOUNDED]) assertRevoked(await check(pair.there, ended, freshness));
  for (const subject of [active, await subjectOf(WORTH)]) {
    assertActive(await check(pair.there, subject, BOUNDED), "bounded");
    assertActive(await check(pair.there, subject, "strong"), "strong");
    const got = await inTime(() => check(pair.there, subject, "eventual"));
    assert.deepEqual([got.status, got.json.reason], [503, "index_transient"]);
  }
});
