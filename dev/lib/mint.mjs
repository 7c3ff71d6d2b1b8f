// Tokens for trying things out, signed with the development keys.
import { randomUUID } from "node:crypto";
import { SignJWT, importJWK } from "jose";
import { readIssuer } from "./config.mjs";
import { issuersWithDevelopmentKey, readDevelopmentKey } from "./keys.mjs";
import { Refusal } from "./refusal.mjs";

/** @typedef {import("./config.mjs").Issuer} Issuer */

const ONE_HOUR = 3600;

/** What the tokens of each vendor carry beyond the registered claims. */
const VENDOR_CLAIMS = /** @type {Record<string, (subject: string) => Record<string, unknown>>} */ ({
  "commerce-engine-pos": () => ({ store_id: "development-store", tenant_id: "development-tenant" }),
  "commerce-engine-storefront": (subject) => ({
    store_id: "development-store",
    tenant_id: "development-tenant",
    customer_id: subject,
    email: "shopper@example.com",
    first_name: "Sam",
    last_name: "Shopper",
    is_email_verified: true,
    is_anonymous: false,
    is_logged_in: true,
    channel: { id: "development-channel", name: "Web", type: "web" },
  }),
});

/**
 * @param {Issuer} issuer
 * @param {number} now seconds
 * @param {number} expiresIn seconds
 */
function defaultClaims(issuer, now, expiresIn) {
  const { subject = "sub", session = "sid", token_id: tokenId = "jti" } = issuer.claims ?? {};
  const user = `user-${randomUUID()}`;
  const exp = now + expiresIn;
  const required = Object.entries(issuer.required_claims ?? {}).map(([name, allowed]) => [name, [allowed].flat()[0]]);
  return {
    iss: [issuer.iss].flat()[0],
    aud: [issuer.audiences].flat()[0],
    iat: Math.min(now, exp - 1), // also an expired token was issued before it expired
    exp,
    [tokenId]: randomUUID(),
    [subject]: user,
    [session]: `session-${randomUUID()}`,
    ...Object.fromEntries(required),
    ...VENDOR_CLAIMS[issuer.name]?.(user),
  };
}

/**
 * A token of an issuer in wrangler.toml.
 * @param {string} name
 * @param {object} [options]
 * @param {Record<string, unknown>} [options.claims] replace the usual ones; null removes one
 * @param {number} [options.expiresIn] seconds; negative for an expired token
 */
export async function mint(name, { claims = {}, expiresIn = ONE_HOUR } = {}) {
  const issuer = await readIssuer(name);
  if (!(await issuersWithDevelopmentKey()).includes(name)) {
    throw new Refusal(`There is no development key for \`${name}\` in dev/keys`, 2);
  }
  const jwk = await readDevelopmentKey(name);
  const now = Math.floor(Date.now() / 1000);
  const merged = Object.entries({ ...defaultClaims(issuer, now, expiresIn), ...claims });
  const payload = Object.fromEntries(merged.filter(([, value]) => value !== null && value !== undefined));
  return new SignJWT(payload)
    .setProtectedHeader({ alg: jwk.alg, kid: jwk.kid, typ: "JWT" })
    .sign(await importJWK(jwk, jwk.alg));
}
