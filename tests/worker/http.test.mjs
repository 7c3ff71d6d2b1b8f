// HTTP as people expect it: methods, paths, hosts, sizes.
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { assertAnswer } from "./harness/answer.mjs";
import { CONTRACTS, LOYALTYDOG, MARZIPAN, POS, WORTH } from "./harness/contracts.mjs";
import { exchange } from "./harness/raw.mjs";
import { routeIn } from "./harness/shipped.mjs";
import { mint } from "./harness/tokens.mjs";
import { start } from "./harness/worker.mjs";

const LARGEST_BODY = 16 * 1024;
const NOT_FOUND = { status: 404, body: { error: "not_found", message: "Nothing answers here" } };

const worker = await start({ after });

for (const contract of CONTRACTS) {
  describe(contract.name, () => {
    for (const method of ["GET", "PUT", "PATCH", "DELETE", "PROPFIND"]) {
      test(`${method} is 405, in the vendor's form`, async () => {
        const token = await mint(contract.name);
        for (const path of contract.paths) {
          const got = await worker.fetch(path, { method, headers: { authorization: `Bearer ${token}` } });
          assertAnswer(got, contract.refusals.method);
          assert.equal(got.headers.get("allow"), "POST, OPTIONS");
        }
      });
    }

    test("HEAD is 405 without a body", async () => {
      const got = await worker.fetch(contract.paths[0], { method: "HEAD" });
      assert.deepEqual([got.status, got.text, got.headers.get("allow")], [405, "", "POST, OPTIONS"]);
    });

    test("OPTIONS says what is allowed, and nothing to other origins", async () => {
      for (const headers of [{}, { origin: "https://shop.example", "access-control-request-method": "POST" }]) {
        const got = await worker.fetch(contract.paths[0], { method: "OPTIONS", headers: /** @type {Record<string, string>} */ (headers) });
        assert.deepEqual([got.status, got.text, got.headers.get("allow")], [204, "", "POST, OPTIONS"]);
        assert.deepEqual([...got.headers.keys()].filter((name) => name.startsWith("access-control-")), []);
      }
    });

    test("a body of more than 16 KiB is 413, whether its length is told or not, and ends nothing", async () => {
      const { token, json } = contract.request(await mint(contract.name));
      const headers = [["Authorization", `Bearer ${token}`], ["Content-Type", "application/json"]];
      const path = contract.paths[0];
      const tooLarge = JSON.stringify({ ...json, filler: "x".repeat(LARGEST_BODY) });
      const before = await worker.stored();
      assertAnswer(await exchange(worker, { path, headers: [...headers, ["Content-Length", String(tooLarge.length)]], body: [tooLarge] }), contract.refusals.tooLarge);
      assertAnswer(await exchange(worker, { path, headers, body: tooLarge.match(/.{1,1000}/g) ?? [] }), contract.refusals.tooLarge);
      assertAnswer(await exchange(worker, { path, headers: headers.slice(1), body: [tooLarge] }), contract.refusals.tooLarge);
      assert.deepEqual(await worker.stored(), before);

      const exact = JSON.stringify({ ...json, filler: "" });
      const largest = exact.replace('"filler":""', `"filler":"${"x".repeat(LARGEST_BODY - exact.length)}"`);
      assert.equal(largest.length, LARGEST_BODY);
      contract.assertSuccess(await exchange(worker, { path, headers, body: largest.match(/.{1,1000}/g) ?? [] }));
    });
  });
}

test("a body that is told to be large is refused before it is sent", async () => {
  const headers = [["Authorization", `Bearer ${await mint(WORTH.name)}`], ["Content-Type", "application/json"], ["Content-Length", "5000000"]];
  assertAnswer(await exchange(worker, { path: WORTH.paths[0], headers, body: ["{"] }), WORTH.refusals.tooLarge);
});

test("what is at no path is 404 in JSON, for every method", async () => {
  for (const path of ["/", "/logout", "/favicon.ico", "/auth/logout/", "/auth", "/v2/account/logout", "/api/v1/storefront/auth/logout", "/api/v1/a/b/storefront/auth/logout", "/healthz/", "/%00", "/auth%2Flogout"]) {
    for (const method of ["GET", "POST", "OPTIONS", "DELETE"]) assertAnswer(await worker.fetch(path, { method }), NOT_FOUND);
  }
  const got = await worker.fetch("/nowhere", { method: "HEAD" });
  assert.deepEqual([got.status, got.text], [404, ""]);
});

test("a store's id may be anything that is one segment of a path", async () => {
  for (const store of ["my-store", "01H9XYZ12345ABCDE", "a%2Fb", "%F0%9F%98%80", "a.b~c", "x".repeat(200)]) {
    POS.assertSuccess(await worker.post(`/api/v1/${store}/storefront/pos/auth/logout`, { token: await mint(POS.name) }));
  }
});

test("the service's own pages take GET and HEAD", async () => {
  for (const path of ["/healthz", "/readyz", "/openapi.json"]) {
    const [read, asked] = [await worker.fetch(path), await worker.fetch(path, { method: "HEAD" })];
    assert.deepEqual([read.status, asked.status, asked.text], [200, 200, ""]);
    for (const method of ["POST", "PUT", "DELETE"]) {
      const got = await worker.fetch(path, { method });
      assertAnswer(got, { status: 405, body: { error: "method_not_allowed", message: "Method not allowed" } });
      assert.equal(got.headers.get("allow"), "GET, HEAD, OPTIONS");
    }
    const options = await worker.fetch(path, { method: "OPTIONS" });
    assert.deepEqual([options.status, options.headers.get("allow")], [204, "GET, HEAD, OPTIONS"]);
  }
});

test("a route may be one host's alone, and goes before the same path of every host", async (t) => {
  const hosts = await start(t, {
    configure(table) {
      Object.assign(routeIn(table, WORTH.name), { host: "Worth.Example", paths: ["/logout"] });
      routeIn(table, MARZIPAN.name).paths = ["/logout", "/elsewhere"];
    },
  });
  const at = async (/** @type {string} */ host, /** @type {import("./harness/contracts.mjs").Contract} */ { name }, path = "/logout") =>
    exchange(hosts, { path, headers: [["Host", host], ["Authorization", `Bearer ${await mint(name)}`], ["Content-Length", "0"]] });
  WORTH.assertSuccess(await at("worth.example", WORTH));
  WORTH.assertSuccess(await at("WORTH.example:8787", WORTH));
  MARZIPAN.assertSuccess(await at("marzipan.example", MARZIPAN));
  MARZIPAN.assertSuccess(await at("worth.example", MARZIPAN, "/elsewhere"));
  assertAnswer(await at("worth.example.evil", WORTH), MARZIPAN.refusals.bad);
});

test("a path is configured in place of the published ones", async (t) => {
  const moved = await start(t, { configure: (table) => void (routeIn(table, LOYALTYDOG.name).paths = ["/sessions/{region}/end"]) });
  const request = LOYALTYDOG.request(await mint(LOYALTYDOG.name));
  LOYALTYDOG.assertSuccess(await moved.post("/sessions/eu/end", request));
  assertAnswer(await moved.post(LOYALTYDOG.paths[0], request), NOT_FOUND);
});
