import assert from "node:assert/strict";
import { createPrivateKey, createPublicKey } from "node:crypto";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { parse } from "smol-toml";
import { missingFrom } from "../lib/dev-vars.mjs";
import { DEVELOPMENT_SECRETS, issuersWithDevelopmentKey, keyMaterial, readDevelopmentKey } from "../lib/keys.mjs";
import { inRoot } from "../lib/paths.mjs";

const config = /** @type {any} */ (parse(await readFile(inRoot("wrangler.toml"), "utf8")));

test("every development key says what it is", async () => {
  for (const issuer of await issuersWithDevelopmentKey()) {
    const jwk = await readDevelopmentKey(issuer);
    assert.equal(jwk.kid, `development-${issuer}`);
    assert.match(jwk.development_only, /^For development only/);
  }
});

test("wrangler.toml has the public half of each development key, and nothing private", async () => {
  const ofSecrets = new Set(/** @type {string[]} */ (Object.values(DEVELOPMENT_SECRETS)));
  for (const name of await issuersWithDevelopmentKey()) {
    if (ofSecrets.has(name)) continue;
    const issuer = config.vars.EDGE_LOGOUT.issuers.find((/** @type {{ name: string }} */ candidate) => candidate.name === name);
    const [published] = issuer.jwks.keys;
    const { kid, alg, use, ...key } = published;
    const ours = await readDevelopmentKey(name);
    assert.deepEqual({ kid, alg, use }, { kid: ours.kid, alg: ours.alg, use: "sig" });
    assert.deepEqual(key, createPublicKey(createPrivateKey({ key: ours, format: "jwk" })).export({ format: "jwk" }));
    assert.equal(keyMaterial(published), keyMaterial(ours));
  }
});

test("an empty .dev.vars gets every secret and the permission to use development keys", async () => {
  const text = await missingFrom("");
  const line = text.match(/^COMMERCE_ENGINE_STOREFRONT_KEY='(.+)'$/m)?.[1] ?? "";
  assert.deepEqual(Object.keys(JSON.parse(line)), ["kty", "kid", "alg", "use", "k"]);
  assert.match(text, /^EDGE_LOGOUT_DEVELOPMENT="true"$/m);
});

test("a .dev.vars keeps what it says and gets what it lacks", async () => {
  const mine = "COMMERCE_ENGINE_STOREFRONT_KEY=mine\nBATCH_CHECK_SECRET=mine";
  assert.equal(await missingFrom(mine), '\nEDGE_LOGOUT_DEVELOPMENT="true"\n');
  assert.equal(await missingFrom(`${mine}\nexport EDGE_LOGOUT_DEVELOPMENT=false`), "");
});
