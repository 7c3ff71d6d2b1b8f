// A guard whose upstream has a base path: what is fetched is what was judged, and nothing above the base.
import assert from "node:assert/strict";
import { after, beforeEach, describe, test } from "node:test";
import { WORTH } from "./harness/contracts.mjs";
import { send } from "./harness/raw.mjs";
import { mint } from "./harness/tokens.mjs";
import { Upstream } from "./harness/upstream.mjs";
import { start } from "./harness/worker.mjs";

const upstream = await new Upstream().listen();
after(() => upstream.close());
const worker = await start({ after }, {
  services: { ORDERS: { external: { address: `127.0.0.1:${upstream.port}`, http: {} } } },
  configure: (table) => {
    const lax = { kind: "guard", issuers: [WORTH.name], pass_preflights: true, pass_ambiguous_paths: true };
    table.routes.push({ ...lax, paths: ["/pre/*"], upstream: { url: `http://127.0.0.1:${upstream.port}/base` } });
    table.routes.push({ ...lax, paths: ["/bound/*"], upstream: { service: "ORDERS" } });
  },
});
beforeEach(() => upstream.reset());

const authorization = ["Authorization", `Bearer ${await mint(WORTH.name)}`];
const preflight = [["Origin", "https://page.example"], ["Access-Control-Request-Method", "PUT"]];
const ESCAPES = ["%2e%2e/%2e%2e/secret", "../../secret", ".%2E/secret", "a/%2e%2e/../%2E./secret", "a\\..\\..\\..\\secret", "x#/../../secret"];

for (const [upstreams, prefix, base] of [["a server", "/pre/", "/base"], ["a Worker", "/bound/", ""]]) {
  describe(upstreams, () => {
    test("no path escapes, with a token or as a preflight", async () => {
      for (const escape of ESCAPES) {
        for (const request of [{ method: "GET", headers: [authorization] }, { method: "OPTIONS", headers: preflight }]) {
          const { status } = await send(worker, { ...request, path: `${prefix}${escape}` });
          // The server itself may resolve plain dot segments before the Worker is asked: then no route is left.
          assert.ok([400, 403, 404].includes(Number(status)), `${request.method} ${escape}: ${status}`);
        }
      }
      assert.deepEqual(upstream.requests.map(({ url }) => url), []);
    });

    test("what only looks odd arrives as it was sent", async () => {
      for (const path of ["a//b", "a;b=c/d", "a%2fb", "%61%5c", "a?b=/../c%20d", "a|b[c]"]) {
        assert.equal((await send(worker, { method: "GET", path: `${prefix}${path}`, headers: [authorization] })).status, 200, path);
        assert.equal(upstream.requests.at(-1)?.url, `${base}${prefix}${path}`);
      }
    });

    test("a preflight carries nothing by which anybody is known", async () => {
      const credentials = [["Cookie", "session=1"], authorization, ["X-Api-Key", "k"], ["X-Eposn-Customer-Token", "t"], ["X-Auth-Subject", "root"], ["Content-Type", "text/plain"]];
      const got = await worker.raw(`${prefix}orders`, { method: "OPTIONS", headers: Object.fromEntries([...preflight, ...credentials]), body: "a body" });
      assert.equal(got.status, 200, await got.text());
      const { headers, method } = upstream.requests[0];
      assert.deepEqual([method, headers.origin, headers["access-control-request-method"]], ["OPTIONS", "https://page.example", "PUT"]);
      for (const [name] of credentials) assert.equal(headers[name.toLowerCase()], undefined, name);
      assert.ok(["0", undefined].includes(headers["content-length"]) && headers["transfer-encoding"] === undefined, "no body");
    });
  });
}
