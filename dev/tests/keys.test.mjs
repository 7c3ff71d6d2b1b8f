import assert from "node:assert/strict";
import { createPrivateKey, createPublicKey } from "node:crypto";
import { test } from "node:test";
import { parseEnv } from "node:util";
import { testTable } from "../../tests/config.mjs";
import { missingFrom } from "../lib/dev-vars.mjs";
import { issuersWithDevelopmentKey, keyMaterial, keysIn, readDevelopmentKey, signingKeyOf } from "../lib/keys.mjs";
import { refusalsOfWorker } from "../lib/validity.mjs";

test("every development key says what it is", async () => {
  for (const issuer of await issuersWithDevelopmentKey()) {
    const jwk = await readDevelopmentKey(issuer);
    assert.equal(jwk.kid, `development-${issuer}`);
    assert.match(jwk.development_only, /^For development only/);
  }
});

test("tests/wrangler.toml has the public half of each development key, and nothing private", async () => {
  const published = testTable().issuers.flatMap(({ jwks }) => keysIn(jwks));
  for (const name of await issuersWithDevelopmentKey()) {
    const ours = await readDevelopmentKey(name);
    if (ours.kty === "oct") continue;
    const { kid, alg, use, ...key } = published.find((jwk) => keyMaterial(jwk) === keyMaterial(ours)) ?? {};
    assert.deepEqual({ kid, alg, use }, { kid: ours.kid, alg: ours.alg, use: "sig" });
    assert.deepEqual(key, createPublicKey(createPrivateKey({ key: ours, format: "jwk" })).export({ format: "jwk" }));
  }
});

const table = { issuers: [{ name: "storefront", algorithms: ["HS256"], secret: "COMMERCE_ENGINE_STOREFRONT_KEY" }], clients: [{ secret: "BATCH_CHECK_SECRET" }] };

test("an empty .dev.vars gets every secret that the table names, and the permission to use development keys", async () => {
  const text = await missingFrom("", table);
  const line = text.match(/^COMMERCE_ENGINE_STOREFRONT_KEY='(.+)'$/m)?.[1] ?? "";
  assert.deepEqual(Object.keys(JSON.parse(line)), ["kty", "kid", "alg", "use", "k"]);
  assert.match(text, /^EDGE_LOGOUT_DEVELOPMENT="true"$/m);
  assert.equal(await missingFrom("", { issuers: [] }), 'EDGE_LOGOUT_DEVELOPMENT="true"\n');
});

test("a .dev.vars keeps what it says and gets what it lacks", async () => {
  const mine = "COMMERCE_ENGINE_STOREFRONT_KEY=mine\nBATCH_CHECK_SECRET=mine";
  assert.equal(await missingFrom(mine, table), '\nEDGE_LOGOUT_DEVELOPMENT="true"\n');
  assert.equal(await missingFrom(`${mine}\nexport EDGE_LOGOUT_DEVELOPMENT=false`, table), "");
});

test("anybody's secrets get values that the Worker takes in development, and tokens can be signed with the keys", async () => {
  const algorithms = ["HS256", "HS384", "HS512", "RS256", "RS512", "PS256", "PS384", "ES256", "EdDSA", "ES384"];
  const issuers = algorithms.map((alg) => ({ name: alg.toLowerCase(), iss: `https://${alg}.example`, audiences: ["a"], algorithms: [alg], secret: [`${alg.toUpperCase()}_KEY`, `${alg.toUpperCase()}_OLD_KEY`] }));
  const routes = [{ contract: "loyaltydog", issuer: "rs256", sessions: "sessions", session_store: { url_secret: "REDIS_URL", key_prefix: "s:" } }];
  const own = { issuers: [...issuers, { name: "sessions", kind: "opaque", longest_lifetime_seconds: 60 }], routes, clients: [{ name: "shop", secret: "SHOP_SECRET" }, { name: "pos", secret: "POS_SECRET" }] };
  const secrets = /** @type {Record<string, string>} */ (parseEnv(await missingFrom("", own)));
  assert.deepEqual(await refusalsOfWorker({ parts: { EDGE_LOGOUT: own }, secrets, development: true, ledger: true }), []);
  const signing = await Promise.all(issuers.map(async (issuer) => [issuer.name, (await signingKeyOf(issuer, secrets))?.alg]));
  assert.deepEqual(signing, algorithms.map((alg) => [alg.toLowerCase(), alg === "ES384" ? undefined : alg]));
});

test("a key is known by what it is, not by the name of its issuer", async () => {
  const { kty, n, e } = await readDevelopmentKey("worth");
  const mine = { name: "mine", algorithms: ["RS256", "PS256"], jwks: { keys: [{ kty, n, e, kid: "2026", alg: "PS256" }] } };
  assert.deepEqual(await signingKeyOf(mine, {}).then((key) => [key?.kid, key?.alg, "d" in (key ?? {})]), ["2026", "PS256", true]);
  assert.equal(await signingKeyOf({ name: "worth", algorithms: ["PS256"], jwks: { keys: [{ kty, n: "AA", e, kid: "development-worth" }] } }, {}), undefined);
});
