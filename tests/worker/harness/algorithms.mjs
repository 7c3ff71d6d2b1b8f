// A fresh key for every algorithm that can be configured, and issuers that have them.
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { base64url, now, sign } from "./tokens.mjs";

/** @typedef {import("./tokens.mjs").Jwk} Jwk */

const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export({ format: "jwk" });

/** @type {Record<string, () => Jwk>} the key's form by the first letters of the algorithm */
const MAKE = {
  HS256: () => ({ kty: "oct", k: base64url(randomBytes(32)) }),
  HS384: () => ({ kty: "oct", k: base64url(randomBytes(48)) }),
  HS512: () => ({ kty: "oct", k: base64url(randomBytes(64)) }),
  // One key for all six: making one takes longer than everything else here, and a JWK's `alg` keeps them apart.
  RS256: () => rsa,
  RS384: () => rsa,
  RS512: () => rsa,
  PS256: () => rsa,
  PS384: () => rsa,
  PS512: () => rsa,
  ES256: () => generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({ format: "jwk" }),
  ES384: () => generateKeyPairSync("ec", { namedCurve: "P-384" }).privateKey.export({ format: "jwk" }),
  EdDSA: () => generateKeyPairSync("ed25519").privateKey.export({ format: "jwk" }),
};

export const ALGORITHMS = Object.keys(MAKE);

/** @param {string} alg @param {string} [kid] @returns {Jwk} with its private members */
export const newKey = (alg, kid = `key-${alg}`) => ({ ...MAKE[alg](), alg, kid });

/** @param {Jwk} jwk @returns {Jwk} */
export const publicHalf = ({ kty, alg, kid, n, e, crv, x, y }) => ({ kty, alg, kid, use: "sig", n, e, crv, x, y });

/** @param {Jwk} jwk */
export const isSymmetric = ({ kty }) => kty === "oct";

/** How an issuer has some keys: public ones in the table, symmetric ones in a secret. @param {Jwk[]} keys @param {string} secret its name */
export function keySettings(keys, secret) {
  const [symmetric, asymmetric] = [keys.filter(isSymmetric), keys.filter((key) => !isSymmetric(key))];
  return {
    settings: {
      algorithms: [...new Set(keys.map(({ alg }) => alg))],
      ...(asymmetric.length > 0 && { jwks: { keys: asymmetric.map(publicHalf) } }),
      ...(symmetric.length > 0 && { secret }),
    },
    bindings: symmetric.length > 0 ? { [secret]: JSON.stringify({ keys: symmetric }) } : {},
  };
}

/** A token that such an issuer takes, when its `iss` and audience are these. @param {Jwk} key @param {Record<string, unknown>} [claims] @param {object} [header] */
export const tokenOf = (key, claims = {}, header = {}) =>
  sign({ alg: key.alg, kid: key.kid, typ: "JWT", ...header }, { iss: "https://issuer.example", aud: "api", iat: now(), exp: now() + 600, ...claims }, key);
