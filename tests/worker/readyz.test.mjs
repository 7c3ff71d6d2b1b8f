// Whether the service is ready: what it needs is asked, seldom, in time, and told only to clients.
import assert from "node:assert/strict";
import { after, beforeEach, test } from "node:test";
import { newKey } from "./harness/algorithms.mjs";
import { assertAnswer } from "./harness/answer.mjs";
import { CLIENT_SECRET } from "./harness/asking.mjs";
import { eventually } from "./harness/eventually.mjs";
import { always } from "./harness/fake-kv.mjs";
import { FAULTS, identityProvider } from "./harness/identity-provider.mjs";
import { issuerIn } from "./harness/shipped.mjs";
import { SteeredLedger } from "./harness/steered-ledger.mjs";
import { fakeKv, start } from "./harness/worker.mjs";

const UNAVAILABLE = { status: 503, body: { status: "unavailable" } };
const ANSWERS_WITHIN_MS = 5_000;

const ledger = new SteeredLedger();
const kv = await fakeKv({ after });
const provider = await identityProvider({ after });

const startOne = (/** @type {import("./harness/worker.mjs").Owner} */ owner) =>
  start(owner, {
    ledger,
    namespaces: { REVOCATIONS: kv },
    configure: (table) => {
      const issuer = issuerIn(table, "worth");
      delete issuer.jwks;
      Object.assign(issuer, { algorithms: ["ES256"], jwks_url: provider.jwksUrl });
    },
  });

beforeEach(() => {
  ledger.reset();
  kv.reset();
  provider.publish(newKey("ES256"));
});

/** @param {import("./harness/worker.mjs").Worker} worker */
async function asClient(worker) {
  const begun = performance.now();
  const got = await worker.fetch("/readyz", { headers: { "x-edge-logout-client": CLIENT_SECRET } });
  assert.ok(performance.now() - begun < ANSWERS_WITHIN_MS);
  return got;
}

test("all is well, and only a client is told what", async (t) => {
  const worker = await startOne(t);
  assertAnswer(await worker.fetch("/readyz"), { status: 200, body: { status: "ok" } });
  const wrong = { "x-edge-logout-client": "wrong", authorization: `Bearer ${CLIENT_SECRET}` };
  assertAnswer(await worker.fetch("/readyz", { headers: wrong }), { status: 200, body: { status: "ok" } });
  assertAnswer(await asClient(worker), { status: 200, body: { status: "ok", ledger: { 0: "ok" }, kv: "ok", keys: { worth: "ok" } } });
});

test("a real ledger, KV and no fetched keys", async (t) => {
  const worker = await start(t);
  assertAnswer(await asClient(worker), { status: 200, body: { status: "ok", ledger: { 0: "ok" }, kv: "ok", keys: {} } });
});

test("it looks at most once a second, whoever asks", async (t) => {
  const worker = await startOne(t);
  const begun = performance.now();
  for (let round = 0; round < 5; round += 1) {
    const answers = await Promise.all(Array.from({ length: 20 }, () => worker.fetch("/readyz")));
    assert.ok(answers.every(({ status }) => status === 200));
  }
  const rounds = 1 + Math.floor((performance.now() - begun) / 1_000);
  assert.ok(ledger.count("Confirm") <= rounds, `${ledger.count("Confirm")} calls`);
  assert.ok(kv.count("bulk") + kv.count("get") <= rounds, `${kv.operations.length} reads`);
});

const hang = { hang: true };
/** @type {[what: string, fault: () => unknown, where: string, part: (told: any) => string, reason: RegExp][]} */
const BROKEN = [
  ["a ledger that hangs", () => ledger.onAll(always(hang)), "ledger", (told) => told.ledger[0], /^ledger_timed_out$/],
  ["a ledger that fails", () => ledger.onAll(always({ error: "broken" })), "ledger", (told) => told.ledger[0], /^ledger_failed$/],
  ["a KV that fails", () => kv.on("bulk", always({ status: 503 })).on("get", always({ status: 503 })), "kv", (told) => told.kv, /^index_transient$/],
  ["a KV that hangs", () => kv.on("bulk", always(hang)).on("get", always(hang)), "kv", (told) => told.kv, /^index_timed_out$/],
  ["a provider that is down", () => (provider.fault = FAULTS.unreachable), "keys", (told) => told.keys.worth, /^keys_unavailable$/],
  ["a provider that hangs", () => (provider.fault = FAULTS.timed_out), "keys", (told) => told.keys.worth, /^keys_unavailable$/],
];

for (const [what, fault, where, part, reason] of BROKEN) {
  test(`${what} is told, and that it is well again`, async (t) => {
    const worker = await startOne(t);
    fault();
    const got = await asClient(worker);
    assert.deepEqual([got.status, got.json.status, got.headers.get("retry-after")], [503, "unavailable", "1"], got.text);
    assert.match(part(got.json), reason);
    const others = Object.entries({ ledger: got.json.ledger[0], kv: got.json.kv, keys: got.json.keys.worth });
    for (const [name, word] of others) assert.equal(word === "ok", name !== where, got.text);
    assertAnswer(await worker.fetch("/readyz"), UNAVAILABLE);
    assert.equal((await worker.logOf(got)).reason, "not_ready");
    ledger.heal();
    kv.heal();
    provider.publish(newKey("ES256"));
    await eventually("it is ready", async () => (await worker.fetch("/readyz")).status === 200, 20_000);
  });
}
