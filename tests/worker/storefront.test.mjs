// Commerce Engine storefront: the shopper goes on as an anonymous visitor, and the answer says who has left.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { importJWK, jwtVerify } from "jose";
import { assertAnswer } from "./harness/answer.mjs";
import { STOREFRONT, logout } from "./harness/contracts.mjs";
import { always } from "./harness/fake-kv.mjs";
import { issuerIn, routeIn } from "./harness/shipped.mjs";
import { claimsOf, mint, now, readDevelopmentKey } from "./harness/tokens.mjs";
import { fakeKv, start } from "./harness/worker.mjs";

/** @typedef {import("./harness/worker.mjs").Worker} Worker */

const ISSUER = "https://storefront.commerce-engine.example";
const AUDIENCE = "commerce-engine-storefront";
const ULID = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/;

const NOBODY = {
  id: null, first_name: null, last_name: null, email: null, is_email_verified: false, phone: null, country_code: null,
  is_phone_verified: false, profile_image_url: null, is_anonymous: null, is_logged_in: false, login_methods: [],
  notification_preferences: null, customer_id: null, customer_group: null, business: null,
};

const worker = await start({ after });
const jwk = await readDevelopmentKey(STOREFRONT.name);
const key = await importJWK(jwk, jwk.alg);

/** @param {Record<string, unknown>} [claims] */
const token = (claims) => mint(STOREFRONT.name, { claims });

/** @param {Worker} from @param {string} bearer */
async function contentOf(from, bearer) {
  const got = await logout(from, STOREFRONT, bearer);
  STOREFRONT.assertSuccess(got);
  return got.json.content;
}

/** @param {string} jwt @param {string} typ */
const verified = (jwt, typ) => jwtVerify(jwt, key, { issuer: ISSUER, audience: AUDIENCE, algorithms: ["HS256"], typ });

test("both new tokens verify with the issuer's own key and have the published claims", async () => {
  const channel = { id: "c1", name: "Web", type: "web" };
  const before = now();
  const content = await contentOf(worker, await token({ store_id: "store-7", channel }));
  const [access, refresh] = [await verified(content.access_token, "JWT"), await verified(content.refresh_token, "rt+jwt")];

  for (const { payload, protectedHeader } of [access, refresh]) {
    assert.equal(protectedHeader.kid, jwk.kid);
    const { iat = 0, exp, jti, sid, ulid, anonymous_id: anonymousId, edge_logout: place, ...rest } = payload;
    assert.equal(place !== undefined, payload === access.payload, "only what can be logged out here has a place in a chain");
    assert.ok(iat >= before && iat <= now(), "iat is now");
    assert.match(String(ulid), ULID);
    assert.equal(anonymousId, ulid);
    assert.ok(exp && jti && sid);
    assert.deepEqual(rest, { iss: ISSUER, aud: AUDIENCE, store_id: "store-7", channel, is_anonymous: true, is_logged_in: false });
  }
  const [a, r] = [access.payload, refresh.payload];
  assert.deepEqual([Number(a.exp) - Number(a.iat), Number(r.exp) - Number(r.iat)], [3600, 2_592_000]);
  assert.deepEqual([a.sid, a.ulid, a.iat], [r.sid, r.ulid, r.iat]);
  assert.notEqual(a.jti, r.jti);
});

test("no two visitors are one, and none is the user who left", async () => {
  const old = await token({ sid: "old-session" });
  const sessions = [claimsOf(old), claimsOf((await contentOf(worker, old)).access_token), claimsOf((await contentOf(worker, await token())).access_token)];
  for (const claim of ["ulid", "sid", "jti"]) assert.equal(new Set(sessions.map((claims) => claims[claim])).size, 3, claim);
});

test("store and channel are left out where the old token has none", async () => {
  const { access_token: access } = await contentOf(worker, await token({ store_id: null, channel: null }));
  assert.ok(!("store_id" in claimsOf(access)) && !("channel" in claimsOf(access)));
});

test("the new access token is one, and its visitor can be logged out", async () => {
  const content = await contentOf(worker, await token());
  const next = await contentOf(worker, content.access_token);
  assert.deepEqual(next.user, { ...NOBODY, id: claimsOf(content.access_token).ulid, is_anonymous: true });
  assertAnswer(await logout(worker, STOREFRONT, content.access_token), STOREFRONT.refusals.revoked);
});

test("a visitor who logs out records the token alone, and the chain of visitors ends", async (t) => {
  const shop = await start(t);
  let { access_token: access } = await contentOf(shop, await token());
  const { exp } = claimsOf(access);
  assert.equal((await shop.stored()).length, 2, "the shopper's token and session");
  const visitors = new Set();
  for (let number = 1; number <= 16; number += 1) {
    visitors.add(claimsOf(access).sid);
    assert.equal(claimsOf(access).exp, exp, "no logout renews it");
    ({ access_token: access } = await contentOf(shop, access));
  }
  assert.equal(visitors.size, 16);
  assertAnswer(await logout(shop, STOREFRONT, access), STOREFRONT.refusals.revoked);
  const stored = await shop.stored();
  assert.equal(stored.length, 2 + 16);
  const oneDay = now() + 24 * 3600;
  assert.equal(stored.filter(({ expiration }) => expiration > oneDay).length, 1, "only the shopper's session is kept for long");
});

test("logouts of one token at the same time answer with the same visitor", async () => {
  const { access_token: access } = await contentOf(worker, await token());
  const answers = await Promise.all(Array.from({ length: 5 }, () => logout(worker, STOREFRONT, access)));
  const next = answers.filter(({ status }) => status === 200).map(({ json }) => claimsOf(json.content.access_token));
  assert.ok(next.length > 0);
  assert.equal(new Set(next.map(({ jti, sid }) => `${jti} ${sid}`)).size, 1);
});

test("the new refresh token is no access token", async () => {
  const { refresh_token: refresh } = await contentOf(worker, await token());
  assertAnswer(await logout(worker, STOREFRONT, refresh), STOREFRONT.refusals.bad);
});

test("a visitor's session ends like any other where the issuer's claims have other names", async (t) => {
  const renamed = await start(t, { configure: (table) => void (issuerIn(table, STOREFRONT.name).claims = { subject: "user_id", session: "session_id", token_id: "tid" }) });
  const { access_token: access } = await contentOf(renamed, await token({ user_id: "ada" }));
  const { sid, ulid, jti, session_id: session, user_id: user, tid } = claimsOf(access);
  assert.deepEqual([session, user, tid], [sid, ulid, jti]);
  await contentOf(renamed, access);
  assertAnswer(await logout(renamed, STOREFRONT, access), STOREFRONT.refusals.revoked);
});

test("the session ends, not the token alone", async () => {
  const [first, second] = [await token({ sid: "one" }), await token({ sid: "one" })];
  await contentOf(worker, first);
  assertAnswer(await logout(worker, STOREFRONT, second), STOREFRONT.refusals.revoked);
});

test("the user comes from the token's claims", async () => {
  const known = {
    first_name: "Ada", last_name: "Lovelace", email: "ada@example.com", is_email_verified: true, phone: "5550100", country_code: "+44",
    is_phone_verified: true, profile_image_url: "https://img.example/ada", is_anonymous: false, login_methods: ["email-password"],
    notification_preferences: { email: true }, customer_id: "c1", customer_group: { id: "g1" }, business: { name: "Engines" },
  };
  const { user } = await contentOf(worker, await token({ ulid: "ada", ...known, password: "never", is_logged_in: true }));
  assert.deepEqual(user, { id: "ada", ...known, is_logged_in: false });
});

test("what is not known of the user is null, false or empty", async () => {
  const unknown = Object.fromEntries(Object.keys(NOBODY).map((name) => [name, null]));
  assert.deepEqual((await contentOf(worker, await token({ ...unknown, ulid: "x" }))).user, { ...NOBODY, id: "x" });
  assert.deepEqual((await contentOf(worker, await token({ ...unknown, ulid: null }))).user, NOBODY);
});

const directory = (/** @type {import("./harness/shipped.mjs").Table} */ table) => void (routeIn(table, STOREFRONT.name).user_directory = "USERS");

test("the user comes from the directory, where there is one", async (t) => {
  const shop = await start(t, { configure: directory, namespaces: { USERS: "simulator" } });
  const users = await shop.namespace("USERS");
  await users.put("grace", JSON.stringify({ first_name: "Grace", email: "grace@example.com", is_logged_in: true, secret: "never" }));

  const { user } = await contentOf(shop, await token({ ulid: "grace", first_name: "Not Grace" }));
  assert.deepEqual(user, { ...NOBODY, id: "grace", first_name: "Grace", email: "grace@example.com" });
});

test("a user whom the directory does not know is 404, and the token is revoked all the same", async (t) => {
  const shop = await start(t, { configure: directory, namespaces: { USERS: "simulator" } });
  for (const claims of [{ ulid: "nobody" }, { ulid: null }]) {
    const bearer = await token(claims);
    const got = await logout(shop, STOREFRONT, bearer);
    assertAnswer(got, { status: 404, body: { message: "User not found. The access token was revoked.", success: false, code: "not_found" } });
    assert.equal((await shop.logOf(got)).outcome, "revoked");
    assertAnswer(await logout(shop, STOREFRONT, bearer), STOREFRONT.refusals.revoked);
  }
});

test("a directory that is down does not turn a logout into a failure", async (t) => {
  const users = await fakeKv(t);
  const shop = await start(t, { configure: directory, namespaces: { USERS: users } });
  const faults = { "answers 503": { status: 503 }, "loses the connection": { reset: true }, "does not answer": { hang: true } };
  for (const [what, fault] of Object.entries(faults)) {
    users.on("get", always(fault));
    const bearer = await token({ ulid: "ada", first_name: "Ada" });
    const got = await logout(shop, STOREFRONT, bearer);
    STOREFRONT.assertSuccess(got);
    assert.deepEqual([got.json.content.user.id, got.json.content.user.first_name], ["ada", "Ada"], what);
    assert.equal((await shop.logOf(got)).reason, "directory_unavailable");
    assertAnswer(await logout(shop, STOREFRONT, bearer), STOREFRONT.refusals.revoked);
  }
});

test("a directory entry that is no user is passed over", async (t) => {
  const shop = await start(t, { configure: directory, namespaces: { USERS: "simulator" } });
  for (const entry of ["no JSON", "[]", "null"]) {
    await (await shop.namespace("USERS")).put("ada", entry);
    assert.equal((await contentOf(shop, await token({ ulid: "ada", first_name: "Ada" }))).user.first_name, "Ada", entry);
  }
});

test("users whose names Workers KV cannot have as keys are not in the directory", async (t) => {
  const shop = await start(t, { configure: directory, namespaces: { USERS: "simulator" } });
  for (const ulid of [".", "..", "x".repeat(513)]) {
    const got = await logout(shop, STOREFRONT, await token({ ulid }));
    assert.ok(got.status === 404 || got.status === 200, `${ulid}: ${got.status}`);
  }
});
