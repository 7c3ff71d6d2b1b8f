// Commerce Engine POS: the session ends, with every token that it has.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { assertAnswer } from "./harness/answer.mjs";
import { POS, logout } from "./harness/contracts.mjs";
import { base64url, fromBase64url, mint, now, parts } from "./harness/tokens.mjs";
import { start } from "./harness/worker.mjs";

const worker = await start({ after });

/** @param {Record<string, unknown>} claims */
const token = (claims) => mint(POS.name, { claims });

const assertLogsOut = async (/** @type {string} */ bearer) => POS.assertSuccess(await logout(worker, POS, bearer));
const assertRevoked = async (/** @type {string} */ bearer) => assertAnswer(await logout(worker, POS, bearer), POS.refusals.revoked);

/** Order of the P-256 group (SEC 2, section 2.4.2). */
const N = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

/** The other signature that the same key has for the same text: s becomes n - s. @param {string} original */
function malleated(original) {
  const [header, payload, signature] = parts(original);
  const bytes = fromBase64url(signature);
  const s = BigInt(`0x${bytes.subarray(32).toString("hex")}`);
  const other = Buffer.from((N - s).toString(16).padStart(64, "0"), "hex");
  return `${header}.${payload}.${base64url(Buffer.concat([bytes.subarray(0, 32), other]))}`;
}

test("every token of the session is refused once one of them has logged out", async () => {
  const [first, second, older] = await Promise.all([token({ sid: "till-1" }), token({ sid: "till-1" }), token({ sid: "till-1", iat: now() - 3000 })]);
  const other = await token({ sid: "till-2" });
  await assertLogsOut(first);
  for (const ended of [first, second, older]) await assertRevoked(ended);
  await assertLogsOut(other);
});

test("a token of the session that was issued later is refused as well", async () => {
  await assertLogsOut(await token({ sid: "till-3" }));
  await assertRevoked(await token({ sid: "till-3", iat: now() + 3 }));
});

test("a logout with a session leaves the user's other sessions alone", async () => {
  await assertLogsOut(await token({ sid: "till-4", ulid: "cashier-1" }));
  await assertLogsOut(await token({ sid: "till-5", ulid: "cashier-1" }));
});

test("a number as sid is a session too", async () => {
  await assertLogsOut(await token({ sid: 17 }));
  await assertRevoked(await token({ sid: "17" }));
});

test("a token without a session ends every token of its user that was issued up to now", async () => {
  const issuedBefore = await Promise.all([
    token({ ulid: "cashier-2", sid: null, iat: now() - 3000 }),
    token({ ulid: "cashier-2", sid: "till-6" }),
    token({ ulid: "cashier-2", sid: null, iat: null }),
  ]);
  const first = await token({ ulid: "cashier-2", sid: null });
  await assertLogsOut(first);
  for (const ended of [first, ...issuedBefore]) await assertRevoked(ended);

  await assertLogsOut(await token({ ulid: "cashier-3", sid: null }));
  await assertLogsOut(await token({ ulid: "cashier-2", sid: null, iat: now() + 4 }));
});

test("a token that is dated a little after now ends itself too", async () => {
  const early = await token({ ulid: "cashier-4", sid: null, iat: now() + 4 });
  await assertLogsOut(early);
  await assertRevoked(early);
});

test("a token with neither session nor user ends itself", async () => {
  const [alone, other] = await Promise.all([token({ sid: null, ulid: null }), token({ sid: null, ulid: null })]);
  await assertLogsOut(alone);
  await assertRevoked(alone);
  await assertLogsOut(other);
});

for (const [what, claims] of Object.entries({
  "with sid and jti": {},
  "without jti": { jti: null },
  "without sid": { sid: null },
  "with jti alone": { sid: null, ulid: null },
  "with none of them": { sid: null, ulid: null, jti: null },
})) {
  test(`the other signature of a token ${what} does not dodge its revocation`, async () => {
    const unique = { case: `malleated ${what}`, sid: `malleated ${what}`, ulid: `malleated ${what}`, jti: `malleated ${what}` };
    const original = await token({ ...unique, ...claims });
    const other = malleated(original);
    assert.notEqual(other, original);
    assert.equal(malleated(other), original);
    await assertLogsOut(original);
    await assertRevoked(other);
  });

  test(`the other signature of a token ${what} is as good, and ends the first`, async () => {
    const unique = { case: `first ${what}`, sid: `first ${what}`, ulid: `first ${what}`, jti: `first ${what}` };
    const original = await token({ ...unique, ...claims });
    await assertLogsOut(malleated(original));
    await assertRevoked(original);
  });
}

test("nothing answers 403, at which the published client would drop its tokens", async () => {
  const answers = await Promise.all([logout(worker, POS, await token({ role: "nobody" })), logout(worker, POS, "x"), worker.post(POS.paths[0])]);
  assert.deepEqual(answers.map(({ status }) => status), [200, 401, 401]);
});
