// Tokens that are no good, in every way that RFC 7519 and RFC 8725 name, at every contract.
import assert from "node:assert/strict";
import { createHash, createPublicKey, generateKeyPairSync, randomBytes } from "node:crypto";
import { after, describe, test } from "node:test";
import { assertAnswer } from "./harness/answer.mjs";
import { CONTRACTS, logout } from "./harness/contracts.mjs";
import { exchange } from "./harness/raw.mjs";
import { base64url, claimsOf, fromBase64url, headerOf, mint, now, parts, readDevelopmentKey, sign, withHeader } from "./harness/tokens.mjs";
import { start } from "./harness/worker.mjs";

/** @typedef {import("./harness/tokens.mjs").Jwk} Jwk */
/** @typedef {import("./harness/contracts.mjs").Refusal} Refusal */
/** @typedef {{ refusal?: Refusal, make: (issuer: string, key: Jwk) => string | Promise<string> }} Case */

const DAY = 24 * 3600;
const LEEWAY = 5;

/** Key pairs that nobody has configured. */
const FOREIGN = /** @type {Record<string, () => Jwk>} */ ({
  RSA: () => generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export({ format: "jwk" }),
  EC: () => generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({ format: "jwk" }),
  OKP: () => generateKeyPairSync("ed25519").privateKey.export({ format: "jwk" }),
  oct: () => ({ kty: "oct", k: base64url(randomBytes(32)) }),
});
const foreign = new Map(Object.entries(FOREIGN).map(([kty, make]) => [kty, make()]));
const foreignKey = (/** @type {Jwk} */ { kty, alg }) => ({ ...foreign.get(kty), alg });

/** A token with some claims replaced. @param {Record<string, unknown>} claims @returns {Case["make"]} */
const claiming = (claims) => (issuer) => mint(issuer, { claims });

/** A token whose payload is this text. @param {(claims: Record<string, any>) => string} write @returns {Case["make"]} */
const writing = (write) => async (issuer, key) => {
  const token = await mint(issuer);
  return sign(headerOf(token), write(claimsOf(token)), key);
};

/** A token with another header, well signed. @param {Record<string, unknown>} header @returns {Case["make"]} */
const heading = (header) => async (issuer, key) => withHeader(await mint(issuer), header, key);

/** A good token with one part replaced. @param {(...parts: [string, string, string]) => (string | undefined)[]} replace @returns {Case["make"]} */
const replacing = (replace) => async (issuer) => replace(...parts(await mint(issuer))).join(".");

/** @param {string} part base64url of JSON @param {object} members */
const amended = (part, members) => base64url(JSON.stringify({ ...JSON.parse(fromBase64url(part).toString()), ...members }));

/** @param {string} part base64url @param {number} index of the byte that is changed */
function flipped(part, index) {
  const bytes = fromBase64url(part);
  bytes[index] ^= 1;
  return base64url(bytes);
}

/** Texts of the public key that a confused verifier might take for the secret of an HMAC. @param {Jwk} key @returns {Jwk} */
function publicKeyAsSecret(key) {
  if (key.kty === "oct") return { k: base64url(createHash("sha256").update(key.k).digest()) };
  return { k: base64url(createPublicKey({ key, format: "jwk" }).export({ format: "pem", type: "spki" })) };
}

const CASES = /** @type {Record<string, Case>} */ ({
  "expired a minute ago": { refusal: "expired", make: (issuer) => mint(issuer, { expiresIn: -60 }) },
  "expired as long ago as clocks may differ": { refusal: "expired", make: claiming({ exp: now() - LEEWAY }) },
  "expired in 1970": { refusal: "expired", make: claiming({ iat: null, exp: 0 }) },
  "not valid before a minute from now": { refusal: "notYet", make: claiming({ nbf: now() + 60 }) },
  "issued a minute from now": { refusal: "notYet", make: claiming({ iat: now() + 60 }) },
  "for another audience": { make: claiming({ aud: "somebody-else" }) },
  "for other audiences": { make: claiming({ aud: ["somebody", "else"] }) },
  "without an audience": { make: claiming({ aud: null }) },
  "with a number as audience": { make: claiming({ aud: 7 }) },
  "of another issuer": { make: claiming({ iss: "https://elsewhere.example" }) },
  "of an issuer that begins alike": { make: async (issuer) => mint(issuer, { claims: { iss: `${claimsOf(await mint(issuer)).iss}.evil.example` } }) },
  "without an issuer": { make: claiming({ iss: null }) },
  "that never expires": { make: claiming({ exp: null }) },
  "that lives longer than its issuer's tokens may": { make: (issuer) => mint(issuer, { expiresIn: 30 * DAY + 60 }) },
  "that lives too long and does not say since when": { make: (issuer) => mint(issuer, { expiresIn: 30 * DAY + 60, claims: { iat: null } }) },
  "that expires beyond 2^53": { make: writing((claims) => JSON.stringify({ ...claims, exp: 0 }).replace('"exp":0', '"exp":9007199254740993')) },
  "that expires at 1e400": { make: writing((claims) => JSON.stringify({ ...claims, exp: 0 }).replace('"exp":0', '"exp":1e400')) },
  "that expires at a text": { make: claiming({ exp: String(now() + 60) }) },
  "with a claim twice": { make: writing((claims) => JSON.stringify(claims).replace("{", '{"jti":"another",')) },
  "with exp twice": { make: writing((claims) => JSON.stringify(claims).replace("{", `{"exp":${now() + 600},`)) },
  "with a nested member twice": { make: writing((claims) => JSON.stringify(claims).replace("{", '{"x":{"a":1,"a":2},')) },
  "with an object as jti": { make: claiming({ jti: { a: 1 } }) },
  "with an empty sid": { make: claiming({ sid: "" }) },
  "whose payload is a list": { make: writing((claims) => JSON.stringify([claims])) },
  "whose payload is no JSON": { make: writing(() => "{") },
  "signed with another key under the same kid": { make: async (issuer, key) => withHeader(await mint(issuer), {}, foreignKey(key)) },
  "signed with another key without a kid": { make: async (issuer, key) => withHeader(await mint(issuer), { kid: undefined }, foreignKey(key)) },
  "with a kid that nobody has": { make: heading({ kid: "another" }) },
  "with an empty kid": { make: heading({ kid: "" }) },
  "whose key is in its header": {
    make: async (issuer, key) => withHeader(await mint(issuer), { kid: undefined, jwk: { ...foreignKey(key), d: undefined } }, foreignKey(key)),
  },
  "without a signature, alg none": { make: replacing((header, payload) => [amended(header, { alg: "none" }), payload, ""]) },
  "alg None": { make: replacing((header, payload) => [amended(header, { alg: "None" }), payload, ""]) },
  "alg none, and the old signature": { make: replacing((header, payload, old) => [amended(header, { alg: "none" }), payload, old]) },
  "without an alg": { make: heading({ alg: undefined }) },
  "with its alg in small letters": { make: async (issuer, key) => withHeader(await mint(issuer), { alg: key.alg.toLowerCase() }, key) },
  "alg HS256, with the public key as the secret": { make: async (issuer, key) => withHeader(await mint(issuer), { alg: "HS256" }, publicKeyAsSecret(key), "HS256") },
  "alg RS256, signed with the right key if it is RSA": {
    make: async (issuer, key) => withHeader(await mint(issuer), { alg: key.alg === "RS256" ? "PS256" : "RS256" }, key, key.alg === "RS256" ? "PS256" : key.alg),
  },
  "with another payload": { make: replacing((header, payload, old) => [header, amended(payload, { sub: "admin" }), old]) },
  "with another header": { make: replacing((header, payload, old) => [amended(header, { x: 1 }), payload, old]) },
  "with the first bit of its signature changed": { make: replacing((header, payload, old) => [header, payload, flipped(old, 0)]) },
  "with the last bit of its signature changed": { make: replacing((header, payload, old) => [header, payload, flipped(old, fromBase64url(old).length - 1)]) },
  "with half a signature": { make: replacing((header, payload, old) => [header, payload, old.slice(0, 20)]) },
  "with an empty signature": { make: replacing((header, payload) => [header, payload, ""]) },
  "with a padded signature": { make: replacing((header, payload, old) => [header, payload, `${old}==`]) },
  "without a signature at all": { make: replacing((header, payload) => [header, payload]) },
  "with four parts": { make: replacing((...all) => [...all, "x"]) },
  "whose header is no JSON": { make: replacing((_header, payload, old) => [base64url("{"), payload, old]) },
  "whose header has a member twice": {
    make: async (issuer, key) => {
      const token = await mint(issuer);
      return sign(JSON.stringify(headerOf(token)).replace("{", `{"alg":"${key.alg}",`), claimsOf(token), key);
    },
  },
  "typ refresh": { make: heading({ typ: "refresh" }) },
  "typ rt+jwt": { make: heading({ typ: "rt+jwt" }) },
  "typ logout+jwt": { make: heading({ typ: "logout+jwt" }) },
  "typ id_token": { make: heading({ typ: "id_token" }) },
  "with a crit that it has": { make: heading({ crit: ["x"], x: 1 }) },
  "with an empty crit": { make: heading({ crit: [] }) },
  "with b64 false": { make: heading({ crit: ["b64"], b64: false }) },
  "larger than 8 KB": { make: claiming({ filler: "x".repeat(8 * 1024) }) },
  "of one letter": { make: () => "x" },
  "of three dots": { make: () => "..." },
});

const worker = await start({ after });

for (const contract of CONTRACTS) {
  describe(`${contract.name} refuses a token`, async () => {
    const key = await readDevelopmentKey(contract.name);
    for (const [what, { refusal = "bad", make }] of Object.entries(CASES)) {
      test(what, async () => assertAnswer(await logout(worker, contract, await make(contract.name, key)), contract.refusals[refusal]));
    }

    test("in the query string", async () => {
      const { token, ...rest } = contract.request(await mint(contract.name));
      assertAnswer(await worker.post(`${contract.paths[0]}?access_token=${token}&token=${token}`, rest), contract.refusals.missing);
    });

    test("in a form", async () => {
      const body = `access_token=${await mint(contract.name)}`;
      const got = await worker.post(contract.paths[0], { headers: { "content-type": "application/x-www-form-urlencoded" }, body });
      if (contract.name === "marzipan") assert.equal(got.status, 415);
      else assertAnswer(got, contract.refusals.missing);
    });

    test("in a cookie or another header", async () => {
      const { token, ...rest } = contract.request(await mint(contract.name));
      const headers = { cookie: `access_token=${token}`, "x-access-token": token, "proxy-authorization": `Bearer ${token}` };
      assertAnswer(await worker.post(contract.paths[0], { ...rest, headers }), contract.refusals.missing);
    });

    test("beside another in two Authorization headers, even when both are the same", async () => {
      const { token, json } = contract.request(await mint(contract.name));
      const body = json === undefined ? [] : [JSON.stringify(json)];
      for (const second of [`Bearer ${token}`, "Basic dTpw"]) {
        const headers = [["Authorization", `Bearer ${token}`], ["Authorization", second], ["Content-Type", json ? "application/json" : "text/plain"]];
        const got = await exchange(worker, { path: contract.paths[0], headers, body });
        assertAnswer(got, contract.refusals.malformed);
      }
    });
  });
}

test("and nothing of all that has revoked anything", async () => assert.deepEqual(await worker.stored(), []));
