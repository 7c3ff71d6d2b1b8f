// The development keys in dev/keys, which are published with the source, and other keys that tokens can be signed with.
import { readFile, readdir } from "node:fs/promises";
import { inRoot } from "./paths.mjs";
import { oneOrMore } from "./table.mjs";

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

export const developmentKeys = async () => Promise.all((await issuersWithDevelopmentKey()).map(readDevelopmentKey));

/**
 * What makes a key that key, whatever it is called (RFC 7638 hashes the same members). A private key and its public
 * half have the same material.
 * @param {Record<string, unknown>} jwk
 */
export function keyMaterial({ kty, crv, x, y, n, e, k }) {
  return JSON.stringify({ kty, crv, x, y, n, e, k });
}

/** @param {string} algorithm @returns {string} the type of its keys */
const keyTypeOf = (algorithm) => ({ H: "oct", R: "RSA", P: "RSA", E: algorithm === "EdDSA" ? "OKP" : "EC" })[String(algorithm)[0]] ?? "";

/** @type {Record<string, string>} */
const CURVES = { ES256: "P-256", ES384: "P-384", EdDSA: "Ed25519" };

/** Whether a key can sign with an algorithm. @param {Record<string, unknown>} jwk @param {string} algorithm */
export const fits = (jwk, algorithm) => jwk.kty === keyTypeOf(algorithm) && (CURVES[algorithm] === undefined || jwk.crv === CURVES[algorithm]);

/** The keys of a JWK set, or the one key that a JWK is. @param {any} jwks @returns {Record<string, any>[]} */
export const keysIn = (jwks) => (Array.isArray(jwks?.keys) ? jwks.keys.map(Object) : jwks?.kty ? [jwks] : []);

/** The keys in a secret's text, if there are any. @param {string | null | undefined} text */
export function keysInText(text) {
  try {
    return keysIn(JSON.parse(text ?? "null"));
  } catch {
    return [];
  }
}

/**
 * A key that signs tokens of an issuer: a symmetric one of its own, or the private half of one in dev/keys.
 * @param {import("./table.mjs").Issuer} issuer
 * @param {Record<string, string | null>} secrets
 * @returns {Promise<Record<string, any> | undefined>} with the `alg` to sign with
 */
export async function signingKeyOf(issuer, secrets) {
  const published = new Map((await developmentKeys()).map((jwk) => [keyMaterial(jwk), jwk]));
  const inSecrets = oneOrMore(issuer.secret).flatMap((name) => keysInText(secrets[name]));
  for (const jwk of [...keysIn(issuer.jwks), ...inSecrets]) {
    const signing = jwk.kty === "oct" ? jwk : published.get(keyMaterial(jwk));
    const alg = oneOrMore(issuer.algorithms).find((algorithm) => fits(jwk, algorithm) && (jwk.alg ?? algorithm) === algorithm);
    if (signing && alg) return { ...signing, kid: jwk.kid, alg };
  }
  return undefined;
}
