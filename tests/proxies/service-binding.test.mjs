// Another Worker that asks over a service binding: the very code in docs/guide/workers.md, in front of the built Worker.
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { build } from "esbuild";
import { Miniflare } from "miniflare";
import { WORTH } from "../worker/harness/contracts.mjs";
import { COMPATIBILITY_DATE, NAMESPACES, SCRIPT, shippedBindings, shippedTable } from "../worker/harness/shipped.mjs";
import { claimsOf, mint } from "../worker/harness/tokens.mjs";
import { codeBlock, codeBlocks } from "./harness/document.mjs";

const DOCUMENT = "docs/guide/workers.md";
const ORIGIN = "http://orders.example";

/** Two Workers, one bound to the other. @param {string} script @param {"edge-logout" | "broken"} [service] */
async function twoWorkers(script, service = "edge-logout") {
  const miniflare = new Miniflare({
    cf: false,
    workers: [
      { name: "orders", modules: true, script, compatibilityDate: COMPATIBILITY_DATE, serviceBindings: { EDGE_LOGOUT: service === "broken" ? service : { name: service, entrypoint: "Internal" } } },
      {
        name: "edge-logout",
        modules: true,
        scriptPath: SCRIPT,
        modulesRules: [{ type: "CompiledWasm", include: ["**/*.wasm"] }],
        compatibilityDate: COMPATIBILITY_DATE,
        bindings: JSON.parse(JSON.stringify({ ...(await shippedBindings()), EDGE_LOGOUT: shippedTable() })),
        kvNamespaces: NAMESPACES,
        durableObjects: { LEDGER: { className: "Ledger", useSQLite: true } },
      },
      {
        name: "broken",
        modules: true,
        script: "export default { fetch(request) { if (request.headers.get('Authorization')) throw new Error(); return new Response(null, { status: 500 }); } };",
      },
    ],
  });
  after(() => miniflare.dispose());
  const worker = /** @type {any} */ (await miniflare.getWorker("edge-logout"));
  return {
    /** @param {string} path @param {string} [token] @param {Record<string, string>} [headers] @param {string} [method] */
    async get(path, token, headers = {}, method = "GET") {
      const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` };
      const response = await miniflare.dispatchFetch(`${ORIGIN}${path}`, { method, headers: { ...headers, .../** @type {Record<string, string>} */ (authorization) } });
      return { status: response.status, headers: response.headers, json: /** @type {any} */ (await response.json()) };
    },
    /** @param {string} token */
    logOut: async (token) => (await worker.fetch(`${ORIGIN}${WORTH.paths[0]}`, { method: "POST", headers: { authorization: `Bearer ${token}` } })).status,
  };
}

/** @typedef {Awaited<ReturnType<typeof twoWorkers>>} Pair */

/** What both kinds of code do. @param {Pair} pair @param {Pair} broken */
function cases(pair, broken) {
  test("a good token is let in, and known by its claims", async () => {
    const token = await mint("worth", { claims: { sub: "Jürgen 100%" } });
    const { status, json } = await pair.get("/orders", token, { "X-Auth-Subject": "spoofed" });
    assert.deepEqual([status, json.orders, json.of.subject], [200, [], "Jürgen 100%"]);
  });

  test("a token without user has none", async () => {
    const { status, json } = await pair.get("/orders", await mint("worth", { claims: { sub: null } }), { "X-Auth-Subject": "spoofed" });
    assert.deepEqual([status, json.of.subject], [200, undefined]);
  });

  test("after a logout it is refused at once", async () => {
    const token = await mint("worth");
    assert.equal((await pair.get("/orders", token)).status, 200);
    assert.equal(await pair.logOut(token), 200);
    const { status, headers, json } = await pair.get("/orders", token);
    assert.deepEqual([status, json.reason], [401, "revoked"]);
    assert.match(headers.get("www-authenticate") ?? "", /invalid_token/);
  });

  test("no token, another issuer's, another kind", async () => {
    const none = await pair.get("/orders");
    assert.equal(none.status, 401);
    assert.match(none.headers.get("www-authenticate") ?? "", /^Bearer( realm="[^"]+")?$/);
    assert.equal((await pair.get("/orders", await mint("marzipan"))).status, 401);
    assert.equal((await pair.get("/orders", await mint("worth", { claims: { role: "x" } }))).status, 403);
  });

  test("a check that fails lets nobody in", async () => {
    for (const token of [undefined, await mint("worth")]) {
      const { status, headers, json } = await broken.get("/orders", token);
      assert.deepEqual([status, headers.get("retry-after"), json], [503, "1", { error: "temporarily_unavailable" }]);
    }
  });
}

/** @param {string} contents */
async function bundled(contents) {
  const { outputFiles } = await build({ stdin: { contents, resolveDir: import.meta.dirname }, bundle: true, format: "esm", write: false, logLevel: "silent" });
  return outputFiles[0].text;
}

const plain = await codeBlock(DOCUMENT, "js", "userOf");
const plainPair = await twoWorkers(plain);

describe("plain JavaScript", async () => {
  cases(plainPair, await twoWorkers(plain, "broken"));

  test("every claim is handed on", async () => {
    const token = await mint("worth", { claims: { scope: "read write" } });
    const claims = claimsOf(token);
    const { json } = await plainPair.get("/orders", token);
    const of = { issuer: "worth", subject: claims.sub, ...(claims.sid === undefined ? {} : { session: claims.sid }), scope: ["read", "write"], expires: claims.exp };
    assert.deepEqual(json.of, of);
  });
});

describe("Hono", async () => {
  const script = await bundled(await codeBlock(DOCUMENT, "js", "createMiddleware"));
  const pair = await twoWorkers(script);
  cases(pair, await twoWorkers(script, "broken"));

  test("what must not be done with a token that has just been logged out", async () => {
    const token = await mint("worth", { claims: { sub: "u" } });
    assert.deepEqual((await pair.get("/account", token, {}, "DELETE")).json, { deleted: "u" });
    await pair.logOut(token);
    assert.equal((await pair.get("/account", token, {}, "DELETE")).status, 401);
  });
});

test("the bindings that the document asks for are those that the code uses", async () => {
  const tables = (await codeBlocks(DOCUMENT, "toml")).filter((table) => table.includes("[[services]]"));
  assert.equal(tables.length, 2);
  for (const table of tables) assert.match(table, /binding = "EDGE_LOGOUT"\nservice = "edge-logout"\nentrypoint = "Internal"/);
});
