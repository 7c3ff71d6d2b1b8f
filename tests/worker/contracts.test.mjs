// What the five contracts have in common: success, the second call, and the refusals in each vendor's own words.
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { assertAnswer } from "./harness/answer.mjs";
import { BEARER_CONTRACTS, CONTRACTS, logout } from "./harness/contracts.mjs";
import { mint } from "./harness/tokens.mjs";
import { start } from "./harness/worker.mjs";

const worker = await start({ after });

for (const contract of CONTRACTS) {
  describe(contract.name, () => {
    for (const path of contract.paths) {
      test(`logs out at ${path}`, async () => {
        const got = await worker.post(path, contract.request(await mint(contract.name)));
        contract.assertSuccess(got);
        assert.equal(got.headers.get("www-authenticate"), null);
      });
    }

    test("a path is not another with a slash at its end, in capitals or doubled", async () => {
      for (const path of contract.paths.flatMap((own) => [`${own}/`, own.toUpperCase(), `/${own}`])) {
        assert.equal((await worker.post(path, contract.request(await mint(contract.name)))).status, 404, path);
      }
    });

    test("a query string changes nothing", async () => {
      contract.assertSuccess(await worker.post(`${contract.paths[0]}?a=/b&access_token=c`, contract.request(await mint(contract.name))));
    });

    test("the scheme's name may be in any case", async () => {
      const { token, ...rest } = contract.request(await mint(contract.name));
      contract.assertSuccess(await worker.post(contract.paths[0], { ...rest, headers: { authorization: `bEARER  ${token}` } }));
    });

    test("refuses a request without a token, in the vendor's words", async () => {
      const { token: _, ...rest } = contract.request("");
      assertAnswer(await worker.post(contract.paths[0], rest), contract.refusals.missing);
    });

    for (const authorization of ["Basic dXNlcjpwYXNz", "Bearer", "Token abc", "Bearer a b", "eyJ.eyJ.sig"]) {
      test(`refuses \`Authorization: ${authorization}\`, in the vendor's words`, async () => {
        const { token: _, ...rest } = contract.request("");
        assertAnswer(await worker.post(contract.paths[0], { ...rest, headers: { authorization } }), contract.refusals.malformed);
      });
    }

    test("refuses a body that is announced as JSON and is none, even without a token", async () => {
      const broken = { headers: { "content-type": "application/json" }, body: "{x" };
      assertAnswer(await worker.post(contract.paths[0], broken), contract.refusals.notJson);
      assertAnswer(await worker.post(contract.paths[0], { ...broken, token: await mint(contract.name) }), contract.refusals.notJson);
    });
  });
}

for (const contract of BEARER_CONTRACTS) {
  test(`${contract.name}: a token that has been logged out is refused, at each path`, async () => {
    const token = await mint(contract.name);
    contract.assertSuccess(await logout(worker, contract, token));
    for (const path of contract.paths) assertAnswer(await worker.post(path, { token }), contract.refusals.revoked);
    contract.assertSuccess(await logout(worker, contract));
  });

  test(`${contract.name}: a failed logout ends nothing`, async () => {
    const token = await mint(contract.name);
    const broken = { token, headers: { "content-type": "application/json" }, body: "{x" };
    assertAnswer(await worker.post(contract.paths[0], broken), contract.refusals.notJson);
    contract.assertSuccess(await logout(worker, contract, token));
  });
}

test("one issuer's token is none of another's", async () => {
  for (const contract of CONTRACTS) {
    for (const other of CONTRACTS.filter(({ name }) => name !== contract.name)) {
      assertAnswer(await logout(worker, contract, await mint(other.name)), contract.refusals.bad);
    }
  }
});

test("the same jti, session and user of two issuers are two", async () => {
  const claims = { jti: "shared", sid: "shared", sub: "shared", ulid: "shared" };
  for (const contract of BEARER_CONTRACTS) contract.assertSuccess(await logout(worker, contract, await mint(contract.name, { claims })));
});

test("the request id is Cloudflare's where it is one, and otherwise made up", async () => {
  const idFor = async (/** @type {Record<string, string>} */ headers) => (await worker.fetch("/healthz", { headers })).headers.get("x-request-id");
  assert.equal(await idFor({ "cf-ray": "8c9f0e1d2b3a4f5e-FRA" }), "8c9f0e1d2b3a4f5e-FRA");
  for (const bad of ["a b", "x".repeat(65), 'a"b', "<script>", ""]) assert.match((await idFor({ "cf-ray": bad })) ?? "", /^[0-9a-f]{16}$/, bad);
  assert.notEqual(await idFor({}), await idFor({}));
});
