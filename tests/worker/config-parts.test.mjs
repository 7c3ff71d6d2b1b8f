// A table of more than the 5 KB that Cloudflare allows a variable, in three of them; and what refusals tell to run.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { test } from "node:test";
import { parse } from "smol-toml";
import { CONTRACTS, logout } from "./harness/contracts.mjs";
import { eventually } from "./harness/eventually.mjs";
import { issuerIn, shippedTable } from "./harness/shipped.mjs";
import { readDevelopmentKey } from "./harness/tokens.mjs";
import { start } from "./harness/worker.mjs";

/** @typedef {import("./harness/shipped.mjs").Table} Table */

const LARGEST_VARIABLE = 5_120;

/** The shipped table and many more guards, in three variables, one of which is text. @returns {Record<string, unknown>} */
function parts() {
  const { issuers, routes, ...others } = shippedTable();
  const guards = Array.from({ length: 40 }, (_, place) => ({ kind: "guard", host: `shop-${place}.example`, paths: ["/api/*"], issuers: ["worth"] }));
  return { EDGE_LOGOUT: { issuers, ...others }, EDGE_LOGOUT_GUARDS: JSON.stringify({ routes: guards }), EDGE_LOGOUT_ROUTES: { routes } };
}

/** @param {unknown} value */
const bytes = (value) => Buffer.byteLength(typeof value === "string" ? value : JSON.stringify(value));

test("a table of more than 5 KB stands in three variables", async (t) => {
  const bindings = parts();
  const sizes = Object.values(bindings).map(bytes);
  assert.ok(sizes.every((size) => size <= LARGEST_VARIABLE) && sizes.reduce((sum, size) => sum + size) > LARGEST_VARIABLE, `${sizes}`);
  const worker = await start(t, { bindings });
  assert.equal((await worker.fetch("/healthz")).status, 200);
  for (const contract of CONTRACTS) contract.assertSuccess(await logout(worker, contract));
});

test("a refusal names the variable that it is about, and secrets that begin like the table stay untold", async (t) => {
  const secret = "correct-horse-battery-staple";
  const bindings = { ...parts(), EDGE_LOGOUT_MORE: { routes: [{ contract: "wrth" }] }, EDGE_LOGOUT_PASSWORD: secret };
  const worker = await start(t, { bindings });
  await worker.fetch("/healthz");
  const named = await eventually("two settings", () => worker.events("misconfigured").length >= 2 && worker.events("misconfigured").map(({ setting }) => setting));
  assert.ok(named.includes('vars.EDGE_LOGOUT_MORE.routes[0].contract (route "wrth"): unknown contract "wrth"; did you mean "worth"?'), `${named}`);
  assert.ok(named.some((setting) => setting.startsWith("vars.EDGE_LOGOUT_PASSWORD: must be a table")), `${named}`);
  assert.ok(!JSON.stringify(worker.logs).includes(secret));
});

/** The command in the refusal of these keys. @param {import("node:test").TestContext} t @param {unknown} jwks */
async function commandFor(t, jwks) {
  const worker = await start(t, { configure: (table) => void (issuerIn(table, "worth").jwks = jwks) });
  await worker.fetch("/healthz");
  const { setting } = await eventually("a refusal", () => worker.events("misconfigured")[0]);
  return /`(node -e .*) < \S+`/.exec(setting)?.[1] ?? assert.fail(setting);
}

/** What a shell prints for a command, as the TOML value that it is. @param {string} command @param {string} input */
function tomlPrintedBy(command, input) {
  const printed = execFileSync("sh", ["-c", command], { input, encoding: "utf8" });
  return /** @type {any} */ (parse(`key = ${printed}`)).key;
}

test("the command for a private key prints its public half", async (t) => {
  const { d, p, q, dp, dq, qi, ...key } = await readDevelopmentKey("worth");
  const jwk = { ...key, d, p, q, dp, dq, qi };
  const command = await commandFor(t, { keys: [jwk] });
  assert.deepEqual({ ...tomlPrintedBy(command, JSON.stringify({ ...jwk, key_ops: ["sign"] })) }, key);
});

test("the command for a PEM prints the public JWK, whichever half it holds", async (t) => {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const wanted = publicKey.export({ format: "jwk" });
  const pem = publicKey.export({ format: "pem", type: "spki" });
  const command = await commandFor(t, pem);
  assert.deepEqual({ ...tomlPrintedBy(command, String(pem)) }, wanted);
  assert.deepEqual({ ...tomlPrintedBy(command, String(privateKey.export({ format: "pem", type: "pkcs8" }))) }, wanted);
});
