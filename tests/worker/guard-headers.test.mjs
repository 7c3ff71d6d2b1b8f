// The guard and what a client says of itself: however a header's name is spelled, an API that reads `X.Auth.Subject` or
// `X_Auth_Subject` as `X-Auth-Subject` gets ours alone, and nothing that overrides what was judged.
import assert from "node:assert/strict";
import { after, beforeEach, describe, test } from "node:test";
import { WORTH } from "./harness/contracts.mjs";
import { send } from "./harness/raw.mjs";
import { OVERRIDES, OWN, asRead } from "./harness/spellings.mjs";
import { mint } from "./harness/tokens.mjs";
import { KINDS, guarded } from "./harness/upstream.mjs";

const { upstream, ...workers } = await guarded({ after });
const passing = await guarded({ after }, { pass_headers: ["x-forwarded-for", "x-http-method-override"] }).catch(() => undefined);
beforeEach(() => upstream.reset());
const authorization = ["Authorization", `Bearer ${await mint(WORTH.name)}`];

/**
 * What an API that reads names like PHP has of a request with these headers: those of them that arrived.
 * @param {import("./harness/worker.mjs").Worker} worker @param {import("./harness/upstream.mjs").Upstream} api @param {string[]} names
 */
async function arrived(worker, api, names) {
  const got = await send(worker, { method: "POST", path: "/api/x", headers: [authorization, ...names.map((name) => [name, "spoofed"])] });
  assert.equal(got.status, 200);
  const headers = Object.entries(api.requests.at(-1)?.headersDistinct ?? {});
  return { spoofed: headers.filter(([, values]) => values?.some((value) => value.includes("spoofed"))).map(([name]) => name), headers };
}

for (const kind of KINDS) {
  describe(`by ${kind}`, () => {
    test("no spelling of a header of ours arrives", async () => {
      for (const name of OWN) {
        const { spoofed, headers } = await arrived(workers[kind], upstream, [name]);
        assert.deepEqual(spoofed, []);
        assert.deepEqual(headers.filter(([one]) => asRead(one) === "x-auth-issuer"), [["x-auth-issuer", ["worth"]]]);
      }
    });

    for (const name of OVERRIDES) {
      test(`${name} does not arrive`, async () => assert.deepEqual((await arrived(workers[kind], upstream, [name])).spoofed, []));
    }

    test("a client cannot take our headers away by naming them in Connection", async () => {
      for (const value of ["x-auth-issuer, x-auth-subject", "close, X-Auth-Subject"]) {
        const got = await send(workers[kind], { method: "GET", path: "/api/x", headers: [authorization, ["Connection", value]] });
        assert.deepEqual([got.status, upstream.header("x-auth-issuer"), typeof upstream.header("x-auth-subject")], [200, "worth", "string"], value);
      }
    });

    test("all of them at once, and what is none of them arrives", async () => {
      const others = ["x-custom", "x_custom_too", "xauth-subject", "x-authentic", "x-forward", "accept-language"];
      assert.deepEqual((await arrived(workers[kind], upstream, [...OWN, ...OVERRIDES, ...others])).spoofed.sort(), others.sort());
    });

    test("pass_headers passes what it names, and never one of ours", async () => {
      assert.ok(passing, "pass_headers is refused");
      const { spoofed } = await arrived(passing[kind], passing.upstream, [...OWN, ...OVERRIDES]);
      assert.deepEqual([...new Set(spoofed.map(asRead))].sort(), ["x-forwarded-for", "x-http-method-override"]);
    });
  });
}
