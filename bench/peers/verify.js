// Verifying a bearer token with jose, as fast as it can be: the key is imported once for an isolate, and as a CryptoKey,
// since jose would otherwise import a secret at every token. Of Hono's presets, the peers take the one that is fastest for
// their few routes.
import { importJWK, jwtVerify } from "jose";

let known;

async function importKey(env) {
  const jwk = JSON.parse(env.KEY);
  if (jwk.kty !== "oct") return importJWK(jwk, jwk.alg);
  return crypto.subtle.importKey("jwk", jwk, { name: "HMAC", hash: "SHA-256" }, false, ["verify"]);
}

async function prepare(env) {
  const key = await importKey(env);
  return { key, options: { issuer: env.ISSUER, audience: env.AUDIENCE, algorithms: [env.ALGORITHM] } };
}

/** The claims of the request's token, or `null` when it has no good one. */
export async function verified(c) {
  const header = c.req.header("Authorization");
  if (!header?.startsWith("Bearer ")) return null;
  known ??= await prepare(c.env);
  try {
    return (await jwtVerify(header.slice(7), known.key, known.options)).payload;
  } catch {
    return null;
  }
}

export const refused = (c) => c.json({ error: "invalid_token" }, 401);
