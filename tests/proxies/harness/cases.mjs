// What has to hold behind every proxy that asks the check, whichever it is.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { request } from "node:http";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { WORTH, logout } from "../../worker/harness/contracts.mjs";
import { eventually } from "../../worker/harness/eventually.mjs";
import { always } from "../../worker/harness/fake-kv.mjs";
import { OVERRIDES, OWN, asRead } from "../../worker/harness/spellings.mjs";
import { claimsOf, mint } from "../../worker/harness/tokens.mjs";
import { api, checkFor } from "./behind.mjs";

/** @typedef {{ method?: string, headers?: Record<string, string>, body?: string | Uint8Array<ArrayBuffer> }} Init */
/** @typedef {{ port: number, get: (path: string, token: string | undefined, init?: Init) => Promise<Response> }} Proxy */
/**
 * A proxy and what stands around it.
 * @typedef {object} Scene
 * @property {Proxy} proxy as in the document
 * @property {Proxy} byRule the same, where the guard's rules decide
 * @property {Awaited<ReturnType<typeof import("./behind.mjs").api>>} api
 * @property {Awaited<ReturnType<typeof import("./behind.mjs").checkFor>>["way"]} way
 * @property {import("../../worker/harness/worker.mjs").Worker} worker
 * @property {import("../../worker/harness/steered-ledger.mjs").SteeredLedger} ledger
 */

const LARGE = new Uint8Array(900_000).fill(7);
const SPOOFED = ["Issuer", "Subject", "Session", "Token-Id", "Expires", "Scope", "Verified", "Freshness"].map((name) => `X-Auth-${name}`);

/** @param {number} port @returns {Proxy} */
export const through = (port) => ({ port, get: (path, token, init = {}) => get(port, path, token, init) });

/** @param {number} port @param {string} path @param {string | undefined} token @param {Init} init */
const get = (port, path, token, init) =>
  fetch(`http://127.0.0.1:${port}${path}`, {
    ...init,
    headers: { ...init.headers, ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) },
    signal: AbortSignal.timeout(15_000),
  });

/** The status of a path exactly as it is given: fetch would tidy it up. @param {number} port @param {string} path @param {string} token */
async function statusOf(port, path, token) {
  const asked = request({ host: "127.0.0.1", port, path, headers: { authorization: `Bearer ${token}` }, agent: false }).end();
  const [response] = /** @type {[import("node:http").IncomingMessage]} */ (await once(asked, "response"));
  response.resume();
  return response.statusCode;
}

/**
 * A proxy as in the document and the same with guard rules, with the cases that hold for both.
 * @param {import("../../worker/harness/worker.mjs").Owner} owner
 * @param {(around: import("./servers.mjs").Around) => Promise<Proxy>} plain
 * @param {(around: import("./servers.mjs").Around) => Promise<Proxy>} ruled
 */
export async function sceneOf(owner, plain, ruled) {
  const around = { ...(await checkFor(owner, withRules)), api: await api(owner) };
  const scene = { ...around, proxy: await plain(around), byRule: await ruled(around) };
  tokens(scene);
  clientHeaders(scene);
  bodies(scene);
  rules(scene);
  return scene;
}

/** What comes of a request with a good token and exactly these headers: fetch would refuse some. @param {number} port @param {[string, string][]} headers */
async function exchange(port, headers) {
  const all = [["Host", `127.0.0.1:${port}`], ["Authorization", `Bearer ${await mint("worth")}`], ...headers].flat();
  const asked = request({ host: "127.0.0.1", port, path: "/orders/1", headers: /** @type {any} */ (all), agent: false }).end();
  const [response] = /** @type {[import("node:http").IncomingMessage]} */ (await once(asked, "response"));
  const received = await text(response);
  return { status: response.statusCode, body: response.statusCode === 200 ? JSON.parse(received) : received };
}

/** What the API says of a request that passes with exactly these headers. @param {number} port @param {[string, string][]} headers @returns {Promise<any>} */
export async function answerTo(port, headers) {
  const { status, body } = await exchange(port, headers);
  assert.equal(status, 200, JSON.stringify([headers, body]));
  return body;
}

/** The rules that the document's proxies are asked by. @param {import("../../worker/harness/shipped.mjs").Table} table */
function withRules(table) {
  table.routes.push(
    { kind: "guard", paths: ["/orders/*"], issuers: ["worth"], strong_for: ["POST"] },
    { kind: "guard", paths: ["/devices/*"], issuers: ["commerce-engine-pos"] },
  );
}

/** What the API got of a request that passed. @param {Response} response @returns {Promise<import("./behind.mjs").Seen>} */
async function passed(response) {
  assert.equal(response.status, 200, await response.clone().text());
  return /** @type {any} */ (await response.json());
}

/** @param {Scene} scene @param {Response} response @param {number} status @param {number} before how many requests the API had seen */
function refused(scene, response, status, before) {
  assert.equal(response.status, status);
  assert.equal(scene.api.seen.length, before, "the API was asked all the same");
}

/** @param {import("./behind.mjs").Seen} seen @param {string} name */
const header = (seen, name) => seen.headers[name.toLowerCase()];

/** @param {Scene} scene */
function tokens(scene) {
  test("a good token passes, and the API is told whose it is", async () => {
    const token = await mint("worth", { claims: { scope: "read write", sub: "Jürgen" } });
    const claims = claimsOf(token);
    const seen = await passed(await scene.proxy.get("/orders/1?x=/y&z", token));
    assert.deepEqual([seen.method, seen.path], ["GET", "/orders/1?x=/y&z"]);
    assert.deepEqual(SPOOFED.map((name) => header(seen, name)), [
      ["worth"], ["J%C3%BCrgen"], claims.sid && [claims.sid], [claims.jti], [String(claims.exp)], ["read write"], ["true"], ["bounded"],
    ]);
    assert.deepEqual(header(seen, "authorization"), [`Bearer ${token}`]);
  });

  test("what a client says of itself is not passed on", async () => {
    const token = await mint("worth", { claims: { sub: null, sid: null, jti: null } });
    const headers = Object.fromEntries([...SPOOFED, "X-Auth-Confirmation"].map((name) => [name, "spoofed"]));
    const seen = await passed(await scene.proxy.get("/orders/1", token, { headers }));
    assert.doesNotMatch(JSON.stringify(seen.headers), /spoofed/);
    for (const name of ["X-Auth-Subject", "X-Auth-Session", "X-Auth-Token-Id", "X-Auth-Scope", "X-Auth-Confirmation"]) assert.equal(header(seen, name), undefined, name);
    assert.deepEqual(header(seen, "X-Auth-Issuer"), ["worth"]);
  });

  test("two credentials are refused: the API could read the one that was not judged", async () => {
    const before = scene.api.seen.length;
    const { status } = await exchange(scene.proxy.port, [["Authorization", `Bearer ${await mint("worth")}`]]);
    assert.ok(status === 400 || status === 401, String(status));
    assert.equal(scene.api.seen.length, before);
  });

  test("after a logout it is refused at once", async () => {
    const token = await mint("worth");
    await passed(await scene.proxy.get("/orders/1", token));
    assert.equal((await logout(scene.worker, WORTH, token)).status, 200);
    const before = scene.api.seen.length;
    const response = await scene.proxy.get("/orders/1", token);
    refused(scene, response, 401, before);
    assert.match(response.headers.get("www-authenticate") ?? "", /^Bearer error="invalid_token", error_description="The access token was revoked"$/);
  });

  test("no token, a bad one, one of another issuer, one of another kind", async () => {
    const before = scene.api.seen.length;
    const none = await scene.proxy.get("/orders/1", undefined);
    refused(scene, none, 401, before);
    assert.match(none.headers.get("www-authenticate") ?? "", /^Bearer( realm="[^"]+")?$/);
    refused(scene, await scene.proxy.get("/orders/1", "x.y.z"), 401, before);
    refused(scene, await scene.proxy.get("/orders/1", await mint("marzipan")), 401, before);
    refused(scene, await scene.proxy.get("/orders/1", await mint("worth", { expiresIn: -60 })), 401, before);
    refused(scene, await scene.proxy.get("/orders/1", await mint("worth", { claims: { role: "x" } })), 403, before);
  });
}

// Headers of an ordinary request, which the API must get.
const ORDINARY = {
  Accept: "application/json", "Accept-Language": "de", "Content-Type": "text/plain", Cookie: "a=b; c=d", "Idempotency-Key": "k",
  "If-None-Match": '"e"', Origin: "https://shop.example", Range: "bytes=0-1", Referer: "https://shop.example/x", "User-Agent": "u",
};

/** @param {Scene} scene */
export function clientHeaders(scene) {
  test("no header that a client spells like ours reaches the API", async () => {
    for (const name of OWN) {
      const seen = await answerTo(scene.proxy.port, [[name, "spoofed"]]);
      assert.doesNotMatch(JSON.stringify(seen.headers), /spoofed/, name);
      assert.deepEqual(Object.keys(seen.headers).filter((one) => asRead(one) === "x-auth-issuer"), ["x-auth-issuer"]);
    }
  });

  test("nor does one that says something else of the request than was judged", async () => {
    for (const name of OVERRIDES) {
      const seen = await answerTo(scene.proxy.port, [[name, "spoofed"]]);
      assert.doesNotMatch(JSON.stringify(seen.headers), /spoofed/, name);
    }
  });

  test("a client cannot take our headers away by naming them in Connection", async () => {
    for (const value of ["X-Auth-Issuer, X-Auth-Subject, X-Auth-Scope", "close, x-auth-subject", "X-Auth-Subject,keep-alive"]) {
      const before = scene.api.seen.length;
      const { status, body } = await exchange(scene.proxy.port, [["Connection", value]]);
      if (status === 400) assert.equal(scene.api.seen.length, before, value);
      else assert.deepEqual([status, header(body, "X-Auth-Issuer"), header(body, "X-Auth-Subject")?.length], [200, ["worth"], 1], value);
    }
  });

  test("what a client says of its address is replaced by what the proxy knows", async () => {
    const seen = await answerTo(scene.proxy.port, [["X-Forwarded-For", "spoofed"], ["X-Forwarded-Proto", "spoofed"], ["X-Forwarded-Host", "spoofed"]]);
    const told = ["for", "proto", "host"].map((name) => header(seen, `x-forwarded-${name}`)?.map((value) => value.replace(/:\d+$/, "")));
    assert.deepEqual(told, [["127.0.0.1"], ["http"], ["127.0.0.1"]]);
  });

  test("ordinary headers arrive", async () => {
    const seen = await answerTo(scene.proxy.port, Object.entries(ORDINARY));
    for (const [name, value] of Object.entries(ORDINARY)) assert.deepEqual(header(seen, name), [value], name);
  });
}

/** @param {Scene} scene */
function bodies(scene) {
  test("a body goes to the API and not to the check", async () => {
    const token = await mint("worth");
    const asked = scene.way.seen.length;
    const seen = await passed(await scene.proxy.get("/orders", token, { method: "POST", body: LARGE, headers: { cookie: "a=b" } }));
    assert.deepEqual([seen.method, seen.bytes, seen.sha256], ["POST", LARGE.length, createHash("sha256").update(LARGE).digest("hex")]);
    const checks = scene.way.seen.slice(asked);
    assert.deepEqual(checks.map(({ method, bytes }) => [method, bytes]), [["GET", 0]]);
    for (const name of ["cookie", "content-length", "transfer-encoding", "content-type"]) assert.equal(header(checks[0], name), undefined, name);
  });

  test("the API's own errors are its own", async () => {
    const response = await scene.proxy.get("/broken", await mint("worth"));
    const { path } = /** @type {import("./behind.mjs").Seen} */ (await response.json());
    assert.deepEqual([response.status, path], [500, "/broken"]);
  });
}

/** @param {Scene} scene */
function rules(scene) {
  test("the rule of the original request decides, and a client cannot choose it", async () => {
    const [worth, pos] = [await mint("worth"), await mint("commerce-engine-pos")];
    assert.deepEqual(header(await passed(await scene.byRule.get("/orders/1", worth)), "X-Auth-Freshness"), ["bounded"]);
    assert.deepEqual(header(await passed(await scene.byRule.get("/orders/1", worth, { method: "POST", body: "x" })), "X-Auth-Freshness"), ["strong"]);
    await passed(await scene.byRule.get("/devices/1", pos));
    const before = scene.api.seen.length;
    refused(scene, await scene.byRule.get("/orders/1", pos), 401, before);
    refused(scene, await scene.byRule.get("/elsewhere", worth), 403, before);
    const chosen = ["X-Original-URI", "X-Original-URL", "X-Forwarded-Uri", "X_Original_URI", "X.Original.URI", "X_Forwarded_Uri", "X.Forwarded.Uri"];
    for (const name of chosen) refused(scene, await scene.byRule.get("/orders/1", pos, { headers: { [name]: "/devices/1" } }), 401, before);
  });

  test("what stands in a query is no path", async () => {
    const [worth, pos] = [await mint("worth"), await mint("commerce-engine-pos")];
    const before = scene.api.seen.length;
    for (const query of ["?next=://h/devices/1", "?next=https://api.example/devices/1"]) {
      refused(scene, await scene.byRule.get(`/orders/1${query}`, pos), 401, before);
    }
    await passed(await scene.byRule.get("/orders/1?next=https://api.example/devices/1", worth));
  });

  test("paths that servers read in different ways match no rule", async () => {
    const before = scene.api.seen.length;
    for (const path of ["//orders/1", "/devices/%2e%2e/orders/1", "/devices/../orders/1", "/orders%2f1", "/orders/%5c1", "/orders/%61"]) {
      assert.equal(await statusOf(scene.byRule.port, path, await mint("worth")), 403, path);
    }
    assert.equal(scene.api.seen.length, before);
  });
}

/**
 * To be done last: the way to the check is cut.
 * @param {Scene} scene
 * @param {{ inDoubt: number, cut: number }} statuses what the proxy makes of it
 */
export function doubts(scene, { inDoubt, cut }) {
  test("where it cannot be told whether a token is revoked, nothing passes", async () => {
    const token = await mint("worth");
    scene.ledger.onAll(always({ error: "broken" }));
    await sleep(1_005); // the bound
    const before = scene.api.seen.length;
    const response = await scene.proxy.get("/orders/1", token);
    scene.ledger.heal();
    refused(scene, response, inDoubt, before);
    assert.equal(response.headers.get("retry-after"), "1");
    assert.match(response.headers.get("content-type") ?? "", /^application\/json/);
    assert.match(await response.text(), /"error":"temporarily_unavailable"/);
    await eventually("the ledger is known to be well", async () => (await scene.proxy.get("/orders/1", token)).status === 200);
  });

  test("where nobody answers the check, nothing passes", async () => {
    const token = await mint("worth");
    await passed(await scene.proxy.get("/orders/1", token));
    scene.way.isCut = true;
    const before = scene.api.seen.length;
    refused(scene, await scene.proxy.get("/orders/1", token), cut, before);
    scene.way.isCut = false;
    await passed(await scene.proxy.get("/orders/1", token));
  });
}
