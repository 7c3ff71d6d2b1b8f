// `/check` in the runtime: for every contract's algorithm, for every method, below `/check/`, and cheaply.
import assert from "node:assert/strict";
import { after, beforeEach, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { assertActive, assertRevoked, check, logOut, subjectOf, subjects } from "./harness/asking.mjs";
import { CONTRACTS, LOYALTYDOG, MARZIPAN, STOREFRONT, WORTH } from "./harness/contracts.mjs";
import { forAll } from "./harness/eventually.mjs";
import { startLocations } from "./harness/locations.mjs";
import { exchange } from "./harness/raw.mjs";
import { SteeredLedger } from "./harness/steered-ledger.mjs";
import { claimsOf, mint } from "./harness/tokens.mjs";
import { fakeKv, start } from "./harness/worker.mjs";

/** @typedef {import("./harness/shipped.mjs").Table} Table */

const kv = await fakeKv({ after });
const ledger = new SteeredLedger();
const { worker } = await startLocations({ after }, ["worker"], { ledger, namespaces: { REVOCATIONS: kv } });
beforeEach(() => {
  ledger.reset();
  kv.reset();
});

/** @param {import("./harness/answer.mjs").Answer} got @returns {Record<string, string>} */
const facts = (got) => Object.fromEntries([...got.headers].filter(([name]) => name.startsWith("x-auth-")).map(([name, value]) => [name.slice(7), value]));

test("a request is read to its end, however long its URL is", async () => {
  const token = await mint(WORTH.name);
  const headers = { authorization: `Bearer ${token}` };
  for (const length of [4_000, 4_100, 12_000]) {
    assert.equal((await worker.fetch(`/check/${"a".repeat(length)}`, { headers })).status, 200, `${length}`);
    assert.equal((await worker.fetch(`/check/${"a".repeat(length)}`)).status, 401, `${length}, without a token`);
  }
});

for (const contract of CONTRACTS) {
  test(`${contract.name}: what is known of a token`, async () => {
    const token = await mint(contract.name, { claims: { scope: "read write" } });
    const claims = claimsOf(token);
    for (const freshness of ["strong", "bounded", "eventual"]) {
      const got = await check(worker, { contract, token, logout: { token }, query: "" }, freshness);
      assertActive(got);
      assert.equal(got.text, "");
      assert.deepEqual(facts(got), {
        issuer: contract.name,
        subject: claims.ulid ?? claims.sub,
        session: claims.sid,
        "token-id": claims.jti,
        expires: String(claims.exp),
        scope: "read write",
        verified: "true",
        freshness,
      });
    }
  });
}

test("an opaque session is looked up and not verified, from either header", async () => {
  const subject = await subjectOf(LOYALTYDOG);
  const asked = (/** @type {Record<string, string>} */ headers, query = "") => worker.fetch(`/check?issuer=loyaltydog-sessions${query}`, { headers });
  const [bearer, customer] = [{ authorization: `Bearer ${subject.token}` }, { "x-eposn-customer-token": subject.token }];
  for (const got of [await asked(bearer), await asked(customer)]) {
    assertActive(got);
    assert.deepEqual(facts(got), { issuer: "loyaltydog-sessions", verified: "false", freshness: "bounded" });
  }
  await logOut(worker, subject);
  for (const got of [await asked(bearer), await asked(customer)]) assertRevoked(got);
  // Where both are there, the query has to say which.
  const both = { authorization: "Bearer other", "x-eposn-customer-token": subject.token };
  assert.equal((await asked(both)).status, 401);
  assertRevoked(await asked(both, "&credential=x-eposn-customer-token"));
  assertActive(await asked(both, "&credential=bearer"));
});

test("why a token is refused", async () => {
  const asked = async (/** @type {string | undefined} */ authorization, query = "") => {
    const got = await worker.fetch(`/check${query}`, { headers: authorization === undefined ? {} : { authorization } });
    return [got.status, got.json?.error, got.json?.reason];
  };
  assert.deepEqual(await asked(undefined), [401, "unauthorized", "no_credential"]);
  assert.equal((await worker.fetch("/check")).headers.get("www-authenticate"), 'Bearer realm="edge-logout"');
  assert.deepEqual((await asked("Basic dTpw"))[0], 401);
  for (const [token, reason] of [
    [await mint(WORTH.name, { expiresIn: -60 }), "token_expired"],
    [await mint(WORTH.name, { claims: { aud: "x" } }), "wrong_audience"],
    [await mint(WORTH.name, { claims: { iss: "https://x.example" } }), "unknown_issuer"],
    [`${(await mint(WORTH.name)).slice(0, -8)}AAAAAAAA`, "bad_signature"],
    ["x", "token_malformed"],
  ]) assert.deepEqual(await asked(`Bearer ${token}`), [401, "invalid_token", reason]);
  const [employee, customer] = [await mint(WORTH.name, { claims: { role: "employee" } }), await mint(WORTH.name)];
  assert.deepEqual(await asked(`Bearer ${employee}`), [403, "insufficient_scope", "wrong_kind_of_token"]);
  assert.deepEqual((await asked(`Bearer ${customer}`, "?issuer=marzipan"))[0], 401);
  assert.deepEqual((await asked(`Bearer ${customer}`, "?issuer=marzipan&issuer=worth"))[0], 200);
  for (const query of ["?issuer=nobody", "?freshness=soon", "?bound_milliseconds=1", "?bound_milliseconds=x", "?a=b", "?freshness=strong&bound_milliseconds=1000", "?issuer", "?freshness=strong&freshness=eventual", "?issuer=worth&issuer=loyaltydog-sessions"]) {
    assert.deepEqual((await asked(`Bearer ${customer}`, query)).slice(0, 2), [400, "invalid_request"], query);
  }
});

describe("any method, and no body", () => {
  for (const method of ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND"]) {
    test(method, async () => {
      const [active, ended] = [await subjectOf(WORTH), await subjectOf(WORTH)];
      await logOut(worker, ended);
      const asked = (/** @type {string} */ token, path = "/check") => worker.fetch(path, { method, headers: { authorization: `Bearer ${token}` } });
      for (const path of ["/check", "/check/", "/check/api/orders/1?freshness=nonsense&issuer=nobody"]) {
        assertActive(await asked(active.token, path));
        assertRevoked(await asked(ended.token, path));
      }
      const headers = [["Authorization", `Bearer ${active.token}`], ["Content-Length", "50000000"], ["Content-Type", "application/json"]];
      if (!["GET", "OPTIONS"].includes(method)) assertActive(await exchange(worker, { method, path: "/check", headers, body: ["{"] }));
    });
  }

  test("HEAD", async () => {
    const ended = await subjectOf(WORTH);
    await logOut(worker, ended);
    const got = await worker.fetch("/check", { method: "HEAD", headers: { authorization: `Bearer ${ended.token}` } });
    assert.deepEqual([got.status, got.text], [401, ""]);
    assert.match(got.headers.get("www-authenticate") ?? "", /invalid_token/);
  });
});

test("the headers of a proxy name the guard's rule by which it is judged", async (t) => {
  const ruled = await start(t, {
    configure: (/** @type {Table} */ table) => void table.routes.push(
      { kind: "guard", host: "api.example", paths: ["/orders/*"], issuers: ["worth"], strong_for: ["POST"] },
      { kind: "guard", paths: ["/account"], issuers: ["marzipan"], freshness: "eventual" },
    ),
  });
  const [worth, marzipan] = [await mint(WORTH.name), await mint(MARZIPAN.name)];
  const asked = async (/** @type {string} */ token, /** @type {Record<string, string>} */ headers, query = "original=x-forwarded") => {
    const got = await ruled.fetch(`/check?${query}`, { headers: { authorization: `Bearer ${token}`, ...headers } });
    return [got.status, got.headers.get("x-auth-freshness") ?? got.json.reason];
  };
  const order = { "x-forwarded-method": "GET", "x-forwarded-host": "api.example", "x-forwarded-uri": "/orders/7?a=b" };
  assert.deepEqual(await asked(worth, order), [200, "bounded"]);
  assert.deepEqual(await asked(worth, { ...order, "x-forwarded-method": "POST" }), [200, "strong"]);
  assert.equal((await asked(marzipan, order))[0], 401);
  assert.deepEqual(await asked(worth, { ...order, "x-forwarded-host": "other.example" }), [403, "no_rule"]);
  for (const uri of ["/orders/../account", "/orders//7", "/orders/%2e%2e/account", "/elsewhere", ""]) assert.equal((await asked(worth, { ...order, "x-forwarded-uri": uri }))[0], 403, uri);
  assert.deepEqual(await asked(worth, {}), [403, "ambiguous_path"]);
  // The client's own headers of the other family are nothing.
  assert.deepEqual(await asked(marzipan, { ...order, "x-original-method": "GET", "x-original-host": "any.example", "x-original-uri": "/account" }, "original=x-original"), [200, "eventual"]);
  assert.deepEqual(await asked(marzipan, { "x-original-method": "GET", "x-original-url": "https://shop.example/account?x" }, "original=x-original-url"), [200, "eventual"]);
  // Envoy: the path is below, and the rest is the request's own.
  const below = async (/** @type {string} */ token, /** @type {string} */ host, method = "GET") => (await exchange(ruled, { method, path: "/check/orders/7", headers: [["Host", host], ["Authorization", `Bearer ${token}`]] })).headers.get("x-auth-freshness");
  assert.deepEqual([await below(worth, "api.example"), await below(worth, "api.example", "POST"), await below(marzipan, "api.example")], ["bounded", "strong", null]);
});

test("a token that is known takes neither KV nor more of the ledger than syncs", async () => {
  await worker.imported();
  const known = await subjects(25);
  await forAll(known, (subject) => check(worker, subject));
  kv.operations.length = 0;
  ledger.questions.length = 0;
  const begun = performance.now();
  for (let round = 0; round < 8; round++) for (const got of await forAll(known, (subject) => check(worker, subject))) assertActive(got, "bounded");
  const rounds = Math.ceil((performance.now() - begun) / 400); // at the most, as it is heard again after 0.4 to 0.6 of a second
  assert.deepEqual([kv.operations.length, ledger.count("Confirm"), ledger.count("Record")], [0, 0, 0]);
  assert.ok(ledger.count("Sync") <= rounds + 8, `${ledger.count("Sync")} syncs in ${rounds} rounds`);
});

test("a hundred checks at once of an isolate that knows nothing take one sync", async (t) => {
  const asked = new SteeredLedger();
  const { cold } = await startLocations(t, ["cold"], { ledger: asked, namespaces: { REVOCATIONS: kv } });
  const known = await subjects(100);
  const begun = performance.now();
  for (const got of await forAll(known, (subject) => check(cold, subject, "bound_milliseconds=60000"), 100)) assertActive(got, "bounded");
  // After 0.4 to 0.5 of a second, by chance, it syncs again behind the answers.
  assert.ok(asked.count("Sync") <= 1 + (performance.now() - begun) / 400, `${asked.count("Sync")} syncs`);
});

test("two isolates of one location share what one of them has synced", async (t) => {
  const shared = new SteeredLedger();
  const { one, other } = await startLocations(t, ["one", "other"], { ledger: shared, isOneLocation: true, namespaces: { REVOCATIONS: kv } });
  const [subject, ended, before] = [await subjectOf(STOREFRONT), await subjectOf(WORTH), await subjectOf(WORTH)];
  await logOut(one, before);
  // What leads on from what somebody knows is of use to those who know it: each begins by itself.
  for (const isolate of [one, other]) for (const asked of [subject, ended]) assertActive(await check(isolate, asked), "bounded");
  await sleep(1_005);
  assertActive(await check(one, subject), "bounded");
  const syncs = shared.count("Sync", "other");
  assertActive(await check(other, subject), "bounded");
  assert.equal(shared.count("Sync", "other"), syncs, "the other has asked nobody");
  await logOut(one, ended);
  // What is shared counts as old as its sync.
  await sleep(205);
  assertRevoked(await check(other, ended, "bound_milliseconds=200"));
  assertActive(await check(other, subject, "bound_milliseconds=200"), "bounded");
});

test("a check that relies on the ledger does without KV, and one that relies on KV is in doubt while that fails", async () => {
  await worker.imported();
  kv.operations.length = 0;
  kv.on("bulk", () => ({ status: 500 }));
  const unknown = await subjectOf(WORTH);
  for (const freshness of /** @type {const} */ (["bounded", "strong"])) assertActive(await check(worker, unknown, freshness), freshness);
  assert.equal(kv.operations.length, 0);
  const got = await check(worker, unknown, "eventual");
  assert.deepEqual([got.status, got.json, got.headers.get("retry-after")], [503, { error: "temporarily_unavailable", reason: "index_transient" }, "1"]);
});
