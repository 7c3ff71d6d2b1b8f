// The tokens: of every issuer in tests/wrangler.toml, which have an algorithm each, signed with the development keys. They are
// kept in the system's folder for temporary files, since signing takes longer than most of what is measured.
import { createHash, randomUUID } from "node:crypto";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { readDevelopmentKey } from "../../dev/lib/keys.mjs";
import { step } from "../../dev/lib/progress.mjs";
import { issuerOf } from "../../dev/lib/table.mjs";
import { testTable } from "../../tests/config.mjs";

/** The issuers by algorithm. */
export const ISSUERS = /** @type {const} */ ({
  HS256: "commerce-engine-storefront",
  RS256: "loyaltydog",
  PS256: "worth",
  ES256: "commerce-engine-pos",
  EdDSA: "marzipan",
});
/** @typedef {keyof typeof ISSUERS} Algorithm */
export const ALGORITHMS = /** @type {Algorithm[]} */ (Object.keys(ISSUERS));

/** Where each algorithm's tokens are logged out, as their vendors publish it. @type {Record<Algorithm, string>} */
export const LOGOUT = {
  HS256: "/auth/logout",
  RS256: "/v2/giftcards/customers/logout",
  PS256: "/customer/logout",
  ES256: "/pos/auth/logout",
  EdDSA: "/account/logout",
};

/** The last token of a set is never among those in rotation. @param {string[]} tokens */
export const spare = (tokens) => String(tokens.at(-1));

/** More than the Worker remembers (two generations of 5,000), so that in turn each has been forgotten when it comes again. */
export const TOKENS = 15_000;
/** How many are in rotation where they are to be remembered. */
export const WARM = 256;
const LIFETIME_SECONDS = 7 * 86_400;
const LEAST_SECONDS_LEFT = 86_400;
const FOLDER = join(tmpdir(), "edge-logout-bench");

/** @param {string} token @returns {Record<string, any>} */
export const claimsOf = (token) => JSON.parse(Buffer.from(token.split(".")[1], "base64url").toString());

/** The least claims of an identity provider. @param {import("../../dev/lib/table.mjs").Issuer} issuer @param {number} now */
function payload(issuer, now) {
  const { subject = "sub", session = "sid", token_id: tokenId = "jti" } = issuer.claims ?? {};
  const required = Object.entries(issuer.required_claims ?? {}).map(([name, allowed]) => [name, [allowed].flat()[0]]);
  return {
    iss: [issuer.iss].flat()[0],
    aud: [issuer.audiences].flat()[0],
    [subject]: `user-${randomUUID().slice(0, 8)}`,
    [session]: randomUUID(),
    [tokenId]: randomUUID(),
    iat: now,
    exp: now + LIFETIME_SECONDS,
    ...Object.fromEntries(required),
  };
}

/** @param {object} jwk @param {object[]} payloads @returns {Promise<string[]>} */
async function signAll(jwk, payloads) {
  const share = Math.ceil(payloads.length / availableParallelism());
  const parts = Array.from({ length: Math.ceil(payloads.length / share) }, (_, part) => payloads.slice(part * share, (part + 1) * share));
  const signed = parts.map(async (part) => {
    const [tokens] = await once(new Worker(new URL("sign-thread.mjs", import.meta.url), { workerData: { jwk, payloads: part } }), "message");
    return /** @type {string[]} */ (tokens);
  });
  return (await Promise.all(signed)).flat();
}

/** @param {Algorithm} algorithm @param {number} [count] @returns {Promise<string[]>} */
export async function tokensOf(algorithm, count = TOKENS) {
  const issuer = issuerOf(testTable(), ISSUERS[algorithm]);
  const jwk = await readDevelopmentKey(ISSUERS[algorithm]);
  const now = Math.floor(Date.now() / 1000);
  const name = createHash("sha256").update(JSON.stringify([issuer, jwk, count, LIFETIME_SECONDS])).digest("hex").slice(0, 16);
  const file = join(FOLDER, `${algorithm}-${name}`);
  if (existsSync(file)) {
    const kept = (await readFile(file, "utf8")).split("\n");
    if (kept.length === count && claimsOf(kept[0]).exp > now + LEAST_SECONDS_LEFT) return kept;
  }
  const tokens = await step(`signing ${count} tokens with ${algorithm}`, () => signAll(jwk, Array.from({ length: count }, () => payload(issuer, now))));
  await mkdir(FOLDER, { recursive: true, mode: 0o700 });
  await writeFile(file, tokens.join("\n"));
  return tokens;
}

/** Whoever verifies them knows this of their issuer. @param {Algorithm} algorithm */
export async function verification(algorithm) {
  const issuer = issuerOf(testTable(), ISSUERS[algorithm]);
  const jwk = await readDevelopmentKey(ISSUERS[algorithm]);
  const { kty, kid, n, e, crv, x, y, k } = jwk;
  return {
    KEY: JSON.stringify({ kty, kid, alg: algorithm, use: "sig", n, e, crv, x, y, k }),
    ISSUER: String([issuer.iss].flat()[0]),
    AUDIENCE: String([issuer.audiences].flat()[0]),
    ALGORITHM: String(algorithm),
  };
}
