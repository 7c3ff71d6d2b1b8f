// What stands in Workers KV: digests and dates, for as long as a token can live, and nothing that names anybody.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { BEARER_CONTRACTS, CONTRACTS, LOYALTYDOG, MARZIPAN, POS, STOREFRONT, WORTH, logout } from "./harness/contracts.mjs";
import { issuerIn } from "./harness/shipped.mjs";
import { claimsOf, mint, now, parts } from "./harness/tokens.mjs";
import { start } from "./harness/worker.mjs";

/** @typedef {import("./harness/worker.mjs").Worker} Worker */

const LEEWAY = 5;
const LONGEST = 30 * 24 * 3600;
/** A clock that is ahead, one that is behind, and two logouts that are one. */
const SLACK = LEEWAY + LEEWAY + 3;
const TEN_YEARS = 10 * 365 * 24 * 3600;
const KV_SHORTEST = 60;
const LAST_OF_32_BITS = 2_147_483_647;

const worker = await start({ after });

/** What a logout adds to KV, by scope. @param {Worker} to @param {import("./harness/contracts.mjs").Contract} contract @param {string} token */
async function added(to, contract, token) {
  const before = new Set((await to.stored()).map(({ name }) => name));
  contract.assertSuccess(await logout(to, contract, token));
  const entries = (await to.stored()).filter(({ name }) => !before.has(name));
  return Object.fromEntries(entries.map((entry) => [entry.metadata.scope, entry]));
}

for (const contract of CONTRACTS) {
  test(`${contract.name}: the keys say issuer and scope, and metadata says what the value does`, async () => {
    const entries = await added(worker, contract, await mint(contract.name));
    const scopes = { [LOYALTYDOG.name]: ["token"], [POS.name]: ["session"] }[contract.name] ?? ["session", "token"];
    assert.deepEqual(Object.keys(entries).sort(), scopes);
    const issuer = contract === LOYALTYDOG ? "loyaltydog-sessions" : contract.name;
    for (const [scope, { name, value, metadata }] of Object.entries(entries)) {
      assert.match(name, new RegExp(`^v1:${issuer}:${scope}:[\\w-]{43}$`));
      assert.deepEqual(metadata, JSON.parse(value));
      assert.deepEqual(Object.keys(metadata).sort(), ["expires_at", "issuer", "revoked_at", "scope"]);
      assert.deepEqual([metadata.issuer, metadata.scope], [issuer, scope]);
      assert.ok(Math.abs(metadata.revoked_at - Date.now() / 1000) < 30);
    }
  });
}

for (const contract of BEARER_CONTRACTS.filter((candidate) => candidate !== POS)) {
  test(`${contract.name}: a token stays until it has expired for every clock, a session until its longest token has`, async () => {
    const token = await mint(contract.name);
    const { token: ofToken, session: ofSession } = await added(worker, contract, token);
    assert.equal(ofToken.expiration, claimsOf(token).exp + LEEWAY);
    assert.equal(ofToken.metadata.expires_at, claimsOf(token).exp + LEEWAY);
    assert.ok(Math.abs(ofSession.metadata.expires_at - ofSession.metadata.revoked_at - LONGEST - SLACK) < 0.001);
    assert.equal(ofSession.expiration, Math.ceil(ofSession.metadata.expires_at));
  });
}

test("a user's cut-off says up to when, and stays as long as a session", async () => {
  const { subject, ...others } = await added(worker, POS, await mint(POS.name, { claims: { sid: null } }));
  assert.deepEqual(others, {});
  assert.deepEqual(Object.keys(subject.metadata).sort(), ["cut_off", "expires_at", "issuer", "revoked_at", "scope"]);
  const { revoked_at: revokedAt, cut_off: cutOff, expires_at: expiresAt } = subject.metadata;
  assert.ok(cutOff >= revokedAt && cutOff < revokedAt + 1);
  assert.ok(Math.abs(expiresAt - revokedAt - LONGEST - SLACK) < 0.001);
});

for (const [what, seconds] of Object.entries({ "that has just expired, within the leeway": -2, "with seconds to live": 3, "with half a minute to live": 30, "with a minute to live": 60 })) {
  test(`a token ${what} stays for KV's shortest time, and not less than its own`, async () => {
    const token = await mint(WORTH.name, { expiresIn: seconds });
    const before = now();
    const { token: { expiration } } = await added(worker, WORTH, token);
    assert.ok(expiration >= before + Math.max(KV_SHORTEST, seconds + LEEWAY), `${expiration - before}`);
    assert.ok(expiration <= now() + Math.max(KV_SHORTEST, seconds + LEEWAY) + 1, `${expiration - now()}`);
  });
}

test("fractions of a second in the dates are taken, and the whole last second is kept", async () => {
  const token = await mint(WORTH.name, { claims: { exp: now() + 600.75, iat: now() - 1.5 } });
  const { token: { expiration } } = await added(worker, WORTH, token);
  assert.ok(expiration >= claimsOf(token).exp + LEEWAY - 1 && expiration <= claimsOf(token).exp + LEEWAY + 1);
});

test("the longest lifetime that can be configured is kept whole, or to the last second that KV knows", async (t) => {
  const lasting = await start(t, { configure: (table) => void (issuerIn(table, WORTH.name).longest_lifetime_seconds = TEN_YEARS) });
  const bearer = await mint(WORTH.name, { expiresIn: TEN_YEARS });
  const { token, session } = await added(lasting, WORTH, bearer);
  assert.equal(token.expiration, Math.min(claimsOf(bearer).exp + LEEWAY, LAST_OF_32_BITS));
  assert.equal(session.expiration, Math.min(Math.ceil(session.metadata.revoked_at + TEN_YEARS + SLACK), LAST_OF_32_BITS));
});

test("nothing that names anybody is stored or logged", async (t) => {
  const discreet = await start(t);
  const secrets = ["jti-5ecret", "sid-5ecret", "user-5ecret", "ada@5ecret.example", "Ada-5ecret", "store-5ecret", "session-5ecret", "customer-5ecret", "password-5ecret", "query-5ecret", "body-5ecret", "agent-5ecret"];
  const [jti, sid, user, email, name, store, session, customer, password, query, body, agent] = secrets;
  const claims = { jti, sid, sub: user, ulid: user, email, first_name: name, customer_id: user, store_id: store };
  const basic = Buffer.from(`${user}:${password}`).toString("base64");

  for (const contract of CONTRACTS) {
    const token = await mint(contract.name, { claims });
    /** @type {Record<string, any>} */
    const revoked = { ...contract.request(token), headers: { "x-eposn-customer-token": customer, "user-agent": agent, cookie: customer } };
    if (contract === LOYALTYDOG) revoked.json = { sessionToken: session };
    for (const path of contract.paths) {
      await discreet.post(`${path.replace("my-store", store)}?access_token=${query}&token=${token}`, revoked); // one succeeds, one is refused
    }
    await discreet.post(contract.paths[0], { token: token.slice(0, -4) });
    await discreet.post(contract.paths[0], { headers: { authorization: `Basic ${basic}` }, json: { sessionToken: 7, body } });
    await discreet.post(contract.paths[0], { token, headers: { "content-type": "application/json" }, body: `{${body}` });
    secrets.push(token, ...parts(token));
  }
  await discreet.post(`/${store}/${query}`, { token: jti });
  await discreet.post("/pos/auth/logout", { token: await mint(POS.name, { claims: { ...claims, sid: null } }) });
  await discreet.post("/account/logout", { token: await mint(MARZIPAN.name, { claims: { ...claims, sid: null } }) });
  const last = await discreet.post("/auth/logout", { token: await mint(STOREFRONT.name, { claims: { ...claims, sid: null, ulid: null } }) });
  await discreet.logOf(last);

  const all = JSON.stringify([await discreet.stored(), discreet.logs]);
  for (const secret of [...secrets, basic]) assert.ok(!all.includes(secret), `${secret} is in KV or in the log`);
  assert.ok(!all.includes("5ecret"));
});
