// A configuration that is refused answers everything with a 500 that says nothing more; the log says which setting.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { assertAnswer } from "./harness/answer.mjs";
import { CONTRACTS, logout } from "./harness/contracts.mjs";
import { eventually } from "./harness/eventually.mjs";
import { issuerIn, routeIn, shippedTable } from "./harness/shipped.mjs";
import { readDevelopmentKey } from "./harness/tokens.mjs";
import { start } from "./harness/worker.mjs";

/** @typedef {import("./harness/shipped.mjs").Table} Table */
/** @typedef {{ options: import("./harness/worker.mjs").Options, setting: RegExp }} Case */

const symmetric = await readDevelopmentKey("commerce-engine-storefront");

/** @param {(table: Table) => void} configure */
const configured = (configure) => ({ configure });

const CASES = /** @type {Record<string, Case>} */ ({
  "an unknown setting": { options: configured((table) => void (table.isuers = [])), setting: /^vars\.EDGE_LOGOUT\.isuers: / },
  "an unknown setting of an issuer": { options: configured((table) => void (table.issuers[0].leeway = 5)), setting: /^vars\.EDGE_LOGOUT\.issuers\[0\]\.leeway \(issuer "loyaltydog"\): unknown setting `leeway`; did you mean `leeway_seconds`\?$/ },
  "an unknown contract": { options: configured((table) => void (table.routes[1].contract = "wrth")), setting: /^vars\.EDGE_LOGOUT\.routes\[1\]\.contract \(route "wrth"\): / },
  "an unknown issuer": { options: configured((table) => void (table.routes[1].issuer = "wrth")), setting: /^vars\.EDGE_LOGOUT\.routes\[1\]\.issuer \(route "worth"\): / },
  "no algorithms": { options: configured((table) => void delete issuerIn(table, "worth").algorithms), setting: /\.algorithms \(issuer "worth"\): is missing/ },
  "algorithm none": { options: configured((table) => void (issuerIn(table, "worth").algorithms = ["none"])), setting: /\.algorithms \(.*\): unknown algorithm "none"/ },
  "no audiences": { options: configured((table) => void delete issuerIn(table, "worth").audiences), setting: /\.audiences \(.*\): is missing/ },
  "no keys": { options: configured((table) => void delete issuerIn(table, "worth").jwks), setting: /\.jwks \(.*\): is missing/ },
  "a symmetric key in the table": {
    options: configured((table) => Object.assign(issuerIn(table, "worth"), { algorithms: ["HS256"], jwks: { keys: [symmetric] } })),
    setting: /\.jwks\.keys\[0\] \(.*\): is a symmetric key/,
  },
  "two routes of one path": { options: configured((table) => void (routeIn(table, "worth").paths = ["/account/logout"])), setting: /^vars\.EDGE_LOGOUT\.routes\[\d\]\.paths \(.*\): / },
  "a longer lifetime than KV can keep": { options: configured((table) => void (issuerIn(table, "worth").longest_lifetime_seconds = 400_000_000)), setting: /\.longest_lifetime_seconds \(.*\): must be 1 to/ },
  "two issuers that take the same tokens": {
    options: configured((table) => void table.issuers.push({ ...issuerIn(table, "worth"), name: "twin", required_claims: {} })),
    setting: /^vars\.EDGE_LOGOUT\.issuers\[\d\] \(issuer "twin"\): takes the tokens of issuer "worth" as well/,
  },
  "a merchant whose tokens are opaque": {
    options: configured((table) => void (routeIn(table, "loyaltydog").issuer = "loyaltydog-sessions")),
    setting: /\.routes\[0\]\.issuer \(.*\): must be an issuer of kind "jwt"/,
  },
  "the revocations as a user directory": {
    options: configured((table) => void (routeIn(table, "commerce-engine-storefront").user_directory = "REVOCATIONS")),
    setting: /\.user_directory \(.*\): must not be/,
  },
  "a signing key that the issuer does not have": {
    options: { bindings: { ANOTHER: JSON.stringify({ ...symmetric, k: "A".repeat(43) }) }, configure: (table) => void (routeIn(table, "commerce-engine-storefront").anonymous_session.signing_secret = "ANOTHER") },
    setting: /\.anonymous_session\.signing_secret \(.*\): the JWK in ANOTHER/,
  },
  "the secret itself in place of its name": {
    options: configured((table) => void (issuerIn(table, "commerce-engine-storefront").secret = "hunter2-hunter2")),
    setting: /\.secret \(.*\): must be the name of a Worker secret/,
  },
  "a key that leaves its algorithm open": {
    options: configured((table) => void (issuerIn(table, "worth").algorithms.push("RS256"), delete issuerIn(table, "worth").jwks.keys[0].alg)),
    setting: /\.jwks\.keys\[0\] \(.*\): .*`alg`/,
  },
  "* and an origin": { options: configured((table) => void (routeIn(table, "worth").cors = { allowed_origins: ["*", "https://a.example"] })), setting: /\.cors\.allowed_origins \(.*\): / },
  "a missing secret": { options: { bindings: { COMMERCE_ENGINE_STOREFRONT_KEY: undefined } }, setting: /\.secret \(.*\): the Worker secret COMMERCE_ENGINE_STOREFRONT_KEY is not set/ },
  "a secret that is no key": { options: { bindings: { COMMERCE_ENGINE_STOREFRONT_KEY: "hunter2" } }, setting: /\.secret \(.*\): the Worker secret COMMERCE_ENGINE_STOREFRONT_KEY is not a JWK/ },
  "development keys where they are not allowed": { options: { bindings: { EDGE_LOGOUT_DEVELOPMENT: undefined } }, setting: /\.jwks\.keys\[0\] \(.*\): .*development key/ },
  "development keys, allowed by another word": { options: { bindings: { EDGE_LOGOUT_DEVELOPMENT: "1" } }, setting: /development key/ },
  "no table": { options: { bindings: { EDGE_LOGOUT: undefined } }, setting: /^vars\.EDGE_LOGOUT: is missing/ },
  "a table that is no JSON": { options: { bindings: { EDGE_LOGOUT: "{" } }, setting: /^vars\.EDGE_LOGOUT: must be a table/ },
});

describe("refused and named in the log alone", { concurrency: 2 }, () => {
  for (const [what, { options, setting }] of Object.entries(CASES)) {
    test(what, async (t) => {
      const worker = await start(t, options);
      const health = await worker.fetch("/healthz");
      assertAnswer(health, { status: 500, body: { status: "misconfigured", version: health.json.version, configuration: "refused" } });
      const wanted = { status: 500, body: { error: "misconfigured", message: "The service is misconfigured" } };
      const answers = [await worker.fetch("/openapi.json"), await worker.fetch("/nowhere")];
      for (const contract of CONTRACTS) answers.push(await logout(worker, contract));
      for (const got of answers) assertAnswer(got, wanted);
      const asked = await worker.fetch("/healthz", { method: "HEAD" });
      assert.deepEqual([asked.status, asked.text], [500, ""]);

      const named = await eventually("the log names a setting", () => worker.events("misconfigured").find((line) => setting.test(line.setting)));
      assert.deepEqual(Object.keys(named).sort(), ["event", "setting"]);
      for (const secret of ["hunter2", symmetric.k]) assert.ok(!JSON.stringify(worker.logs).includes(secret));
      assert.ok(worker.logs.some(({ level }) => level === "error"), "it is logged as an error");
    });
  }
});

test("every request is logged then as well", async (t) => {
  const worker = await start(t, { bindings: { EDGE_LOGOUT: undefined } });
  for (const path of ["/healthz", "/nowhere"]) {
    const line = await worker.logOf(await worker.fetch(path));
    assert.deepEqual([line.status, line.outcome, line.reason, line.method], [500, "failed", "misconfigured", "GET"]);
  }
});

test("every refused setting is named, not only the first", async (t) => {
  const worker = await start(t, {
    configure(table) {
      table.surplus = 1;
      delete issuerIn(table, "worth").algorithms;
      routeIn(table, "marzipan").revokes = [];
    },
  });
  await worker.fetch("/healthz");
  const named = await eventually("three settings", () => worker.events("misconfigured").length >= 3 && worker.events("misconfigured").map(({ setting }) => setting.split(/ \(|:/)[0]));
  for (const setting of ["surplus", `issuers[${shippedTable().issuers.findIndex(({ name }) => name === "worth")}].algorithms`]) {
    assert.ok(named.includes(`vars.EDGE_LOGOUT.${setting}`), `${named}`);
  }
});
