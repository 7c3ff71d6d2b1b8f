// What an anonymous caller may cause: nothing dearer than is configured. And who may ask for more.
import assert from "node:assert/strict";
import { test } from "node:test";
import { CLIENT_SECRET } from "./harness/asking.mjs";
import { WORTH } from "./harness/contracts.mjs";
import { FakeKv } from "./harness/fake-kv.mjs";
import { SteeredLedger } from "./harness/steered-ledger.mjs";
import { mint } from "./harness/tokens.mjs";
import { start } from "./harness/worker.mjs";

/** A Worker whose calls of ledger and KV are counted. @param {import("./harness/worker.mjs").Owner} owner @param {Partial<import("./harness/options.mjs").Options>} [options] */
async function counted(owner, options = {}) {
  const [kv, ledger] = [await new FakeKv().listen(), new SteeredLedger()];
  owner.after(() => kv.close());
  return { kv, ledger, worker: await start(owner, { namespaces: { REVOCATIONS: kv }, ledger, ...options }) };
}

/** @param {import("./harness/worker.mjs").Worker} worker @param {string} query @param {string} text @param {Record<string, string>} [headers] */
const opaque = (worker, query, text, headers = {}) =>
  worker.fetch(`/check?issuer=loyaltydog-sessions${query}`, { headers: { authorization: `Bearer ${text}`, ...headers } });

test("300 requests that ask for strong cost nothing", async (t) => {
  const { kv, ledger, worker } = await counted(t);
  for (let number = 0; number < 300; number += 1) {
    const got = await opaque(worker, "&freshness=strong", `made-up-${number}`);
    assert.deepEqual([got.status, got.json], [403, { error: "forbidden", reason: "freshness_not_allowed" }]);
  }
  assert.deepEqual([ledger.questions.length, kv.operations.length], [0, 0]);
});

test("the same text again and again is answered from memory", async (t) => {
  const { kv, worker } = await counted(t);
  await worker.imported();
  kv.operations.length = 0;
  for (let number = 0; number < 300; number += 1) assert.equal((await opaque(worker, "", "made-up")).status, 200);
  assert.ok(kv.operations.length <= 1, `${kv.operations.length} calls of KV`);
});

test("a client's secret, and no other, allows more", async (t) => {
  const { worker } = await counted(t);
  const token = await mint(WORTH.name);
  const strong = (/** @type {Record<string, string>} */ headers) => worker.fetch("/check?freshness=strong", { headers: { authorization: `Bearer ${token}`, ...headers } });
  assert.equal((await strong({ "x-edge-logout-client": CLIENT_SECRET })).headers.get("x-auth-freshness"), "strong");
  for (const secret of ["", "x", token]) assert.equal((await strong({ "x-edge-logout-client": secret })).status, 403);
});

test("a Worker that is bound to the internal entrypoint may ask for more; the public is never there", async (t) => {
  const asking = `export default { fetch: (request, env) => env.EDGE_LOGOUT.fetch(request) };`;
  const bound = (/** @type {string} */ name, /** @type {string | undefined} */ entrypoint) => ({
    name,
    modules: true,
    script: asking,
    compatibilityDate: "2026-07-30",
    serviceBindings: { EDGE_LOGOUT: { name: "edge-logout", ...(entrypoint && { entrypoint }) } },
    unsafeDirectSockets: [{ host: "127.0.0.1", port: 0 }],
  });
  const worker = await start(t, { beside: [bound("inside", "Internal"), bound("outside", undefined)] });
  const authorization = `Bearer ${await mint(WORTH.name)}`;
  for (const [name, status] of [["inside", 200], ["outside", 403]]) {
    const url = await worker.miniflare?.unsafeGetDirectURL(String(name));
    const got = await fetch(`${url?.origin}/check?freshness=strong`, { headers: { authorization, connection: "close" } });
    assert.equal(got.status, status, `${name}: ${await got.text()}`);
  }
});

test("the rate limiting binding stops misses of one address, and nobody else's", async (t) => {
  const { worker } = await counted(t, {
    ratelimits: { RATE_LIMITER: { namespace_id: "1", simple: { limit: 5, period: 60 } } },
    configure: (table) => void (table.check = { client_address_header: "X-Client-Address" }),
  });
  const from = (/** @type {string} */ text, /** @type {Record<string, string>} */ headers) => opaque(worker, "", text, headers);
  const one = { "cf-connecting-ip": "203.0.113.7" };
  const statuses = [];
  for (let number = 0; number < 8; number += 1) statuses.push((await from(`made-up-${number}`, one)).status);
  assert.deepEqual(statuses, [200, 200, 200, 200, 200, 429, 429, 429]);
  assert.equal((await from("made-up-0", one)).status, 200, "what is known costs nothing");
  assert.equal((await from("others", { "cf-connecting-ip": "203.0.113.8" })).status, 200);
  const proxied = (/** @type {string} */ address) => ({ ...one, "x-client-address": address, "x-edge-logout-client": CLIENT_SECRET });
  assert.equal((await from("by-proxy", proxied("203.0.113.9"))).status, 200, "a trusted proxy says whose miss it is");
  assert.equal((await from("spoofed", { ...one, "x-client-address": "203.0.113.10" })).status, 429);
});
