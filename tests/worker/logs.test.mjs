// One structured line for each request, with what an operator needs and nothing of what a client has sent.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { CONTRACTS, LOYALTYDOG, POS, WORTH, logout } from "./harness/contracts.mjs";
import { eventually } from "./harness/eventually.mjs";
import { mint, readDevelopmentKey, withHeader } from "./harness/tokens.mjs";
import { start } from "./harness/worker.mjs";

const worker = await start({ after });

/** The line of an answer, without what differs each time. @param {import("./harness/answer.mjs").Answer} got */
async function lineOf(got) {
  const { milliseconds, request_id: id, ...line } = await worker.logOf(got);
  assert.ok(Number.isInteger(milliseconds) && milliseconds >= 0);
  assert.equal(id, got.headers.get("x-request-id"));
  return line;
}

for (const contract of CONTRACTS) {
  test(`${contract.name}: success and refusals`, async () => {
    const about = { event: "request", method: "POST", contract: contract.name, issuer: contract.name };
    const token = await mint(contract.name);
    const keyId = `development-${contract.name}`;
    for (const path of contract.paths) {
      const route = path.replace("my-store", "{store_id}");
      assert.deepEqual(await lineOf(await worker.post(path, contract.request(await mint(contract.name)))), { ...about, route, status: 200, outcome: "revoked", key_id: keyId });
    }
    const route = contract.paths[0];
    await logout(worker, contract, token);
    if (contract.endsBearer) {
      assert.deepEqual(await lineOf(await logout(worker, contract, token)), { ...about, route, status: 401, outcome: "refused", reason: "revoked", key_id: keyId });
    }
    const refused = { ...about, route, status: 401, outcome: "refused" };
    assert.deepEqual(await lineOf(await logout(worker, contract, await mint(contract.name, { expiresIn: -60 }))), { ...refused, reason: "token_expired" });
    assert.deepEqual(await lineOf(await logout(worker, contract, await mint(contract.name, { claims: { aud: "x" } }))), { ...refused, reason: "wrong_audience" });
    assert.deepEqual(await lineOf(await logout(worker, contract, "x")), { ...refused, reason: "token_malformed" });
    const { token: _, ...anonymous } = contract.request("");
    assert.deepEqual(await lineOf(await worker.post(route, anonymous)), { ...refused, reason: "no_credential" });
    assert.deepEqual(await lineOf(await worker.fetch(route)), { ...refused, method: "GET", status: 405, reason: "method_not_allowed" });
  });
}

test("the service's own pages, what is nowhere, and a preflight", async () => {
  const line = { event: "request", method: "GET", outcome: "answered", status: 200 };
  assert.deepEqual(await lineOf(await worker.fetch("/healthz?a=b")), { ...line, route: "/healthz" });
  assert.deepEqual(await lineOf(await worker.fetch("/openapi.json")), { ...line, route: "/openapi.json" });
  assert.deepEqual(await lineOf(await worker.fetch("/no/where?token=x")), { ...line, status: 404, outcome: "refused", reason: "no_route" });
  const options = await lineOf(await worker.fetch(POS.paths[0], { method: "OPTIONS" }));
  assert.deepEqual([options.status, options.outcome, options.contract], [204, "answered", POS.name]);
});

test("a token of the wrong kind is told from a bad one", async () => {
  const line = await lineOf(await logout(worker, WORTH, await mint(WORTH.name, { claims: { role: "x" } })));
  assert.deepEqual([line.status, line.outcome, line.reason, line.key_id], [403, "refused", "wrong_kind_of_token", "development-worth"]);
});

test("a failure of KV is told from a refusal", async (t) => {
  const lacking = await start(t, { ledger: "missing", namespaces: { REVOCATIONS: "missing" } });
  const line = await lacking.logOf(await logout(lacking, LOYALTYDOG));
  assert.deepEqual([line.status, line.outcome, line.reason], [503, "failed", "index_refused"]);
});

test("the kid that a token claims is not logged, only the one that is configured", async () => {
  const token = withHeader(await mint(WORTH.name), { kid: "claimed-kid" }, await readDevelopmentKey(WORTH.name));
  const line = await lineOf(await logout(worker, WORTH, token));
  assert.deepEqual([line.reason, line.key_id], ["unknown_key", undefined]);
  assert.ok(!JSON.stringify(worker.logs).includes("claimed-kid"));
});

test("one line a request, and each of them JSON", async (t) => {
  const counted = await start(t);
  const requests = 20;
  const answers = await Promise.all(Array.from({ length: requests }, (_, index) => (index % 2 ? counted.fetch("/healthz") : logout(counted, WORTH))));
  for (const got of answers) await counted.logOf(got);
  await eventually("all lines", () => counted.requestLogs().length >= requests);
  assert.equal(counted.logs.length, requests, JSON.stringify(counted.logs));
  assert.equal(new Set(counted.requestLogs().map((line) => line.request_id)).size, requests);
});
