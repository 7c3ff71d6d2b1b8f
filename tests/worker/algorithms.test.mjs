// Every supported algorithm in the runtime's own WebCrypto, and how a key is found.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, test } from "node:test";
import { importJWK, jwtVerify } from "jose";
import { assertAnswer } from "./harness/answer.mjs";
import { ALGORITHMS, isSymmetric, keySettings, newKey, publicHalf, tokenOf } from "./harness/algorithms.mjs";
import { MARZIPAN, STOREFRONT } from "./harness/contracts.mjs";
import { base64url, fromBase64url, headerOf, mint, parts } from "./harness/tokens.mjs";
import { issuerIn, routeIn } from "./harness/shipped.mjs";
import { start } from "./harness/worker.mjs";

/** @typedef {import("./harness/tokens.mjs").Jwk} Jwk */

/**
 * A Worker with one issuer for each list of keys; its route is /NAME.
 * @param {import("./harness/worker.mjs").Owner} owner
 * @param {Record<string, Jwk[]>} issuers
 */
async function startWith(owner, issuers) {
  const made = Object.entries(issuers).map(([name, keys], index) => ({ name, ...keySettings(keys, `SECRET_${index}`) }));
  return start(owner, {
    bindings: Object.assign({}, ...made.map(({ bindings }) => bindings)),
    configure(table) {
      table.issuers = made.map(({ name, settings }) => ({ name, iss: "https://issuer.example", audiences: ["api"], ...settings }));
      table.routes = made.map(({ name }) => ({ contract: "marzipan", issuer: name, paths: [`/${name}`] }));
    },
  });
}

/** Signatures that are not the token's, or not in its one form. @param {string} token */
function tampered(token) {
  const [header, payload, signature] = parts(token);
  const bytes = fromBase64url(signature);
  const signed = (/** @type {Uint8Array} */ other) => `${header}.${payload}.${base64url(other)}`;
  const flip = (/** @type {number} */ index) => signed(bytes.map((byte, at) => (at === index ? byte ^ 0x10 : byte)));
  return {
    "a bit changed at its beginning": flip(0),
    "a bit changed in its middle": flip(bytes.length >> 1),
    "a bit changed at its end": flip(bytes.length - 1),
    "a byte more": signed(Buffer.concat([bytes, Buffer.of(0)])),
    "a byte less": signed(bytes.subarray(1)),
    "nothing but zeros": signed(Buffer.alloc(bytes.length)),
    "no bytes": signed(Buffer.alloc(0)),
    "one byte": signed(Buffer.of(1)),
    "another's": `${header}.${base64url(JSON.stringify({ ...JSON.parse(String(fromBase64url(payload))), sub: "b" }))}.${signature}`,
  };
}

/** The same signature with an unused bit set, which lenient base64 decoders take. @param {string} token */
function withStrayBits(token) {
  const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  return `${token.slice(0, -1)}${digits[digits.indexOf(token.slice(-1)) + 1]}`;
}

const keys = new Map(ALGORITHMS.map((alg) => [alg, newKey(alg)]));
const pathOf = (/** @type {string} */ alg) => `/${alg.toLowerCase()}`;
const every = await startWith({ after }, Object.fromEntries([...keys].map(([alg, key]) => [pathOf(alg).slice(1), [key]])));

for (const [alg, key] of keys) {
  test(`${alg}: a good token once, and no altered one`, async () => {
    const token = tokenOf(key, { jti: randomUUID() });
    for (const [what, bad] of Object.entries(tampered(token))) {
      const got = await every.post(pathOf(alg), { token: bad });
      assert.deepEqual([got.status, got.json], [401, MARZIPAN.refusals.bad.body], `${alg}, ${what}`);
      assert.equal((await every.logOf(got)).reason, "bad_signature", `${alg}, ${what}`);
    }
    const hasStrayBits = fromBase64url(parts(token)[2]).length % 3 !== 0;
    if (hasStrayBits) assertAnswer(await every.post(pathOf(alg), { token: withStrayBits(token) }), MARZIPAN.refusals.bad);
    const got = await every.post(pathOf(alg), { token });
    MARZIPAN.assertSuccess(got);
    assert.equal((await every.logOf(got)).key_id, key.kid);
    assertAnswer(await every.post(pathOf(alg), { token }), MARZIPAN.refusals.revoked);
  });

  test(`${alg}: no other algorithm's token, not even with the same key`, async () => {
    for (const other of ALGORITHMS.filter((name) => name !== alg)) {
      const theirs = /** @type {Jwk} */ (keys.get(other));
      // A P-256 key cannot sign as P-384 would: there the other key has to do.
      const signing = theirs.kty === key.kty && key.kty !== "EC" ? { ...key, alg: other } : theirs;
      const got = await every.post(pathOf(alg), { token: tokenOf(signing, {}, { alg: other, kid: key.kid }) });
      assertAnswer(got, MARZIPAN.refusals.bad);
      assert.equal((await every.logOf(got)).reason, "algorithm_not_allowed");
    }
  });
}

test("an issuer with several keys finds the one that is meant, with and without kid", async (t) => {
  const [old, young, edwards] = [newKey("ES256", "2025"), newKey("ES256", "2026"), newKey("EdDSA", "edwards")];
  const worker = await startWith(t, { several: [old, young, edwards] });
  for (const key of [old, young, edwards]) {
    MARZIPAN.assertSuccess(await worker.post("/several", { token: tokenOf(key, { jti: `${key.kid} a` }) }));
    MARZIPAN.assertSuccess(await worker.post("/several", { token: tokenOf(key, { jti: `${key.kid} b` }, { kid: undefined }) }));
  }
  for (const key of [old, young]) {
    // Without a kid both ES256 keys are tried, one after the other.
    const authorization = `Bearer ${tokenOf(key, { jti: `${key.kid} c` }, { kid: undefined })}`;
    for (const method of ["GET", "POST"]) assert.equal((await worker.fetch("/check", { method, headers: { authorization } })).status, 200, `${method} ${key.kid}`);
  }
  assertAnswer(await worker.post("/several", { token: tokenOf(old, {}, { kid: "2026" }) }), MARZIPAN.refusals.bad);
  assertAnswer(await worker.post("/several", { token: tokenOf(newKey("ES256", "2025")) }), MARZIPAN.refusals.bad);
  assertAnswer(await worker.post("/several", { token: tokenOf(newKey("ES256"), {}, { kid: undefined }) }), MARZIPAN.refusals.bad);
});

test("the storefront mints with every algorithm what others can verify and it takes itself", async (t) => {
  for (const alg of ALGORITHMS) {
    const key = newKey(alg);
    const { settings, bindings } = keySettings([key], "VERIFYING");
    const worker = await start(t, {
      bindings: { ...bindings, SIGNING: JSON.stringify(key) },
      configure(table) {
        const issuer = issuerIn(table, STOREFRONT.name);
        delete issuer.secret;
        Object.assign(issuer, { iss: "https://issuer.example", audiences: ["api"] }, settings);
        routeIn(table, STOREFRONT.name).anonymous_session.signing_secret = "SIGNING";
      },
    });
    const got = await worker.post(STOREFRONT.paths[0], { token: tokenOf(key, { ulid: "user" }) });
    STOREFRONT.assertSuccess(got);
    const { access_token: access } = got.json.content;
    assert.deepEqual(headerOf(access), { alg, typ: "JWT", kid: key.kid });
    await jwtVerify(access, await importJWK(isSymmetric(key) ? key : publicHalf(key), alg), { algorithms: [alg], issuer: "https://issuer.example", audience: "api" });
    STOREFRONT.assertSuccess(await worker.post(STOREFRONT.paths[0], { token: access }));
    await worker.dispose();
  }
});

test("a shipped issuer's key is of no use at another path", async (t) => {
  const worker = await startWith(t, { mine: [newKey("HS256")] });
  assertAnswer(await worker.post("/mine", { token: await mint("marzipan") }), MARZIPAN.refusals.bad);
});
