import assert from "node:assert/strict";
import { test } from "node:test";
import { compactVerify, decodeJwt, decodeProtectedHeader, importJWK } from "jose";
import { readIssuer } from "../lib/config.mjs";
import { issuersWithDevelopmentKey, readDevelopmentKey } from "../lib/keys.mjs";
import { run } from "../lib/run.mjs";

const token = (/** @type {string[]} */ ...args) => run(process.execPath, ["dev/token.mjs", ...args]);

for (const name of await issuersWithDevelopmentKey()) {
  test(`a token of ${name} is what wrangler.toml asks for`, async () => {
    const { stdout, code } = await token(name);
    assert.equal(code, 0);
    const jwt = stdout.replace(/\n$/, "");
    assert.match(jwt, /^[\w-]+\.[\w-]+\.[\w-]+$/);

    const { kty, kid, alg, crv, x, y, n, e, k } = await readDevelopmentKey(name);
    await compactVerify(jwt, await importJWK({ kty, crv, x, y, n, e, k }, alg), { algorithms: [alg] });
    assert.deepEqual(decodeProtectedHeader(jwt), { alg, kid, typ: "JWT" });

    const issuer = await readIssuer(name);
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
