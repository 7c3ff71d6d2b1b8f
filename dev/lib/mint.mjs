// Tokens for trying things out, signed with the development keys.
import { randomUUID } from "node:crypto";
import { SignJWT, importJWK } from "jose";
import { signingKeyOf } from "./keys.mjs";
import { Refusal } from "./refusal.mjs";
import { issuerOf, listed } from "./table.mjs";

/** @typedef {import("./table.mjs").Issuer} Issuer */
/** @typedef {import("./table.mjs").Configured} Configured */

const ONE_HOUR = 3600;

/** The store in example requests: a token's `store_id` must be that of the path. */
export const STORE = "development-store";

/** What the tokens of each contract carry beyond the registered claims. */
const VENDOR_CLAIMS = /** @type {Record<string, (subject: string) => Record<string, unknown>>} */ ({
  "commerce-engine-pos": () => ({ store_id: STORE, tenant_id: "development-tenant" }),
  "commerce-engine-storefront": (subject) => ({
    store_id: STORE,
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
 * @param {string[]} contracts whose routes take its tokens
 * @param {number} now seconds
 * @param {number} expiresIn seconds
 */
function defaultClaims(issuer, contracts, now, expiresIn) {
  const { subject = "sub", session = "sid", token_id: tokenId = "jti" } = issuer.claims ?? {};
  const user = `user-${randomUUID()}`;
  const exp = now + expiresIn;
  const required = Object.entries(issuer.required_claims ?? {}).map(([name, allowed]) => [name, [allowed].flat()[0]]);
  return {
    iss: [issuer.iss].flat()[0],
    aud: [issuer.audiences].flat()[0], // absent where the issuer has none, as `iss`
    iat: Math.min(now, exp - 1), // also an expired token was issued before it expired
    exp,
    [tokenId]: randomUUID(),
    [subject]: user,
    [session]: `session-${randomUUID()}`,
    ...Object.assign({}, ...contracts.map((contract) => VENDOR_CLAIMS[contract]?.(user))),
    ...Object.fromEntries(required),
  };
}

/**
 * A token of an issuer in the table.
 * @param {Configured} configured
 * @param {string} name
 * @param {object} [options]
 * @param {Record<string, unknown>} [options.claims] replace the usual ones; null removes one
 * @param {number} [options.expiresIn] seconds; negative for an expired token
 */
export async function mint({ table, secrets }, name, { claims = {}, expiresIn = ONE_HOUR } = {}) {
  const issuer = issuerOf(table, name);
  const jwk = await signingKeyOf(issuer, secrets);
  if (!jwk) {
    throw new Refusal(`Tokens of \`${name}\` cannot be signed here: its keys are neither in dev/keys nor symmetric ones in .dev.vars. Get a token where its users log in`, 2);
  }
  const contracts = listed(table, "routes").filter((route) => route.issuer === name).map(({ contract }) => String(contract));
  const now = Math.floor(Date.now() / 1000);
  const all = Object.entries({ ...defaultClaims(issuer, contracts, now, expiresIn), ...claims });
  const payload = Object.fromEntries(all.filter(([, value]) => value !== null && value !== undefined));
  return new SignJWT(payload)
    .setProtectedHeader({ alg: jwk.alg, ...(jwk.kid && { kid: jwk.kid }), typ: "JWT" })
    .sign(await importJWK(jwk, jwk.alg));
}
