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

const FAULTS = /** @type {Record<string, Fault>} */ ({
  "an error that may be tried again": { error: "retryable" },
  "an overload": { error: "overloaded" },
  "any other error": { error: "broken" },
  "an error although it was done": { error: "broken", done: true },
  "no answer": { hang: true },
  "no text": { answer: "" },
  "no JSON": { answer: "{" },
  "an answer to something else": { answer: '"yes"' },
  "an answer of another form": { answer: '{"epoch":1}' },
});
/** What only reading can meet: for writing, an answer that is `null` is success. */
const READING_FAULTS = /** @type {Record<string, Fault>} */ ({
  ...FAULTS,
  "an empty list": { answer: "[]" },
  "a list that is too short": { answer: "[null]" },
  "a list that is too long": { answer: `[${Array(40).fill("null").join()}]` },
  null: { answer: "null" },
  "an empty object": { answer: "{}" },
});

const ledger = new SteeredLedger();
const { here, there } = await startLocations({ after }, ["here", "there"], { ledger, settling: 3600 });
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
      if (fault.done) await pass();
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

/** Why the ledger is not asked for each token where its feed fails like that. @param {Fault} fault */
function reasonNotToAsk({ error, hang }) {
  if (error === "overloaded") return "it would make the overload worse";
  return hang ? "whoever has waited for the feed does not wait for the ledger as well" : undefined;
}

describe("a check of what is revoked never says active", () => {
  for (const [what, fault] of Object.entries(READING_FAULTS)) {
    test(what, async () => {
      const [ended, active, cutOff] = [await subjectOf(WORTH), await subjectOf(WORTH), await withoutSession(`ada ${what}`)];
      for (const subject of [ended, active, cutOff]) assertActive(await check(there, subject, "strong"), "strong");
      for (const subject of [ended, cutOff]) await logOut(here, subject);

      // Not even the feed: what was promised is told by asking for each token.
      ledger.on("Changes", always(fault));
      await pass();
      const isKnown = reasonNotToAsk(fault) === undefined;
      if (!isKnown) {
        for (const subject of [ended, active, cutOff]) await assertCannotTell(subject, BOUNDED);
        assert.equal(ledger.count("Contains", "there"), 3, "those of `strong` before");
      } else {
        for (const subject of [ended, cutOff]) assertRevoked(await inTime(() => check(there, subject, BOUNDED)));
        assertActive(await inTime(() => check(there, active, BOUNDED)), "strong");
      }

      ledger.onAll(always(fault));
      // What was found revoked once stays so; of all else nothing can be told.
      for (const freshness of ["strong", BOUNDED]) {
        for (const subject of [ended, cutOff]) {
          if (isKnown) assertRevoked(await check(there, subject, freshness));
          else await assertCannotTell(subject, freshness);
        }
        await assertCannotTell(active, freshness);
      }
      assertActive(await check(there, active, "eventual"), "eventual");

      ledger.heal();
      await recovered(there);
      for (const subject of [ended, cutOff]) assertRevoked(await check(there, subject, BOUNDED));
      assertActive(await check(there, active, BOUNDED), "bounded");
    });
  }

  test("a feed that answers too late is too old", async () => {
    const subject = await subjectOf(WORTH);
    assertActive(await check(there, subject, BOUNDED));
    const { opened, open } = gate();
    await pass();
    ledger.on("Changes", always({ done: true, until: opened }));
    const checking = check(there, subject, BOUNDED);
    await eventually("the feed is asked", () => ledger.count("Changes", "there") > 0);
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
      await sleep(1_005); // the bound of the logouts' own checks
      ledger.on("Changes", always(fault)).on("Contains", always(fault));
      const [got, other] = await inTime(() => Promise.all([there.post(POS.paths[0], subject.logout), logout(there, LOYALTYDOG)]));
      // KV may have it already, and its word is enough.
      assertAnswer(got, got.status === 401 ? POS.refusals.revoked : POS.refusals.unavailable);
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

test("where KV is down as well, the ledger alone revokes, and nothing is active", async (t) => {
  const kv = await fakeKv(t);
  const pair = await startLocations(t, ["here", "there"], { settling: 3600, namespaces: { REVOCATIONS: kv } });
  const [ended, active] = [await subjectOf(WORTH), await subjectOf(WORTH)];
  assertActive(await check(pair.there, active), "bounded");
  await logOut(pair.here, ended);
  kv.on("bulk", always({ status: 503 }));
  await pass();
  for (const freshness of ["strong", BOUNDED]) assertRevoked(await check(pair.there, ended, freshness));
  // What KV has said not long ago still counts: the feed tells what is new.
  assertActive(await check(pair.there, active, BOUNDED), "bounded");
  assertActive(await check(pair.there, active, "strong"), "strong");
  const unseen = await subjectOf(WORTH);
  for (const freshness of ["strong", "bounded", "eventual"]) {
    const got = await inTime(() => check(pair.there, unseen, freshness));
    assert.deepEqual([got.status, got.json.reason], [503, "index_transient"]);
  }
});
