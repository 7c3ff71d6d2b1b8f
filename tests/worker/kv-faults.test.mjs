// Without a ledger: Workers KV that limits, fails, breaks off or does not answer. Success only when the revocation is stored, and then always.
import assert from "node:assert/strict";
import { after, beforeEach, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { assertAnswer } from "./harness/answer.mjs";
import { BEARER_CONTRACTS, CONTRACTS, LOYALTYDOG, MARZIPAN, POS, WORTH, logout } from "./harness/contracts.mjs";
import { eventually, gate } from "./harness/eventually.mjs";
import { always, ofScope, times } from "./harness/fake-kv.mjs";
import { mint, now } from "./harness/tokens.mjs";
import { fakeKv, start } from "./harness/worker.mjs";

/** Checking and writing have three seconds in all; the rest is for a machine that does other things as well. */
const GIVES_UP_WITHIN_MS = 5_000;

const kv = await fakeKv({ after });
const worker = await start({ after }, { namespaces: { REVOCATIONS: kv }, ledger: "missing" });
/** What a Worker has revoked it knows itself: what KV has, another one tells. */
const witness = await start({ after }, { namespaces: { REVOCATIONS: kv }, ledger: "missing" });
beforeEach(() => kv.reset());

/** @template T @param {() => Promise<T>} work @returns {Promise<T>} */
async function inTime(work) {
  const begun = performance.now();
  const result = await work();
  const took = Math.round(performance.now() - begun);
  assert.ok(took < GIVES_UP_WITHIN_MS, `took ${took} ms`);
  return result;
}

/** @param {string} token */
async function assertEnded(token) {
  for (const asked of [worker, witness]) assertAnswer(await logout(asked, WORTH, token), WORTH.refusals.revoked);
}

test("without a fault: one read, then the session, then the token, each written once", async () => {
  const token = await mint(WORTH.name);
  WORTH.assertSuccess(await logout(worker, WORTH, token));
  // The keys of a read come in the order of their digests.
  assert.deepEqual(kv.operations.map(({ kind, keys }) => [kind, ...keys.map((key) => key.split(":")[2]).sort()]), [
    ["bulk", "issuer", "session", "subject", "token"],
    ["put", "session"],
    ["put", "token"],
  ]);
  for (const { value, metadata } of kv.entries.values()) assert.deepEqual(JSON.parse(value), metadata);
  await assertEnded(token);
});

describe("a put that goes wrong and then right is a success", () => {
  for (const [what, fault, count] of /** @type {const} */ ([
    ["429 once", { status: 429 }, 1],
    ["503 twice", { status: 503 }, 2],
    ["500 once", { status: 500 }, 1],
    ["the connection lost once", { reset: true }, 1],
    ["503 although it was stored", { status: 503, stored: true }, 1],
    ["the connection lost although it was stored", { reset: true, stored: true }, 1],
  ])) {
    test(what, async () => {
      kv.on("put", times(count, fault));
      const token = await mint(WORTH.name);
      WORTH.assertSuccess(await logout(worker, WORTH, token));
      assert.equal(kv.count("put"), 2 + count);
      assert.ok(kv.holds("session") && kv.holds("token"));
      await assertEnded(token);
    });
  }

  test("429 because the same logout is being written by somebody else, and is there", async () => {
    kv.on("put", always({ status: 429, stored: true }));
    const token = await mint(WORTH.name);
    WORTH.assertSuccess(await logout(worker, WORTH, token));
    assert.equal(kv.count("put"), 2, "and so it is not written again");
    await assertEnded(token);
  });
});

/** A KV and a Worker of a test's own, so that tests which wait can do so at once. @param {import("./harness/worker.mjs").Owner} owner */
async function ownPair(owner) {
  const ownKv = await fakeKv(owner);
  return { ownKv, own: await start(owner, { namespaces: { REVOCATIONS: ownKv }, ledger: "missing" }) };
}

describe("a put that never goes right is the contract's failure, and the next try succeeds", { concurrency: true }, () => {
  for (const [what, fault] of Object.entries({
    "503": { status: 503 },
    "429, and the key is not there": { status: 429 },
    "the connection is lost": { reset: true },
    "no answer": { hang: true },
    "400": { status: 400 },
  })) {
    test(what, async (t) => {
      const { ownKv, own } = await ownPair(t);
      ownKv.on("put", always(fault));
      const tokens = await Promise.all(CONTRACTS.map(({ name }) => mint(name)));
      const answers = await inTime(() => Promise.all(CONTRACTS.map((contract, index) => logout(own, contract, tokens[index]))));
      answers.forEach((got, index) => assertAnswer(got, CONTRACTS[index].refusals.unavailable));
      assert.deepEqual([...ownKv.entries.keys()], []);

      ownKv.heal();
      for (const [index, contract] of CONTRACTS.entries()) contract.assertSuccess(await logout(own, contract, tokens[index]));
    });
  }
});

describe("a put that KV refuses", () => {
  test("is not tried again when that would not mend it", async () => {
    kv.on("put", always({ status: 413 }));
    assertAnswer(await logout(worker, WORTH), WORTH.refusals.unavailable);
    assert.equal(kv.count("put"), 1);
  });

  test("is a failure that says when to try again if it is a 503", async () => {
    kv.on("put", always({ status: 400 }));
    for (const contract of CONTRACTS) {
      const got = await logout(worker, contract);
      const is503 = [LOYALTYDOG, MARZIPAN].includes(contract);
      assert.equal(got.headers.get("retry-after"), is503 ? "1" : null, contract.name);
    }
  });
});

describe("a read that goes wrong lets nothing pass", { concurrency: true }, () => {
  for (const [what, fault] of Object.entries({ "503": { status: 503 }, "429": { status: 429 }, "400": { status: 400 }, "the connection is lost": { reset: true }, "no answer": { hang: true }, "no word of one key": { partial: true } })) {
    test(what, async (t) => {
      const { ownKv, own } = await ownPair(t);
      ownKv.on("bulk", always(fault));
      const answers = await inTime(() => Promise.all(CONTRACTS.map((contract) => logout(own, contract))));
      answers.forEach((got, index) => assertAnswer(got, CONTRACTS[index].refusals.unavailable));
      assert.equal(ownKv.count("put"), 0);
    });
  }
});

describe("a read that goes wrong", () => {

  test("is a failure for a revoked token too, and no success", async () => {
    const token = await mint(WORTH.name);
    WORTH.assertSuccess(await logout(worker, WORTH, token));
    kv.on("bulk", times(1, { status: 503 }));
    assertAnswer(await logout(witness, WORTH, token), WORTH.refusals.unavailable);
    await assertEnded(token);
  });

  test("concerns no bad token: that is told without asking", async () => {
    kv.on("bulk", always({ status: 503 }));
    for (const contract of CONTRACTS) assertAnswer(await logout(worker, contract, "bad"), contract.refusals.bad);
    assert.deepEqual(kv.operations, []);
  });
});

describe("the session is written before the token", () => {
  for (const contract of BEARER_CONTRACTS.filter((candidate) => candidate !== POS)) {
    test(`${contract.name}: when the session cannot be written, neither is the token, so that the next try does all`, async () => {
      const token = await mint(contract.name);
      kv.on("put", ofScope("session", always({ status: 400 })));
      assertAnswer(await logout(worker, contract, token), contract.refusals.unavailable);
      assert.ok(!kv.holds("token"));
      kv.heal();
      contract.assertSuccess(await logout(worker, contract, token));
      assert.ok(kv.holds("session") && kv.holds("token"));
    });

    test(`${contract.name}: when the token cannot be written it has ended with its session, which the answer does not claim`, async () => {
      const token = await mint(contract.name);
      kv.on("put", ofScope("token", always({ status: 400 })));
      assertAnswer(await logout(worker, contract, token), contract.refusals.unavailable);
      assert.ok(kv.holds("session") && !kv.holds("token"));
      assertAnswer(await logout(worker, contract, token), contract.refusals.revoked);
    });
  }
});

test("a revocation that cannot be read revokes", async () => {
  const token = await mint(WORTH.name);
  WORTH.assertSuccess(await logout(worker, WORTH, token));
  for (const entry of kv.entries.values()) entry.value = "{";
  await assertEnded(token);
});

test("slow answers are waited for", async () => {
  kv.on("bulk", times(1, { until: sleep(300) })).on("put", times(1, { until: sleep(600) }));
  WORTH.assertSuccess(await inTime(() => logout(worker, WORTH)));
});

describe("one write a second to a key, as Workers KV has it: the same logout many times at once never fails", () => {
  for (const contract of CONTRACTS) {
    test(contract.name, () => assertNoneFails(contract, contract.request));
  }
  // Two tokens of one user, or one sent twice: what they write differs by the time at which they came.
  test("commerce-engine-pos, a token without a session", () => assertNoneFails(POS, () => ({}), { sid: null }));
});

/**
 * Ten logouts with one token, some milliseconds apart, which all come to writing at once.
 * @param {import("./harness/contracts.mjs").Contract} contract
 * @param {(token: string) => Record<string, any>} request
 * @param {Record<string, unknown>} [claims]
 */
async function assertNoneFails(contract, request, claims) {
  const token = await mint(contract.name, { claims });
  const same = { ...request(token), token };
  const { opened, open } = gate();
  kv.limitsWrites = true;
  kv.on("bulk", always({ until: opened }));
  const answers = [];
  for (let count = 1; count <= 10; count++) {
    answers.push(worker.post(contract.paths[0], same));
    await eventually("it is being checked", () => kv.count("bulk") === count);
    await sleep(3);
  }
  open();
  const statuses = (await Promise.all(answers)).map(({ status }) => status).sort();
  assert.ok(statuses.every((status) => status === 200 || status === 401), `${statuses}`);
  assert.ok(statuses.includes(200));
  const again = await worker.post(contract.paths[0], same);
  if (contract.endsBearer) assertAnswer(again, contract.refusals.revoked);
  else contract.assertSuccess(again);
}

test("reading and writing share the time that a logout has", async () => {
  kv.on("bulk", always({ until: sleep(2_000) })).on("put", always({ hang: true }));
  assertAnswer(await inTime(() => logout(worker, WORTH)), WORTH.refusals.unavailable);
});

/** A cashier's token without a session, of a clock that is some seconds ahead. @param {string} ulid @param {number} ahead */
const cashier = (ulid, ahead) => mint(POS.name, { claims: { sid: null, ulid, iat: now() + ahead } });

test("another logout of a user a moment later is no failure", async () => {
  kv.limitsWrites = true;
  POS.assertSuccess(await logout(worker, POS, await cashier("one", 3)));
  const later = await cashier("one", 5);
  POS.assertSuccess(await logout(worker, POS, later));
  for (const asked of [worker, witness]) assertAnswer(await logout(asked, POS, later), POS.refusals.revoked);
});

test("a logout that was held up takes nothing back of one that has overtaken it", async () => {
  const { opened, open } = gate();
  // Checks ask for several keys; what is read before a cut-off is written is one.
  const holdFirst = times(1, { until: opened });
  kv.on("bulk", (operation) => (operation.keys.length === 1 ? holdFirst() : undefined));
  const heldUp = logout(worker, POS, await cashier("two", 0));
  await eventually("it is about to write", () => kv.count("bulk") === 2);
  const overtaking = await cashier("two", 4);
  POS.assertSuccess(await logout(worker, POS, overtaking));
  open();
  POS.assertSuccess(await heldUp);
  for (const asked of [worker, witness]) assertAnswer(await logout(asked, POS, overtaking), POS.refusals.revoked);
});
