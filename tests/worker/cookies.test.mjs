// Tokens in cookies, at guards and at /check, in the real runtime: how it joins and forwards `Cookie` is its own.
import assert from "node:assert/strict";
import { after, beforeEach, test } from "node:test";
import { WORTH } from "./harness/contracts.mjs";
import { send } from "./harness/raw.mjs";
import { issuerIn } from "./harness/shipped.mjs";
import { mint } from "./harness/tokens.mjs";
import { Upstream } from "./harness/upstream.mjs";
import { start } from "./harness/worker.mjs";

const upstream = await new Upstream().listen();
after(() => upstream.close());
const worker = await start({ after }, {
  configure: (table) => {
    issuerIn(table, WORTH.name).cookie = { name: "__Host-token", origins: ["https://shop.example"] };
    table.routes.push({ kind: "guard", paths: ["/api/*"], issuers: [WORTH.name], upstream: { url: `http://127.0.0.1:${upstream.port}` } });
  },
});
beforeEach(() => upstream.reset());

const token = await mint(WORTH.name);
const cookie = `__Host-token=${token}`;
/** @param {string} method @param {string[][]} headers @param {string} [path] */
const status = async (method, headers, path = "/api/orders") => (await send(worker, { method, path, headers })).status;

test("the guard takes the token from the cookie, and takes the cookie away", async () => {
  assert.equal(await status("GET", [["Cookie", `a=1; ${cookie}; b=2`]]), 200);
  assert.deepEqual([upstream.header("cookie"), upstream.header("x-auth-issuer")], ["a=1; b=2", "worth"]);
  assert.equal(await status("GET", [["Cookie", cookie]]), 200);
  assert.equal(upstream.header("cookie"), undefined);
});

test("two headers, two cookies and two credentials are refused", async () => {
  assert.equal(await status("GET", [["Cookie", cookie], ["Cookie", `__Host-token=${token}`]]), 401);
  assert.equal(await status("GET", [["Cookie", `${cookie}; __host_token=x`]]), 401);
  assert.equal(await status("GET", [["Cookie", cookie], ["Authorization", `Bearer ${token}`]]), 401);
  assert.equal(upstream.requests.length, 0);
});

test("a page of another origin changes nothing", async () => {
  assert.equal(await status("POST", [["Cookie", cookie]]), 403);
  assert.equal(await status("POST", [["Cookie", cookie], ["Origin", "https://evil.example"]]), 403);
  assert.equal(await status("GET", [["Cookie", cookie], ["Connection", "Upgrade"], ["Upgrade", "websocket"]]), 403);
  assert.equal(upstream.requests.length, 0);
  assert.equal(await status("POST", [["Cookie", cookie], ["Origin", "https://shop.example"]]), 200);
  assert.equal(await status("POST", [["Cookie", cookie], ["Origin", `${worker.url?.origin}`]]), 200);
});

test("a check takes it where a proxy tells of the request, until it is logged out", async () => {
  const asked = [["Cookie", cookie], ["X-Forwarded-Method", "GET"], ["X-Forwarded-Host", "shop.example"], ["X-Forwarded-Uri", "/api/1"]];
  assert.equal(await status("GET", asked, "/check?original=x-forwarded"), 200);
  assert.equal(await status("GET", [["Cookie", cookie]], "/check?issuer=worth"), 403);
  assert.equal((await worker.post(WORTH.paths[0], { token })).status, 200);
  assert.equal(await status("GET", asked, "/check?original=x-forwarded"), 401);
  assert.equal(await status("GET", [["Cookie", cookie]]), 401);
});
