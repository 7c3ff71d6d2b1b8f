import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { usualFile, whichConfig } from "../lib/config-file.mjs";
import { CONTRACTS, exampleRequests } from "../lib/examples.mjs";
import { readDevelopmentKey } from "../lib/keys.mjs";
import { inRoot } from "../lib/paths.mjs";
import { folder } from "./harness.mjs";

const { kty, crv, x, y, kid } = await readDevelopmentKey("commerce-engine-pos");
const signed = { name: "pos", iss: "https://pos.example", audiences: ["pos"], algorithms: ["ES256"], jwks: { keys: [{ kty, crv, x, y, kid }] } };
const fetched = { name: "shop", iss: ["https://id.example"], audiences: ["shop"], algorithms: ["ES256"], jwks_url: "https://id.example/keys" };
const opaque = { name: "sessions", kind: "opaque", longest_lifetime_seconds: 60 };

/** The blocks that are printed for a table. @param {Record<string, any>} table @param {string[]} [options] */
async function blocks(table, options = []) {
  const text = await exampleRequests({ table, secrets: {} }, { origin: "http://127.0.0.1:8787", options });
  return text.trimEnd().split("\n\n").map((block) => block.split("\n"));
}

test("each contract has an example, with its parameters filled and its body", async () => {
  for (const [contract, { path, body }] of Object.entries(CONTRACTS)) {
    const [logout] = await blocks({ issuers: [signed], routes: [{ contract, issuer: "pos" }] });
    assert.deepEqual(logout.slice(1, 2), ["TOKEN=$(npm run --silent token -- pos)"]);
    assert.ok(logout[2].startsWith(`curl -i -X POST http://127.0.0.1:8787${path} -H "Authorization: Bearer $TOKEN"`), logout[2]);
    assert.equal(logout[2].includes(" -d "), body !== undefined);
  }
});

test("a route's own path and host, and the configuration that was named", async () => {
  const routes = [{ contract: "worth", issuer: "pos", host: "shop.example", paths: ["/{store_id}/o'brien/{x}", "/other"] }];
  const [logout, check] = await blocks({ issuers: [signed], routes }, ["--config", "my shop.toml", "--env", "staging"]);
  assert.equal(logout[1], "TOKEN=$(npm run --silent token -- pos --config 'my shop.toml' --env staging)");
  assert.equal(logout[2], `curl -i -X POST 'http://127.0.0.1:8787/development-store/o'\\''brien/example' -H 'Host: shop.example' -H "Authorization: Bearer $TOKEN"`);
  assert.equal(check[2], 'curl -i http://127.0.0.1:8787/check -H "Authorization: Bearer $TOKEN"');
});

test("guards: before an API, and as a rule of a check", async () => {
  const guard = { kind: "guard", issuers: ["pos"] };
  const routes = [{ ...guard, paths: ["/api/*"], upstream: { service: "API" } }, { ...guard, paths: ["/rules/{id}"], host: "api.example" }];
  const [through, rule] = await blocks({ issuers: [signed], routes });
  assert.equal(through[2], 'curl -i http://127.0.0.1:8787/api/example -H "Authorization: Bearer $TOKEN"');
  assert.match(rule[2], /\/check\?original=x-original' -H 'X-Original-Method: GET' -H 'X-Original-Host: api\.example' -H 'X-Original-URI: \/rules\/example'/);
});

test("an issuer without a local key gets a placeholder and how to get a token; the check takes an issuer with one", async () => {
  const [logout, check] = await blocks({ issuers: [fetched, signed], routes: [{ contract: "worth", issuer: "shop" }] });
  assert.deepEqual(logout.slice(1, 3), ["# There is no development key of shop: log in where https://id.example issues tokens, and put the access token here", "TOKEN=..."]);
  assert.equal(check[1], "TOKEN=$(npm run --silent token -- pos)");
});

test("tables with nothing but opaque tokens, or with what the Worker refuses, have examples as far as there are any", async () => {
  const [logout, check] = await blocks({ issuers: [opaque], routes: [{ contract: "marzipan", issuer: "sessions" }] });
  assert.equal(logout[1], "TOKEN=any-opaque-token");
  assert.match(check[2], /\/check\?issuer=sessions'/);
  assert.equal((await blocks({ issuers: "worth", routes: [{ contract: "toString" }, { contract: 3 }, 4, { kind: "guard", paths: [5] }, { contract: "worth", paths: [6] }] })).length, 3);
  assert.equal((await blocks({})).length, 1);
});

test("the deployer's own file goes before the shipped one, and a given one before both", async (t) => {
  const path = await folder(t);
  assert.equal(usualFile(path), join(path, "wrangler.toml"));
  await writeFile(join(path, "wrangler.local.toml"), "");
  assert.equal(usualFile(path), join(path, "wrangler.local.toml"));
  await mkdir(join(path, "a"));
  const { ours, label } = whichConfig({ config: join(path, "wrangler.local.toml"), env: "staging" });
  assert.deepEqual(ours, ["--config", label, "--env", "staging"]);
  assert.deepEqual(whichConfig({ config: inRoot("tests", "wrangler.toml") }).wranglers, ["--config", "tests/wrangler.toml"]);
});
