import assert from "node:assert/strict";
import { test } from "node:test";
import { developmentKeysIn, developmentSecretsIn, hasLedger, missingSecrets, permissionsIn, placeholdersIn, secretsNamedBy } from "../lib/deployment.mjs";
import { DEVELOPMENT_CLIENT_SECRET } from "../lib/dev-vars.mjs";
import { readDevelopmentKey } from "../lib/keys.mjs";
import { partsOf, tableOf } from "../lib/table.mjs";

const worth = await readDevelopmentKey("worth");
const storefront = await readDevelopmentKey("commerce-engine-storefront");

/** @param {object[]} keys */
const partsWith = (...keys) => partsOf({ vars: { EDGE_LOGOUT: { issuers: [{ name: "mine", jwks: { keys } }], routes: [] } } }, {});

/** @param {Record<string, any>} config */
const placeholders = (config) => placeholdersIn(config, tableOf(config, {}));

test("a development key is found under any name, and by its name alone", async () => {
  const { kty, n, e } = worth;
  const found = await developmentKeysIn(partsWith({ kty, n, e, kid: "renamed" }, { kty: "OKP", crv: "Ed25519", x: "AA", kid: "development-x" }));
  assert.equal(found.length, 2);
  assert.match(found[0], /^vars\.EDGE_LOGOUT\.issuers\[0\]\.jwks\.keys\[0\] \(issuer "mine"\): `renamed` is a development key/);
});

test("any other key is no finding", async () => {
  assert.deepEqual(await developmentKeysIn(partsWith({ kty: "RSA", n: "AA", e: "AQAB", kid: "2026" })), []);
  assert.deepEqual(await developmentKeysIn([]), []);
});

test("a secret's value is looked at where it is known", async () => {
  const secrets = { A: JSON.stringify(storefront), B: null, C: "no JSON", D: JSON.stringify({ kty: "oct", k: "AA" }), E: JSON.stringify({ keys: [storefront] }), F: DEVELOPMENT_CLIENT_SECRET };
  const found = await developmentSecretsIn(secrets);
  assert.deepEqual(found.map((finding) => /^the secret `(.)` is one for development/.exec(finding)?.[1]), ["A", "E", "F"]);
});

test("secrets are found wherever the table names them", () => {
  const table = { issuers: [{ secret: "B" }, { secret: "A" }], routes: [{ anonymous_session: { signing_secret: "B" } }] };
  assert.deepEqual(secretsNamedBy(table), ["A", "B"]);
  const missing = missingSecrets(table, { A: null }, "put NAME");
  assert.equal(missing.length, 1);
  assert.match(missing[0], /secret `B`, .* put B$/);
});

test("placeholders, and the permission for development keys", () => {
  const id = (/** @type {string | undefined} */ value) => placeholders({ kv_namespaces: [{ binding: "REVOCATIONS", id: value }] }).length;
  assert.equal(id("0".repeat(32)), 1);
  assert.equal(id("06779da6940b431db6e566b4846d64db"), 0);
  assert.equal(id(undefined), 0, "wrangler creates a namespace that has no id");
  const kv_namespaces = [{ binding: "REVOCATIONS", id: "06779da6940b431db6e566b4846d64db" }];
  assert.equal(placeholders({ kv_namespaces, vars: { EDGE_LOGOUT_DEVELOPMENT: "true" } }).length, 1);
  assert.equal(placeholders({ kv_namespaces, vars: { EDGE_LOGOUT_DEVELOPMENT: "false" } }).length, 0);
  assert.equal(permissionsIn({ EDGE_LOGOUT_DEVELOPMENT: null }).length, 1);
  assert.equal(permissionsIn({ OTHER: "true" }).length, 0);
});

test("each variable may be as large as Cloudflare takes it, and no larger", () => {
  const kv_namespaces = [{ binding: "REVOCATIONS", id: "1" }];
  const part = (/** @type {number} */ length) => ({ x: "x".repeat(length - 8) });
  assert.deepEqual(placeholders({ kv_namespaces, vars: { EDGE_LOGOUT: part(5_120), EDGE_LOGOUT_2: part(5_120), EDGE_LOGOUT_3: part(5_120) } }), []);
  const [finding, ...others] = placeholders({ kv_namespaces, vars: { EDGE_LOGOUT: part(100), EDGE_LOGOUT_2: part(5_121) } });
  assert.match(finding, /^vars\.EDGE_LOGOUT_2 has 5121 bytes/);
  assert.deepEqual(others, []);
  assert.equal(placeholders({ kv_namespaces, vars: { OTHER: "ü".repeat(2_561) } }).length, 1);
});

test("what the table's other parts name has to be there as well", () => {
  const vars = { EDGE_LOGOUT: {}, EDGE_LOGOUT_2: { routes: [{ user_directory: "USERS", upstream: { service: "ORDERS" } }] } };
  assert.equal(placeholders({ kv_namespaces: [{ binding: "REVOCATIONS", id: "1" }], vars }).length, 2);
});

test("a namespace that nothing is bound to", () => {
  assert.match(placeholders({})[0], /there is no `REVOCATIONS`/);
  const vars = { EDGE_LOGOUT: { routes: [{ user_directory: "USERS" }, {}] } };
  assert.match(placeholders({ kv_namespaces: [{ binding: "REVOCATIONS", id: "1" }], vars })[0], /there is no `USERS`/);
});

test("what a guard passes requests on to has to be bound", () => {
  const config = { kv_namespaces: [{ binding: "REVOCATIONS", id: "abc" }], vars: { EDGE_LOGOUT: { routes: [{ upstream: { service: "ORDERS" } }, { upstream: { url: "https://a.example" } }] } } };
  assert.equal(placeholders(config).length, 1);
  assert.match(placeholders(config)[0], /^services: there is no `ORDERS`/);
  assert.deepEqual(placeholders({ ...config, services: [{ binding: "ORDERS", service: "orders" }] }), []);
});

test("the ledger is bound by its name", () => {
  assert.equal(hasLedger({}), false);
  assert.equal(hasLedger({ durable_objects: { bindings: [{ name: "OTHER" }] } }), false);
  assert.equal(hasLedger({ durable_objects: { bindings: [{ name: "LEDGER" }] } }), true);
});
