// Pages of other origins: the preflight of a browser, and what it may read of an answer (Fetch Standard, CORS protocol).
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { assertAnswer } from "./harness/answer.mjs";
import { MARZIPAN, POS, STOREFRONT, WORTH } from "./harness/contracts.mjs";
import { routeIn } from "./harness/shipped.mjs";
import { mint } from "./harness/tokens.mjs";
import { start } from "./harness/worker.mjs";

/** @typedef {import("./harness/answer.mjs").Answer} Answer */

const SHOP = "https://shop.example";
const EXPOSED = "X-Request-Id, WWW-Authenticate, Retry-After, Revocation-Effective";

const worker = await start({ after }, {
  configure(table) {
    routeIn(table, STOREFRONT.name).cors = { allowed_origins: [SHOP, "http://localhost:3000"], allow_credentials: true, max_age_seconds: 120 };
    routeIn(table, MARZIPAN.name).cors = { allowed_origins: "*" };
    routeIn(table, WORTH.name).cors = { allowed_origins: SHOP };
  },
});

/** @param {Answer} got @returns {Record<string, string>} */
const corsOf = (got) => Object.fromEntries([...got.headers].filter(([name]) => name.startsWith("access-control-")).map(([name, value]) => [name.slice(15), value]));

/** @param {string} path @param {Record<string, string>} headers */
const preflight = (path, headers) =>
  worker.fetch(path, { method: "OPTIONS", headers: { "access-control-request-method": "POST", "access-control-request-headers": "authorization,content-type", ...headers } });

test("an allowed origin's preflight is permitted", async () => {
  for (const path of STOREFRONT.paths) {
    const got = await preflight(path, { origin: SHOP });
    assert.deepEqual([got.status, got.text], [204, ""]);
    assert.deepEqual(corsOf(got), {
      "allow-origin": SHOP,
      "allow-credentials": "true",
      "allow-methods": "POST, OPTIONS",
      "allow-headers": "authorization,content-type",
      "max-age": "120",
    });
    assert.equal(got.headers.get("vary"), "Origin, Access-Control-Request-Method, Access-Control-Request-Headers");
  }
  assert.equal(corsOf(await preflight(STOREFRONT.paths[0], { origin: "http://localhost:3000" }))["allow-origin"], "http://localhost:3000");
});

test("no other origin's is, however alike", async () => {
  for (const origin of ["https://evil.example", "http://shop.example", `${SHOP}:8443`, `${SHOP}.evil.example`, "https://SHOP.example", `${SHOP}/`, "https://a.shop.example", "null", "*", `${SHOP}, ${SHOP}`]) {
    const got = await preflight(STOREFRONT.paths[0], { origin });
    assert.equal(got.status, 204);
    assert.deepEqual(corsOf(got), {}, origin);
    assert.match(got.headers.get("vary") ?? "", /^Origin/);
  }
});

test("without credentials and with the usual age, unless configured otherwise", async () => {
  const permitted = { "allow-origin": SHOP, "allow-methods": "POST, OPTIONS", "allow-headers": "authorization,content-type", "max-age": "600" };
  assert.deepEqual(corsOf(await preflight(WORTH.paths[0], { origin: SHOP })), permitted);
});

test("where every origin is allowed, the answer is for every origin and without credentials", async () => {
  for (const origin of ["https://anybody.example", "null"]) {
    const { "allow-origin": allowed, "allow-credentials": credentials } = corsOf(await preflight(MARZIPAN.paths[0], { origin }));
    assert.deepEqual([allowed, credentials], ["*", undefined]);
  }
  const got = await worker.post(MARZIPAN.paths[0], { token: await mint(MARZIPAN.name), headers: { origin: "https://anybody.example" } });
  MARZIPAN.assertSuccess(got);
  assert.deepEqual(corsOf(got), { "allow-origin": "*", "expose-headers": EXPOSED });
  assert.equal(got.headers.get("vary"), null);
});

test("the headers that a page names come back, as far as they are names", async () => {
  const allowed = async (/** @type {string} */ names) => corsOf(await preflight(WORTH.paths[0], { origin: SHOP, "access-control-request-headers": names }))["allow-headers"];
  assert.equal(await allowed("x-trace, traceparent"), "x-trace, traceparent");
  for (const bad of ["<script>", "a\tb", "x".repeat(1025), "é"]) assert.equal(await allowed(bad), "authorization, content-type", bad.slice(0, 9));
});

test("a page may read success and every failure", async () => {
  const token = await mint(STOREFRONT.name);
  const path = STOREFRONT.paths[0];
  const headers = { origin: SHOP };
  const answers = [
    await worker.post(path, { token, headers }),
    await worker.post(path, { token, headers }),
    await worker.post(path, { headers }),
    await worker.post(path, { headers: { ...headers, authorization: "Basic dTpw" } }),
    await worker.post(path, { token, headers: { ...headers, "content-type": "application/json" }, body: "{" }),
    await worker.post(path, { token, headers: { ...headers, "content-type": "application/json" }, body: "x".repeat(20_000) }),
    await worker.fetch(path, { headers }),
  ];
  assert.deepEqual(answers.map(({ status }) => status), [200, 401, 401, 400, 400, 413, 405]);
  for (const got of answers) {
    assert.deepEqual(corsOf(got), { "allow-origin": SHOP, "allow-credentials": "true", "expose-headers": EXPOSED });
    assert.equal(got.headers.get("vary"), "Origin");
  }
});

test("another origin's page is logged out, and may not read so", async () => {
  for (const headers of /** @type {Record<string, string>[]} */ ([{ origin: "https://evil.example" }, {}])) {
    const got = await worker.post(STOREFRONT.paths[0], { token: await mint(STOREFRONT.name), headers });
    STOREFRONT.assertSuccess(got);
    assert.deepEqual(corsOf(got), {});
    assert.equal(got.headers.get("vary"), "Origin");
  }
});

test("a route without a list has nothing for any page", async () => {
  const got = await worker.post(POS.paths[0], { headers: { origin: SHOP } });
  assertAnswer(got, POS.refusals.missing);
  assert.deepEqual([corsOf(got), got.headers.get("vary")], [{}, null]);
  assert.deepEqual(corsOf(await preflight(POS.paths[0], { origin: SHOP })), {});
});

test("OPTIONS that is no preflight gets no permission", async () => {
  const got = await worker.fetch(STOREFRONT.paths[0], { method: "OPTIONS", headers: { origin: SHOP } });
  assert.deepEqual([got.status, got.headers.get("allow"), corsOf(got)], [204, "POST, OPTIONS", {}]);
});
