// Marzipan: an optional JSON object, and account tokens that may be opaque.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { assertAnswer } from "./harness/answer.mjs";
import { MARZIPAN, logout } from "./harness/contracts.mjs";
import { mint, now } from "./harness/tokens.mjs";
import { start } from "./harness/worker.mjs";

const LIFETIME = 7200;

const worker = await start({ after });
const opaque = await start({ after }, {
  configure(table) {
    table.issuers = table.issuers.map((issuer) => issuer.name === MARZIPAN.name ? { name: MARZIPAN.name, kind: "opaque", longest_lifetime_seconds: LIFETIME } : issuer);
  },
});

/** @param {string} body @param {string} [type] */
const posted = async (body, type) => worker.post(MARZIPAN.paths[0], { token: await mint(MARZIPAN.name), headers: type ? { "content-type": type } : {}, body });

test("the body is an optional JSON object", async () => {
  for (const body of ["", " \r\n", "{}", '{"a":{"b":[1]}}']) MARZIPAN.assertSuccess(await posted(body, "application/json"));
  MARZIPAN.assertSuccess(await posted("{}", "application/merge-patch+json"));
  for (const body of ["[]", "7", '"x"', "null"]) {
    assertAnswer(await posted(body, "application/json"), { status: 400, body: { message: "The body must be a JSON object" } });
  }
  assertAnswer(await posted("{]", "application/json"), MARZIPAN.refusals.notJson);
});

test("a body in another form is 415, and an empty one is in none", async () => {
  const refusal = { status: 415, body: { message: "The body must be application/json." } };
  for (const type of ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/jsonl"]) {
    assertAnswer(await posted("a=b", type), refusal);
    MARZIPAN.assertSuccess(await posted("", type));
  }
});

test("a body that is wrong is told only to somebody with a good token", async () => {
  const wrong = { headers: { "content-type": "application/json" }, body: "[]" };
  assertAnswer(await worker.post(MARZIPAN.paths[0], wrong), MARZIPAN.refusals.missing);
});

test("the session ends, not the token alone", async () => {
  const [first, second] = [await mint(MARZIPAN.name, { claims: { sid: "one" } }), await mint(MARZIPAN.name, { claims: { sid: "one" } })];
  MARZIPAN.assertSuccess(await logout(worker, MARZIPAN, first));
  assertAnswer(await logout(worker, MARZIPAN, second), MARZIPAN.refusals.revoked);
});

test("an opaque token is logged out once, and lives in KV as long as such a token can", async () => {
  for (const token of ["a", "A", "12|aVeryOpaqueToken", "eyJhbGciOiJub25lIn0..", "x".repeat(8 * 1024)]) {
    MARZIPAN.assertSuccess(await logout(opaque, MARZIPAN, token));
    for (const path of MARZIPAN.paths) assertAnswer(await opaque.post(path, { token }), MARZIPAN.refusals.revoked);
  }
  const stored = await opaque.stored();
  assert.equal(stored.length, 5);
  for (const { name, metadata, expiration } of stored) {
    assert.match(name, /^v1:marzipan:token:[\w-]{43}$/);
    assert.equal(metadata.scope, "token");
    assert.ok(expiration >= now() + LIFETIME && expiration < now() + LIFETIME + 60, String(expiration - now()));
  }
});

test("an opaque token is no token when it is too long or has characters that no token has", async () => {
  assertAnswer(await logout(opaque, MARZIPAN, "x".repeat(8 * 1024 + 1)), MARZIPAN.refusals.bad);
  for (const token of ["a b", "a,b", "é", "a, Bearer a"]) assertAnswer(await logout(opaque, MARZIPAN, token), MARZIPAN.refusals.malformed);
});
