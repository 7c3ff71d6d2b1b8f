// A ledger that fails is met with few calls, and one that hangs holds few checks.
import assert from "node:assert/strict";
import { after, beforeEach, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { assertActive, check, logOut, subjectOf } from "./harness/asking.mjs";
import { WORTH } from "./harness/contracts.mjs";
import { eventually } from "./harness/eventually.mjs";
import { always } from "./harness/fake-kv.mjs";
import { startLocations } from "./harness/locations.mjs";
import { SteeredLedger } from "./harness/steered-ledger.mjs";

const CLIENTS = 20;

const ledger = new SteeredLedger();
const { here, there } = await startLocations({ after }, ["here", "there"], { ledger, settling: 3600 });
beforeEach(async () => {
  ledger.reset();
  await recovered();
  ledger.reset();
});

async function recovered() {
  const subject = await subjectOf(WORTH);
  await eventually("the ledger is known to be well", async () => (await check(there, subject, "strong")).status === 200, 20_000);
}

/** Every client checks again and again. @param {number} times @param {string} freshness */
async function checks(times, freshness) {
  const subjects = await Promise.all(Array.from({ length: CLIENTS }, () => subjectOf(WORTH)));
  const answers = [];
  for (let time = 0; time < times; time += 1) {
    answers.push(...(await Promise.all(subjects.map((subject) => check(there, subject, freshness)))));
  }
  return answers;
}

/** Calls to the ledger from there, however they are meant. */
const calls = () => ledger.questions.filter(({ from }) => from === "there").length;

for (const freshness of ["strong", "bound_milliseconds=100"]) {
  for (const error of /** @type {const} */ (["retryable", "overloaded", "broken"])) {
    test(`${freshness}: ${CLIENTS} clients of a ledger that is ${error} cause few calls, and no check is let through`, async () => {
      ledger.onAll(always({ error }));
      await sleep(150); // what was heard while it was well is older than the bound then
      const begun = performance.now();
      const answers = await checks(20, freshness);
      for (const got of answers) {
        assert.deepEqual([got.status, got.headers.get("retry-after")], [503, "1"], got.text);
        assert.match(got.json.reason, /^ledger_\w+$/);
      }
      const seconds = (performance.now() - begun) / 1_000;
      assert.ok(calls() <= CLIENTS + 10 + seconds, `${calls()} calls for ${answers.length} checks in ${seconds} s`);
      ledger.heal();
      await recovered();
      assertActive((await checks(1, freshness))[0]);
    });
  }
}

test("while a ledger hangs one check waits for it at a time", async () => {
  ledger.onAll(always({ hang: true }));
  await checks(1, "strong");
  ledger.questions.length = 0;
  const begun = performance.now();
  const answers = await checks(20, "strong");
  const seconds = (performance.now() - begun) / 1_000;
  assert.ok(answers.every(({ status }) => status === 503));
  assert.ok(calls() <= 3 + seconds, `${calls()} calls in ${seconds} s`);
});

test("a client that goes away with the probe does not keep others out", async () => {
  ledger.onAll(always({ hang: true }));
  await checks(1, "strong");
  const subject = await subjectOf(WORTH);
  ledger.questions.length = 0;
  // Clients of little patience: sooner or later one of them is the probe.
  await eventually("a probe", async () => {
    await there
      .raw("/check?freshness=strong", { headers: { authorization: `Bearer ${subject.token}` }, signal: AbortSignal.timeout(100) })
      .catch(() => {});
    return calls() > 0;
  });
  ledger.heal();
  await recovered();
});

test("a logout gets its try while checks fail fast", async () => {
  ledger.onAll(always({ error: "broken" }));
  await checks(10, "strong");
  ledger.heal();
  await logOut(there, await subjectOf(WORTH));
  assertActive(await check(there, await subjectOf(WORTH), "strong"), "strong");
  assertActive(await check(here, await subjectOf(WORTH), "strong"), "strong");
});
