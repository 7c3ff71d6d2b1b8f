// Keys that are fetched from a real server: rotation, removal, outages, and what it is asked how often.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { setTimeout as pass } from "node:timers/promises";
import { newKey, publicHalf, tokenOf } from "./harness/algorithms.mjs";
import { MARZIPAN } from "./harness/contracts.mjs";
import { eventually } from "./harness/eventually.mjs";
import { FAULTS, identityProvider } from "./harness/identity-provider.mjs";
import { startLocations } from "./harness/locations.mjs";
import { start } from "./harness/worker.mjs";

/** @typedef {import("./harness/tokens.mjs").Jwk} Jwk */
/** @typedef {import("./harness/identity-provider.mjs").IdentityProvider} IdentityProvider */
/** @typedef {import("./harness/worker.mjs").Worker} Worker */

const ALGORITHMS = ["ES256", "RS256", "EdDSA"];

/** @param {import("./harness/shipped.mjs").Table} table @param {object} settings */
function configured(table, settings) {
  table.issuers = [{ name: "provider", iss: "https://issuer.example", audiences: ["api"], algorithms: ALGORITHMS, ...settings }];
  table.routes = [{ contract: "marzipan", issuer: "provider", paths: ["/logout"] }];
}

/**
 * An identity provider, and a Worker that has its keys.
 * @param {import("node:test").TestContext} owner
 * @param {{ refresh?: Record<string, number>, source?: (provider: IdentityProvider) => object }} [what]
 */
async function startWith(owner, { refresh = {}, source = ({ jwksUrl }) => ({ jwks_url: jwksUrl }) } = {}) {
  const provider = await identityProvider(owner);
  const worker = await start(owner, {
    configure: (table) => configured(table, { key_refresh: refresh, ...source(provider) }),
  });
  return { provider, worker };
}

/** @param {Worker} worker @param {string} token */
async function check(worker, token) {
  const got = await worker.fetch("/check", { headers: { authorization: `Bearer ${token}` } });
  return [got.status, got.json?.reason];
}

const GOOD = [200, undefined];
const UNKNOWN = [401, "unknown_key"];
const UNTOLD = [503, "cannot_verify"];

/** A token of one's own. @param {Jwk} key @param {object} [header] @param {Record<string, unknown>} [claims] */
const fresh = (key, header, claims) => tokenOf(key, { jti: randomUUID(), ...claims }, header);

test("keys of every kind are fetched once, and serve checks and logouts", async (t) => {
  const { provider, worker } = await startWith(t);
  const keys = ALGORITHMS.map((alg) => newKey(alg));
  provider.publish(...keys);
  for (const key of keys) {
    const token = fresh(key);
    for (let time = 0; time < 5; time += 1) assert.deepEqual(await check(worker, token), GOOD, key.alg);
    MARZIPAN.assertSuccess(await worker.post("/logout", { token }));
    assert.deepEqual(await check(worker, token), [401, "revoked"]);
    assert.deepEqual(await check(worker, fresh(key, { kid: undefined })), GOOD, `${key.alg} without kid`);
    // One RSA key does for all of these tests.
    if (key.kty !== "RSA") assert.deepEqual(await check(worker, fresh(newKey(key.alg))), [401, "bad_signature"]);
  }
  assert.deepEqual(provider.asked, ["/jwks"]);
});

test("requests at once on a cold isolate fetch once", async (t) => {
  const { provider, worker } = await startWith(t);
  const key = newKey("ES256");
  provider.publish(key);
  const verdicts = await Promise.all(Array.from({ length: 40 }, () => check(worker, fresh(key))));
  assert.deepEqual(verdicts, Array(40).fill(GOOD));
  assert.equal(provider.fetches, 1);
});

test("a rotation with overlap is not noticed, and a removed key's tokens die, remembered ones as well", async (t) => {
  const { provider, worker } = await startWith(t, { refresh: { least_seconds: 1, most_seconds: 2 } });
  const [old, young] = [newKey("ES256", "old"), newKey("ES256", "young")];
  provider.publish(old);
  const [ofOld, ofYoung] = [fresh(old), fresh(young)];
  assert.deepEqual(await check(worker, ofOld), GOOD);
  provider.publish(old, young);
  assert.deepEqual(await check(worker, ofYoung), GOOD, "a name that is not known leads to a fetch");
  assert.deepEqual(await check(worker, ofOld), GOOD);
  provider.publish(young);
  await pass(2_100);
  assert.deepEqual(await check(worker, ofOld), UNKNOWN);
  assert.deepEqual(await check(worker, ofYoung), GOOD);
  provider.publish(old, young);
  await pass(2_100);
  assert.deepEqual(await check(worker, ofOld), GOOD, "the key came back, and is imported anew");
});

test("under steady traffic keys are fetched behind the answers, before they end", async (t) => {
  const { provider, worker } = await startWith(t, { refresh: { least_seconds: 5, most_seconds: 5 } });
  const key = newKey("EdDSA");
  provider.publish(key);
  const token = fresh(key);
  assert.deepEqual(await check(worker, token), GOOD);
  await pass(4_100);
  assert.deepEqual(await check(worker, token), GOOD);
  await eventually("the fetch behind the answer", () => provider.fetches === 2);
  await pass(1_500);
  assert.deepEqual(await check(worker, token), GOOD);
  assert.equal(provider.fetches, 2, "what was fetched is fresh again");
});

test("a thousand hostile names are one fetch", async (t) => {
  const { provider, worker } = await startWith(t);
  const key = newKey("ES256");
  provider.publish(key);
  assert.deepEqual(await check(worker, fresh(key)), GOOD);
  for (let batch = 0; batch < 20; batch += 1) {
    const hostile = Array.from({ length: 50 }, () => check(worker, fresh(key, { kid: randomUUID() })));
    for (const verdict of await Promise.all(hostile)) assert.deepEqual(verdict, UNKNOWN);
  }
  assert.equal(provider.fetches, 2);
});

/** @param {import("node:test").TestContext} t @param {string} reason */
async function survives(t, reason) {
  const { provider, worker } = await startWith(t, { refresh: { least_seconds: 1, most_seconds: 1, serve_stale_seconds: 6 } });
  const key = newKey("ES256");
  provider.fault = FAULTS[reason];
  assert.deepEqual(await check(worker, fresh(key)), UNTOLD);
  const told = await eventually("the log's line", () => worker.events("keys_fetch_failed")[0]);
  /** @type {Record<string, number | undefined>} */
  const status = { bad_status: 500, redirected: 302, unreachable: undefined, timed_out: undefined };
  assert.deepEqual([told.issuer, told.reason, told.url, told.status], ["provider", reason, provider.jwksUrl, reason in status ? status[reason] : 200]);
  provider.publish(key);
  await pass(1_100);
  const token = fresh(key);
  assert.deepEqual(await check(worker, token), GOOD);
  provider.fault = FAULTS[reason];
  await pass(1_100);
  for (let time = 0; time < 5; time += 1) {
    assert.deepEqual(await check(worker, token), GOOD);
    assert.deepEqual(await check(worker, fresh(key)), GOOD, "a token that is not remembered");
  }
  await pass(6_000);
  assert.deepEqual(await check(worker, token), UNTOLD, "not even what is remembered");
  provider.publish(key);
  await eventually("keys again", async () => (await check(worker, token))[0] === 200);
  assert.ok(provider.fetches < 12, `${provider.fetches} fetches`);
  assert.ok(!provider.asked.includes("/elsewhere"), "no redirect is followed");
}

test("a provider that fails: the last good keys serve for their time, and then nothing can be told", { concurrency: 4 }, async (t) => {
  await Promise.all(Object.keys(FAULTS).map((reason) => t.test(reason, (own) => survives(own, reason))));
});

test("what one isolate of a location has fetched serves the others, as long as it would have served itself", async (t) => {
  const provider = await identityProvider(t);
  const configure = (/** @type {import("./harness/shipped.mjs").Table} */ table) => configured(table, { jwks_url: provider.jwksUrl });
  const { one, other } = await startLocations(t, ["one", "other"], { isOneLocation: true, configure });
  const [old, young] = [newKey("ES256", "old"), newKey("ES256", "young")];
  provider.publish(old);
  assert.deepEqual(await check(one, fresh(old)), GOOD);
  assert.deepEqual(await check(other, fresh(old)), GOOD);
  assert.equal(provider.fetches, 1);
  provider.publish(old, young);
  assert.deepEqual(await check(one, fresh(young)), GOOD);
  assert.deepEqual(await check(other, fresh(young)), GOOD);
  assert.equal(provider.fetches, 2);
});

test("keys that are no good are refused one by one, and told once", async (t) => {
  const { provider, worker } = await startWith(t, { refresh: { least_seconds: 1, most_seconds: 1 } });
  const key = newKey("ES256", "good");
  provider.publish(key);
  const enc = { ...publicHalf(newKey("ES256", "enc")), use: "enc" };
  const symmetric = { ...newKey("HS256", "symmetric") };
  const whole = newKey("EdDSA", "private");
  const anothers = publicHalf(newKey("ES384", "other curve"));
  provider.keys.unshift(enc, symmetric, whole, anothers, { kid: "nothing" }, "text");
  for (let time = 0; time < 3; time += 1) {
    assert.deepEqual(await check(worker, fresh(key)), GOOD);
    assert.deepEqual(await check(worker, fresh(whole)), UNKNOWN);
    await pass(1_100);
  }
  await eventually("a second fetch", () => provider.fetches > 1);
  const told = worker.events("key_refused").map(({ issuer, reason, key_id: kid }) => [issuer, reason, kid ?? null]);
  assert.deepEqual(told, [
    ["provider", "other_use", "enc"],
    ["provider", "not_public", "symmetric"],
    ["provider", "not_public", "private"],
    ["provider", "algorithm_not_configured", null],
    ["provider", "no_jwk", "nothing"],
    ["provider", "no_jwk", null],
  ]);
});

test("a key that the runtime cannot import keeps no other from being tried", async (t) => {
  const { provider, worker } = await startWith(t);
  const [key, off] = [newKey("ES256", "good"), publicHalf(newKey("ES256", "off the curve"))];
  provider.publish(key);
  provider.keys.unshift({ ...off, y: off.x });
  assert.deepEqual(await check(worker, fresh(key)), GOOD);
  assert.deepEqual(await check(worker, fresh(key, { kid: undefined })), GOOD);
  assert.deepEqual(await check(worker, fresh(key, { kid: off.kid })), UNTOLD);
});

test("by way of a discovery document, which has to name the issuer", async (t) => {
  const { provider, worker } = await startWith(t, { source: ({ discoveryUrl, url }) => ({ discovery_url: discoveryUrl, iss: url }) });
  const key = newKey("RS256");
  provider.publish(key);
  provider.discovery = { issuer: "https://evil.example" };
  const token = fresh(key, {}, { iss: provider.url });
  assert.deepEqual(await check(worker, token), UNTOLD);
  provider.discovery = { jwks_uri: "http://id.example/jwks" };
  await eventually("another try", async () => {
    await check(worker, token);
    return worker.events("keys_fetch_failed").length > 1;
  });
  assert.deepEqual(worker.events("keys_fetch_failed").map(({ reason }) => reason), ["issuer_mismatch", "bad_jwks_uri"]);
  assert.equal(provider.fetches, 0);
  provider.discovery = {};
  await eventually("the keys", async () => (await check(worker, token))[0] === 200);
});

test("who only logs out is refused as soon, once a provider that failed publishes a set without the key", async (t) => {
  const { provider, worker } = await startWith(t, { refresh: { least_seconds: 1, most_seconds: 1, serve_stale_seconds: 60 } });
  const [old, young] = [newKey("ES256", "old"), newKey("ES256", "young")];
  const logOut = async () => (await worker.post("/logout", { token: fresh(old) })).status;
  provider.publish(old);
  assert.equal(await logOut(), 200);
  await pass(1_100);
  provider.fault = FAULTS.bad_status;
  assert.equal(await logOut(), 200, "the last good keys serve");
  provider.fault = undefined;
  provider.publish(young);
  await eventually("the key is gone", async () => (await logOut()) === 401);
});
