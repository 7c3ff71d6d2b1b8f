// Tokens: good ones from dev/lib, and those that no library would make.
import { constants, createHmac, createPrivateKey, sign as signBytes } from "node:crypto";
import { readDevelopmentKey } from "../../../dev/lib/keys.mjs";
import { mint as mintFor } from "../../../dev/lib/mint.mjs";
import { CONFIGURED } from "../../config.mjs";

export { readDevelopmentKey };

/** A good token of an issuer in the tests' table. @param {string} name @param {Parameters<typeof mintFor>[2]} [options] */
export const mint = (name, options) => mintFor(CONFIGURED, name, options);

/** @typedef {Record<string, any>} Jwk */

/** @param {string | Uint8Array} data */
export const base64url = (data) => Buffer.from(data).toString("base64url");

/** @param {string} part @returns {Buffer} */
export const fromBase64url = (part) => Buffer.from(part, "base64url");

export const now = () => Math.floor(Date.now() / 1000);

/** @param {string} alg @param {Jwk} jwk private or symmetric @param {string} input @returns {Buffer} */
export function signature(alg, jwk, input) {
  const hash = `sha${alg.slice(2)}`;
  if (alg.startsWith("HS")) return createHmac(hash, fromBase64url(jwk.k)).update(input).digest();
  const key = createPrivateKey({ key: jwk, format: "jwk" });
  const data = Buffer.from(input);
  switch (alg.slice(0, 2)) {
    case "RS":
      return signBytes(hash, data, key);
    case "PS":
      return signBytes(hash, data, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST });
    case "ES":
      return signBytes(hash, data, { key, dsaEncoding: "ieee-p1363" });
    default:
      return signBytes(null, data, key);
  }
}

/** @param {object | string} part JSON text, or what becomes it */
const encoded = (part) => base64url(typeof part === "string" ? part : JSON.stringify(part));

/**
 * A token of exactly this header and this payload, however wrong.
 * @param {object | string} header
 * @param {object | string} payload
 * @param {Jwk} jwk
 * @param {string} [alg] of the signature, whatever the header says
 */
export function sign(header, payload, jwk, alg = jwk.alg) {
  const input = `${encoded(header)}.${encoded(payload)}`;
  return `${input}.${base64url(signature(alg, jwk, input))}`;
}

/** @param {string} token @returns {[header: string, payload: string, signature: string]} */
export const parts = (token) => /** @type {any} */ (token.split("."));

/** @param {string} token @returns {Record<string, any>} */
export const claimsOf = (token) => JSON.parse(fromBase64url(parts(token)[1]).toString());

/** @param {string} token @returns {Record<string, any>} */
export const headerOf = (token) => JSON.parse(fromBase64url(parts(token)[0]).toString());

/** The same token under another header, signed again. @param {string} token @param {Record<string, unknown>} header @param {Jwk} jwk @param {string} [alg] */
export const withHeader = (token, header, jwk, alg) => sign({ ...headerOf(token), ...header }, claimsOf(token), jwk, alg);
