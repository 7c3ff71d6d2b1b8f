// Worth: 403 for a good token that is no customer's, 401 for a bad one, 400 for a request that is malformed.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { assertAnswer } from "./harness/answer.mjs";
import { WORTH, logout } from "./harness/contracts.mjs";
import { issuerIn } from "./harness/shipped.mjs";
import { mint, now } from "./harness/tokens.mjs";
import { start } from "./harness/worker.mjs";

const worker = await start({ after });

const FORBIDDEN = {
  status: 403,
  body: { message: "Forbidden", errorCode: "ERR_FORBIDDEN" },
  challenge: 'Bearer error="insufficient_scope", error_description="The access token is of another kind"',
};

/** @param {Record<string, unknown>} claims */
const token = (claims) => mint(WORTH.name, { claims });

for (const [what, role] of Object.entries({ "another role": "employee", "no role": null, "other roles": ["employee", "admin"], "a role that is no text": 7, "an empty role": "" })) {
  test(`a good token with ${what} is forbidden, and stays good`, async () => {
    const before = await worker.stored();
    const bearer = await token({ role });
    for (const path of [...WORTH.paths, WORTH.paths[0]]) assertAnswer(await worker.post(path, { token: bearer }), FORBIDDEN);
    assert.deepEqual(await worker.stored(), before);
  });
}

test("one role of several is enough", async () => {
  WORTH.assertSuccess(await logout(worker, WORTH, await token({ role: ["employee", "customer"] })));
});

test("a revoked token that lacks the role is 401 and not 403", async () => {
  WORTH.assertSuccess(await logout(worker, WORTH, await token({ sid: "shared" })));
  assertAnswer(await logout(worker, WORTH, await token({ sid: "shared", role: "employee" })), WORTH.refusals.revoked);
});

test("a bad token that lacks the role is 401 and not 403", async () => {
  for (const claims of [{ aud: "elsewhere" }, { iss: "https://elsewhere.example" }, { nbf: now() + 60 }]) {
    assert.equal((await logout(worker, WORTH, await token({ role: "employee", ...claims }))).status, 401);
  }
});

test("the session ends, not the token alone", async () => {
  const [first, second] = [await token({ sid: "one" }), await token({ sid: "one" })];
  WORTH.assertSuccess(await logout(worker, WORTH, first));
  assertAnswer(await logout(worker, WORTH, second), WORTH.refusals.revoked);
});

test("a token without a session ends alone", async () => {
  const [first, second] = [await token({ sid: null, sub: "one" }), await token({ sid: null, sub: "one" })];
  WORTH.assertSuccess(await logout(worker, WORTH, first));
  assertAnswer(await logout(worker, WORTH, first), WORTH.refusals.revoked);
  WORTH.assertSuccess(await logout(worker, WORTH, second));
});

for (const [type, isJson] of /** @type {[string, boolean][]} */ ([
  ["application/json", true],
  ["Application/JSON; charset=utf-8", true],
  ["application/vnd.worth+json", true],
  ["text/plain", false],
  ["application/jsonl", false],
  ["application/x-www-form-urlencoded", false],
])) {
  test(`a body that is no JSON, announced as ${type}`, async () => {
    const got = await worker.post(WORTH.paths[0], { token: await mint(WORTH.name), headers: { "content-type": type }, body: "{'a': 1}" });
    if (isJson) assertAnswer(got, WORTH.refusals.notJson);
    else WORTH.assertSuccess(got);
  });
}

test("a body that is JSON is taken, whatever it says, and so is none", async () => {
  const headers = { "content-type": "application/json" };
  for (const body of ["{}", '{"everywhere":true}', "[]", "null", "7", " \n", ""]) {
    WORTH.assertSuccess(await worker.post(WORTH.paths[0], { token: await mint(WORTH.name), headers, body }));
  }
});

test("a required scope is looked for among those that are separated by spaces", async (t) => {
  const scoped = await start(t, { configure: (table) => void (issuerIn(table, WORTH.name).required_claims = { scope: ["logout"] }) });
  WORTH.assertSuccess(await logout(scoped, WORTH, await token({ scope: "read logout" })));
  assertAnswer(await logout(scoped, WORTH, await token({ scope: "read logouts" })), FORBIDDEN);
});
