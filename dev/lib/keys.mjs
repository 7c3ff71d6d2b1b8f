// The development keys in dev/keys. They are published with the source, so whoever has it can sign with them.
import { readFile, readdir } from "node:fs/promises";
import { inRoot } from "./paths.mjs";

/** Worker secret -> issuer whose development key it has in `wrangler dev`. */
export const DEVELOPMENT_SECRETS = Object.freeze({
  COMMERCE_ENGINE_STOREFRONT_KEY: "commerce-engine-storefront",
});

const SUFFIX = ".jwk.json";

/** @typedef {Record<string, string> & { kty: string, kid: string, alg: string }} Jwk */

/**
 * @param {string} issuer
 * @returns {Promise<Jwk>} with its private members
 */
export async function readDevelopmentKey(issuer) {
  return JSON.parse(await readFile(inRoot("dev", "keys", issuer + SUFFIX), "utf8"));
}

export async function issuersWithDevelopmentKey() {
  const files = await readdir(inRoot("dev", "keys"));
  return files.filter((file) => file.endsWith(SUFFIX)).map((file) => file.slice(0, -SUFFIX.length)).sort();
}

/**
 * What makes a key that key, whatever it is called (RFC 7638 hashes the same members). A private key and its public
 * half have the same material.
 * @param {Record<string, unknown>} jwk
 */
export function keyMaterial({ kty, crv, x, y, n, e, k }) {
  return JSON.stringify({ kty, crv, x, y, n, e, k });
}
