import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { after, test } from "node:test";
import { compactVerify, decodeJwt, decodeProtectedHeader, importJWK } from "jose";
import { testTable } from "../../tests/config.mjs";
import { issuersWithDevelopmentKey, readDevelopmentKey } from "../lib/keys.mjs";
import { run } from "../lib/run.mjs";
import { issuerOf } from "../lib/table.mjs";
import { configWith, tableOfReadme, tableOfTests } from "./harness.mjs";

const file = await configWith({ after }, await tableOfTests());
const token = (/** @type {string[]} */ ...args) => run(process.execPath, ["dev/token.mjs", "--config", file, ...args]);

for (const name of await issuersWithDevelopmentKey()) {
  test(`a token of ${name} is what tests/wrangler.toml asks for`, async () => {
    const { stdout, code } = await token(name);
    assert.equal(code, 0);
    const jwt = stdout.replace(/\n$/, "");
    assert.match(jwt, /^[\w-]+\.[\w-]+\.[\w-]+$/);

    const { kty, kid, alg, crv, x, y, n, e, k } = await readDevelopmentKey(name);
    await compactVerify(jwt, await importJWK({ kty, crv, x, y, n, e, k }, alg), { algorithms: [alg] });
    assert.deepEqual(decodeProtectedHeader(jwt), { alg, kid, typ: "JWT" });

    const issuer = issuerOf(testTable(), name);
    const { iss, aud, iat = 0, exp = 0, jti, ...rest } = decodeJwt(jwt);
    assert.deepEqual([iss, aud], [issuer.iss, issuer.audiences?.[0]]);
    assert.equal(exp - iat, 3600);
    assert.ok(jti);
    for (const claim of [issuer.claims?.subject ?? "sub", "sid", ...Object.keys(issuer.required_claims ?? {})]) {
      assert.ok(rest[claim], claim);
    }
  });
}

test("claims are merged over the usual ones, and null removes one", async () => {
  const { stdout } = await token("worth", "--claims", '{"sub":"user-1","jti":null,"nested":{"a":[1]}}');
  const claims = decodeJwt(stdout.trim());
  assert.equal(claims.sub, "user-1");
  assert.deepEqual(claims.nested, { a: [1] });
  assert.ok(!("jti" in claims));
});

for (const args of [["--expires-in", "-60"], ["--expires-in=-60"]]) {
  test(`an expired token: ${args.join(" ")}`, async () => {
    const { stdout } = await token("worth", ...args);
    const { exp = 0, iat = 0 } = decodeJwt(stdout.trim());
    assert.ok(Math.abs(Date.now() / 1000 - 60 - exp) < 10);
    assert.ok(iat < exp);
  });
}

const REFUSED = {
  "no issuer": [],
  "two issuers": ["worth", "marzipan"],
  "an unknown issuer": ["nobody"],
  "an issuer of opaque tokens": ["loyaltydog-sessions"],
  "claims that are no JSON": ["worth", "--claims", "{"],
  "claims that are no object": ["worth", "--claims", "[1]"],
  "a time that is no number": ["worth", "--expires-in", "soon"],
  "an unknown option": ["worth", "--nonsense"],
};
for (const [what, args] of Object.entries(REFUSED)) {
  test(`refuses ${what} in one line`, async () => {
    const { code, stdout, output } = await token(...args);
    assert.equal(code, 2);
    assert.equal(stdout, "");
    assert.equal(output.trim().split("\n").length, 1, output);
  });
}

test("a token of anybody's table: a configuration elsewhere, in JSON, of an environment, with the keys in a secret", async (t) => {
  const own = await configWith(t, `${(await tableOfTests()).replaceAll("vars.EDGE_LOGOUT.", "env.staging.vars.EDGE_LOGOUT.").replace('name = "worth"', 'name = "mine"')}`);
  const mine = await run(process.execPath, ["dev/token.mjs", "mine", "--config", own, "--env", "staging"]);
  assert.equal(decodeJwt(mine.stdout.trim()).iss, "https://auth.worth.example", mine.output);
  const json = own.replace(/toml$/, "jsonc");
  const issuer = { name: "shop", iss: "https://shop.example", audiences: ["shop"], algorithms: ["HS512"], secret: "SHOP_KEY" };
  await writeFile(json, `// ours\n${JSON.stringify({ name: "shop-logout", vars: { EDGE_LOGOUT: { routes: [] }, EDGE_LOGOUT_SHOP: { issuers: [issuer] } } })}`);
  const shop = await run(process.execPath, ["dev/token.mjs", "shop", "-c", json]);
  assert.equal(decodeProtectedHeader(shop.stdout.trim()).alg, "HS512", shop.output);
});

test("a token without a local key is refused with what to do", async (t) => {
  const own = await configWith(t, await tableOfReadme());
  const { code, stdout, output } = await run(process.execPath, ["dev/token.mjs", "worth", "--config", own]);
  assert.deepEqual([code, stdout], [2, ""]);
  assert.match(output, /^Tokens of `worth` cannot be signed here: .*\n$/);
});
