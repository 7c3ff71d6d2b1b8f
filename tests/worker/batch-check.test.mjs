// `POST /batch-check`: a hundred verdicts for one call, in order, for those who have a client's secret.
import assert from "node:assert/strict";
import { after, beforeEach, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { CLIENT_SECRET, batch, logOut, subjectOf, subjects, withoutSession } from "./harness/asking.mjs";
import { LOYALTYDOG, POS, WORTH } from "./harness/contracts.mjs";
import { forAll } from "./harness/eventually.mjs";
import { always } from "./harness/fake-kv.mjs";
import { startLocations } from "./harness/locations.mjs";
import { SteeredLedger } from "./harness/steered-ledger.mjs";
import { claimsOf, mint } from "./harness/tokens.mjs";
import { fakeKv, start } from "./harness/worker.mjs";

const FRESHNESS = ["strong", "bounded", "eventual"];

const kv = await fakeKv({ after });
const ledger = new SteeredLedger();
const { here, there } = await startLocations({ after }, ["here", "there"], {
  ledger,
  namespaces: { REVOCATIONS: kv },
  configure: (table) => void (table.ledger = { settling_seconds: 0, shards: 4 }),
});
beforeEach(() => {
  ledger.reset();
  kv.heal();
  kv.operations.length = 0;
});

const BOUND = { bound_milliseconds: 100 };

/** Long enough for it. */
const pass = () => sleep(105);

/** @param {object} body */
async function verdicts(body) {
  const got = await batch(there, body, CLIENT_SECRET);
  assert.equal(got.status, 200, got.text);
  return got.json.verdicts;
}

/** @param {any[]} told */
const statuses = (told) => told.map(({ status }) => status);

test("a hundred of all kinds, in order, without Workers KV and with one call a shard", async () => {
  const all = (await subjects(125)).filter(({ contract }) => contract !== LOYALTYDOG);
  const ended = all.filter((_, index) => index % 3 === 0);
  await forAll(ended, (subject) => logOut(here, subject));
  const wanted = all.map((subject) => (ended.includes(subject) ? "revoked" : "active"));
  const tokens = all.map(({ token }) => token);
  assert.equal(tokens.length, 100);
  await here.imported();
  for (const freshness of ["strong", "bounded"]) {
    ledger.reset();
    kv.operations.length = 0;
    assert.deepEqual(statuses(await verdicts({ tokens, freshness })), wanted, freshness);
    assert.equal(kv.count("bulk"), 0, freshness);
    assert.ok(ledger.questions.filter(({ from }) => from === "there").length <= 4, `${ledger.questions.length} questions`);
  }
  // Warm: from memory alone.
  ledger.reset();
  kv.operations.length = 0;
  assert.deepEqual(statuses(await verdicts({ tokens, bound_milliseconds: 60_000 })), wanted);
  // The ledger may still be writing what was logged out.
  const reads = kv.operations.filter(({ kind }) => kind !== "put");
  assert.deepEqual([reads, ledger.questions.length], [[], 0]);
});

test("what is said of each", async () => {
  const token = await mint(WORTH.name, { claims: { scope: ["read", "write"] } });
  const { sub, sid, jti, exp } = claimsOf(token);
  const [session, cutOff] = [await subjectOf(POS), await withoutSession("ada")];
  for (const subject of [session, cutOff]) await logOut(here, subject);
  await pass();
  const bad = [await mint(WORTH.name, { expiresIn: -60 }), "x", "", await mint(WORTH.name, { claims: { role: "employee" } }), "x".repeat(9000), token];
  for (const freshness of ["strong", "bounded"]) {
    const [active, ...others] = await verdicts({ tokens: [token, session.token, cutOff.token, ...bad], freshness, ...(freshness === "bounded" && BOUND) });
    assert.deepEqual(active, { status: "active", issuer: "worth", subject: sub, session: sid, token_id: jti, expires: exp, scope: "read write", verified: true, freshness });
    assert.deepEqual(others.slice(0, 2), [{ status: "revoked", ended_by: "session" }, { status: "revoked", ended_by: "subject" }]);
    assert.deepEqual(others.slice(2).map((/** @type {any} */ { status, reason }) => reason ?? status), ["token_expired", "token_malformed", "token_malformed", "wrong_kind_of_token", "token_too_large", "active"]);
  }
});

test("sessions of LoyaltyDog's, whose issuer is named", async () => {
  const all = await Promise.all(Array.from({ length: 100 }, () => subjectOf(LOYALTYDOG)));
  await forAll(all.slice(0, 50), (subject) => logOut(here, subject));
  const told = await verdicts({ tokens: all.map(({ token }) => token), issuer: "loyaltydog-sessions", freshness: "strong" });
  assert.deepEqual(statuses(told), all.map((_, index) => (index < 50 ? "revoked" : "active")));
  assert.deepEqual(told[0], { status: "revoked", ended_by: "token" });
  assert.deepEqual(told[99], { status: "active", issuer: "loyaltydog-sessions", verified: false, freshness: "strong" });
});

test("what cannot be told is unknown, and what is known to be revoked stays so", async () => {
  const [active, ended] = [await subjectOf(WORTH), await subjectOf(WORTH)];
  await logOut(here, ended);
  const tokens = [active.token, ended.token, "x"];
  assert.deepEqual(statuses(await verdicts({ tokens, freshness: "strong" })), ["active", "revoked", "invalid"]);
  ledger.onAll(always({ error: "broken" }));
  await pass();
  for (const asked of [{ freshness: "strong" }, BOUND]) {
    assert.deepEqual(await verdicts({ tokens, ...asked }), [
      { status: "unknown", reason: "ledger_failed" },
      { status: "revoked", ended_by: "session" },
      { status: "invalid", reason: "token_malformed" },
    ]);
  }
});

test("none, one, twice the same, and a hundred and one", async () => {
  const { token } = await subjectOf(WORTH);
  assert.deepEqual(await verdicts({ tokens: [] }), []);
  assert.deepEqual(statuses(await verdicts({ tokens: [token, token] })), ["active", "active"]);
  const got = await batch(there, { tokens: Array(101).fill(token) }, CLIENT_SECRET);
  assert.deepEqual([got.status, got.json], [400, { error: "invalid_request", reason: "a batch has at most 100 tokens" }]);
});

test("a batch that is none is refused", async () => {
  const { token } = await subjectOf(WORTH);
  for (const body of [{}, { tokens: "x" }, { tokens: [1] }, { tokens: [token], extra: 1 }, [token], { tokens: [token], issuer: "nobody" }, { tokens: [token], freshness: "soon" }, { tokens: [token], bound_milliseconds: 1 }]) {
    assert.equal((await batch(there, body, CLIENT_SECRET)).status, 400, JSON.stringify(body));
  }
  const posted = (/** @type {Record<string, string>} */ headers, /** @type {string} */ body) => there.post("/batch-check", { token: CLIENT_SECRET, headers, body });
  assert.equal((await posted({ "content-type": "text/plain" }, "{}")).status, 415);
  assert.equal((await posted({ "content-type": "application/json" }, "{")).status, 400);
  assert.equal((await posted({ "content-type": "application/json" }, " ".repeat(900_000))).status, 413);
});

test("only clients may ask", async (t) => {
  const { token } = await subjectOf(WORTH);
  for (const secret of ["wrong", CLIENT_SECRET.slice(0, -1), `${CLIENT_SECRET}x`, token]) {
    const got = await batch(there, { tokens: [token] }, secret);
    assert.deepEqual([got.status, got.json.reason], [401, "unknown_client"]);
  }
  const got = await there.post("/batch-check", { json: { tokens: [token] } });
  assert.deepEqual([got.status, got.headers.get("www-authenticate")], [401, 'Bearer realm="edge-logout"']);
  assert.deepEqual([(await there.fetch("/batch-check")).status, (await there.fetch("/batch-check", { method: "OPTIONS" })).headers.get("allow")], [405, "POST, OPTIONS"]);
  const without = await start(t, { configure: (table) => void delete table.clients });
  assert.equal((await batch(without, { tokens: [token] }, CLIENT_SECRET)).status, 404);
  assert.ok(!JSON.stringify([there.logs, without.logs]).includes(CLIENT_SECRET));
});

test("each promise is kept for those that ask for it", async () => {
  const subject = await subjectOf(WORTH);
  for (const freshness of FRESHNESS) {
    const [told] = await verdicts({ tokens: [subject.token], freshness });
    assert.deepEqual([told.status, told.freshness], ["active", freshness]);
  }
});
