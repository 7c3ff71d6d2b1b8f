// The guard: what passes reaches the API with what is known of its token and nothing that the client says of itself; what
// is refused never does; and whatever the API answers comes back as it is.
import assert from "node:assert/strict";
import { after, beforeEach, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { gunzipSync, gzipSync } from "node:zlib";
import { assertRevoked, logOut, subjectOf } from "./harness/asking.mjs";
import { answer, assertSound } from "./harness/answer.mjs";
import { MARZIPAN, POS, WORTH } from "./harness/contracts.mjs";
import { always } from "./harness/fake-kv.mjs";
import { SteeredLedger } from "./harness/steered-ledger.mjs";
import { claimsOf, mint } from "./harness/tokens.mjs";
import { KINDS, Upstream, guarded } from "./harness/upstream.mjs";
import { start } from "./harness/worker.mjs";
import { send } from "./harness/raw.mjs";

const { upstream, ...workers } = await guarded({ after });
beforeEach(() => upstream.reset());
const bearer = await mint(WORTH.name);
const authorization = `Bearer ${bearer}`;

/** @param {Response} response */
const sound = async (response) => assertSound(answer(response.status, response.headers, await response.text()));

for (const kind of KINDS) {
  const worker = workers[kind];
  const get = (/** @type {string} */ path, /** @type {Record<string, string>} */ headers = {}, /** @type {RequestInit} */ init = {}) => worker.raw(path, { ...init, headers: { authorization, ...headers } });

  describe(`by ${kind}`, () => {
    test("method, path, query, headers and body arrive", async () => {
      for (const method of ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]) {
        let body = "";
        upstream.answer = async (request, response) => {
          for await (const chunk of request) body += chunk;
          response.writeHead(201, "Made", { "x-own": "1" }).end(`${request.method} ${request.url}`);
        };
        const sent = ["GET", "OPTIONS"].includes(method) ? undefined : `body of ${method}`;
        const got = await get("/api/orders/1%202?a=%20b&a=c", { "x-custom": "as it is", cookie: "a=b; c=d", "accept-language": "de" }, { method, body: sent });
        assert.deepEqual([got.status, got.headers.get("x-own"), await got.text()], [201, "1", `${method} /api/orders/1%202?a=%20b&a=c`]);
        assert.deepEqual([body, upstream.header("x-custom"), upstream.header("cookie"), upstream.header("accept-language"), upstream.header("authorization")], [sent ?? "", "as it is", "a=b; c=d", "de", authorization]);
        // Nothing is added that the API has not said.
        for (const name of ["cache-control", "x-content-type-options", "x-request-id"]) assert.equal(got.headers.get(name), null, name);
      }
    });

    test("it is told whose token it is, and by nobody else", async () => {
      const claims = { sub: "Jürgen 100%\r\nX-Auth-Admin: yes", sid: " s ", scope: ["read", "write"] };
      const token = await mint(WORTH.name, { claims });
      const own = [["X-Auth-Subject", "root"], ["x-auth-subject", "root"], ["X-AUTH-Admin", "true"], ["X-Auth-", "x"], ["x-auth_admin", "true"], ["X_Auth_Subject", "root"], ["Proxy-Authorization", "Basic x"]];
      const got = await send(worker, { method: "GET", path: "/api/x", headers: [["Authorization", `Bearer ${token}`], ...own] });
      assert.equal(got.status, 200);
      const told = Object.entries(upstream.requests[0].headersDistinct).filter(([name]) => /^x[-_]auth|^proxy-auth/.test(name));
      assert.deepEqual(Object.fromEntries(told.map(([name, values]) => [name, values?.join("|")])), {
        "x-auth-issuer": "worth",
        "x-auth-subject": "J%C3%BCrgen 100%25%0D%0AX-Auth-Admin: yes",
        "x-auth-session": "%20s%20",
        "x-auth-token-id": claimsOf(token).jti,
        "x-auth-expires": String(claimsOf(token).exp),
        "x-auth-scope": "read write",
        "x-auth-verified": "true",
        "x-auth-freshness": "bounded",
      });
    });

    test("status and headers come back untouched", async () => {
      upstream.answer = (request, response) => {
        const status = Number(request.url?.split("/").at(-1));
        const zipped = gzipSync("zipped");
        const headers = ["Set-Cookie", "a=1; Path=/", "Set-Cookie", "b=2; Expires=Wed, 21 Oct 2037 07:28:00 GMT", "ETag", '"x"', "Cache-Control", "public, max-age=60", "Location", "https://elsewhere.example/x", "WWW-Authenticate", 'Basic realm="api"', "Vary", "Cookie"];
        if ([204, 304].includes(status)) return void response.writeHead(status, headers).end();
        response.writeHead(status, [...headers, "Content-Encoding", "gzip", "Content-Type", "text/html", "Content-Length", String(zipped.length)]).end(zipped);
      };
      for (const status of [200, 201, 204, 206, 301, 302, 303, 304, 307, 308, 400, 401, 403, 404, 418, 429, 500, 502, 503]) {
        const got = await send(worker, { method: "GET", path: `/api/${status}`, headers: [["Authorization", authorization], ["Accept-Encoding", "gzip"]] });
        assert.equal(got.status, status);
        assert.deepEqual(got.headers["set-cookie"], ["a=1; Path=/", "b=2; Expires=Wed, 21 Oct 2037 07:28:00 GMT"]);
        assert.deepEqual([got.headers.etag, got.headers["cache-control"], got.headers.location, got.headers["www-authenticate"], got.headers.vary], ['"x"', "public, max-age=60", "https://elsewhere.example/x", 'Basic realm="api"', "Cookie"]);
        if ([204, 304].includes(status)) assert.equal(got.body.length, 0);
        else assert.deepEqual([got.headers["content-encoding"], String(gunzipSync(got.body))], ["gzip", "zipped"], String(status));
      }
      assert.equal(upstream.requests.length, 19, "no redirect was followed");
    });

    test("HEAD has the headers and no body", async () => {
      upstream.answer = (_request, response) => void response.writeHead(200, { "content-length": "1234", "x-own": "1" }).end();
      const got = await send(worker, { method: "HEAD", path: "/api/x", headers: [["Authorization", authorization]] });
      assert.deepEqual([got.status, got.headers["x-own"], got.body.length, upstream.requests[0].method], [200, "1", 0, "HEAD"]);
    });

    test("what is refused never arrives", async () => {
      const ended = await subjectOf(WORTH);
      await logOut(worker, ended);
      assertRevoked(await sound(await get("/api/x", { authorization: `Bearer ${ended.token}` })));
      for (const [token, status] of /** @type {[string, number][]} */ ([
        ["x", 401],
        [await mint(POS.name), 401],
        [await mint(WORTH.name, { expiresIn: -60 }), 401],
        [await mint(WORTH.name, { claims: { role: "employee" } }), 403],
      ])) assert.equal((await sound(await get("/api/x", { authorization: `Bearer ${token}` }))).status, status);
      const missing = await sound(await worker.raw("/api/x", { method: "POST", body: "x" }));
      assert.deepEqual([missing.status, missing.headers.get("www-authenticate")], [401, 'Bearer realm="edge-logout"']);
      assert.equal((await sound(await worker.raw("/api/x", { method: "OPTIONS", headers: { origin: "https://a.example", "access-control-request-method": "POST" } }))).status, 401);
      for (const path of ["/api//x", "/api/%2e%2e%2fx", "/api/a%2Fb", "/api/a;b", "/api/%5cx"]) {
        assert.equal((await send(worker, { method: "GET", path, headers: [["Authorization", authorization]] })).status, 403, path);
      }
      assert.equal((await get("/apis")).status, 404);
      assert.equal(upstream.requests.length, 0);
      assert.equal((await get("/api")).status, 200);
      assert.equal((await get("/api/", { authorization: `Bearer ${await mint(MARZIPAN.name)}` })).status, 200);
    });

    test("an API that breaks off is 502, or an answer that is broken off", async () => {
      upstream.answer = (request) => void request.socket.destroy();
      const got = await sound(await get("/api/x"));
      assert.deepEqual([got.status, got.json.error], [502, "bad_gateway"]);
      const { status, outcome, reason } = await worker.logOf(got);
      assert.deepEqual([status, outcome, reason], [502, "failed", "upstream_failed"]);
      upstream.answer = (request, response) => {
        response.writeHead(200, { "content-length": "100" }).write("some");
        setTimeout(() => request.socket.destroy(), 20);
      };
      await assert.rejects(async () => (await get("/api/x")).text());
    });
  });
}

test("an API that is down is 502", async (t) => {
  const gone = await new Upstream().listen();
  const address = `127.0.0.1:${gone.port}`;
  gone.close();
  for (const at of [{ url: `http://${address}` }, { service: "ORDERS" }, { service: "NOBODY" }]) {
    const worker = await start(t, {
      services: { ORDERS: { external: { address, http: {} } } },
      configure: (table) => void table.routes.push({ kind: "guard", paths: ["/api/*"], issuers: ["worth"], upstream: at }),
    });
    const got = await sound(await worker.raw("/api/x", { headers: { authorization } }));
    assert.deepEqual([got.status, got.json.error], [502, "bad_gateway"], JSON.stringify(at));
  }
});

test("another Worker, by a service binding", async (t) => {
  const script = `export default { fetch(request) { return Response.json([request.method, request.url, request.headers.get("x-auth-issuer")]); } }`;
  const worker = await start(t, {
    services: { ORDERS: "orders" },
    beside: [{ name: "orders", modules: true, script, compatibilityDate: "2026-07-30" }],
    configure: (table) => void table.routes.push({ kind: "guard", host: "127.0.0.1", paths: ["/*"], issuers: ["worth"], upstream: { service: "ORDERS" } }),
  });
  const got = await worker.raw("/healthz?x", { method: "POST", body: "x", headers: { authorization } });
  assert.deepEqual(await got.json(), ["POST", `${worker.url?.origin}/healthz?x`, "worth"]);
});

test("closed when it cannot be told whether a token is revoked, and open only where that is configured", async (t) => {
  for (const isOpen of [false, true]) {
    const ledger = new SteeredLedger().onAll(always({ error: "broken" }));
    const worker = await start(t, {
      ledger,
      configure: (table) => void table.routes.push({ kind: "guard", paths: ["/api/*"], issuers: ["worth"], strong_for: ["POST"], fail_open: isOpen, upstream: { url: `http://127.0.0.1:${upstream.port}` } }),
    });
    upstream.reset();
    const got = await worker.raw("/api/x", { headers: { authorization } });
    await got.text();
    assert.deepEqual([got.status, upstream.header("x-auth-freshness")], isOpen ? [200, "none"] : [503, undefined]);
    const ended = await subjectOf(WORTH);
    for (const [method, token] of [["POST", bearer], ["GET", await mint(WORTH.name, { claims: { role: "x" } })], ["GET", "x"]]) {
      assert.notEqual((await worker.raw("/api/x", { method, headers: { authorization: `Bearer ${token}` } })).status, 200, method);
    }
    ledger.heal();
    await logOut(worker, ended);
    ledger.onAll(always({ error: "broken" }));
    await sleep(20);
    assert.equal((await worker.raw("/api/x", { headers: { authorization: `Bearer ${ended.token}` } })).status, 401, "what is known to be revoked passes nowhere");
  }
});
