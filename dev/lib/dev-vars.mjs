// .dev.vars: the secrets of `wrangler dev`, in the folder of the configuration. It is never committed or deployed.
import { createHash, generateKeyPairSync, randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { appendFile, readFile } from "node:fs/promises";
import { developmentKeys, fits, readDevelopmentKey } from "./keys.mjs";
import { DEVELOPMENT, issuersOf, listed, oneOrMore } from "./table.mjs";
import { devVarsFile } from "./wrangler-config.mjs";

/** @typedef {import("./table.mjs").Table} Table */
/** @typedef {import("./table.mjs").Issuer} Issuer */

/** Refused wherever development keys are. */
export const DEVELOPMENT_CLIENT_SECRET = "development-secret-of-a-client-of-batch-check";

/** Worker secrets with a published value, so that tests and benchmarks can sign without reading any .dev.vars. */
const PUBLISHED_KEYS = /** @type {Record<string, string>} */ ({ COMMERCE_ENGINE_STOREFRONT_KEY: "commerce-engine-storefront" });
const PUBLISHED_TEXTS = /** @type {Record<string, string>} */ ({ BATCH_CHECK_SECRET: DEVELOPMENT_CLIENT_SECRET });

/** The least bytes of a symmetric key. @type {Record<string, number>} */
const SYMMETRIC = { HS256: 32, HS384: 48, HS512: 64 };

/** The public members of a JWK. @param {Record<string, unknown>} jwk */
const publicHalf = ({ kty, crv, x, y, n, e }) => Object.fromEntries(Object.entries({ kty, crv, x, y, n, e }).filter(([, value]) => value !== undefined));

/** A public key for an algorithm. Its private half is dropped, so no token can be signed with it. @param {string} algorithm */
async function publicKeyFor(algorithm) {
  const published = (await developmentKeys()).find((jwk) => fits(jwk, algorithm));
  if (published) return publicHalf(published);
  return generateKeyPairSync("ec", { namedCurve: "P-384" }).publicKey.export({ format: "jwk" });
}

/** A key for a secret that holds keys of an issuer. @param {string} name of the secret @param {Issuer} issuer */
async function keyFor(name, issuer) {
  const [alg = "HS256"] = oneOrMore(issuer.algorithms);
  const bytes = SYMMETRIC[alg];
  const key = bytes === undefined ? await publicKeyFor(alg) : { kty: "oct", k: randomBytes(bytes).toString("base64url") };
  return { ...key, kid: `development-${name.toLowerCase()}`, alg, use: "sig" };
}

/** @param {string} name of a client's secret */
const textFor = (name) => PUBLISHED_TEXTS[name] ?? `development-secret-${createHash("sha256").update(name).digest("hex").slice(0, 32)}`;

/** Every secret that the table names and that has a value for development. @param {Table | null} table @returns {Map<string, () => Promise<string> | string>} */
function valuesFor(table) {
  /** @type {Map<string, () => Promise<string> | string>} */
  const values = new Map();
  for (const issuer of issuersOf(table)) {
    for (const name of oneOrMore(issuer.secret)) values.set(name, async () => JSON.stringify(await keyFor(name, issuer)));
  }
  for (const { secret } of listed(table, "clients")) values.set(secret, () => textFor(secret));
  for (const { session_store: store } of listed(table, "routes")) if (store?.url_secret) values.set(store.url_secret, () => "redis://127.0.0.1:6379");
  for (const [name, issuer] of Object.entries(PUBLISHED_KEYS)) if (values.has(name)) values.set(name, () => publishedKey(issuer));
  return new Map([...values].filter(([name]) => /^[A-Z0-9_]+$/.test(name)));
}

/** @param {string} issuer */
async function publishedKey(issuer) {
  const { development_only: _, ...jwk } = await readDevelopmentKey(issuer);
  return JSON.stringify(jwk);
}

/**
 * What has to be appended to a file that says `present`. What it says is left alone: developers put their own
 * keys in.
 * @param {string} present
 * @param {Table | null} table
 */
export async function missingFrom(present, table) {
  const names = new Set([...present.matchAll(/^[ \t]*(?:export[ \t]+)?(\w+)[ \t]*=/gm)].map(([, name]) => name));
  const lines = [];
  for (const [name, value] of valuesFor(table)) if (!names.has(name)) lines.push(`${name}='${await value()}'\n`);
  // Without it the Worker refuses every key whose `kid` begins with `development-`.
  if (!names.has(DEVELOPMENT)) lines.push(`${DEVELOPMENT}="true"\n`);
  const newline = present === "" || present.endsWith("\n") || lines.length === 0 ? "" : "\n";
  return newline + lines.join("");
}

/**
 * Appends development values for the secrets that the table names and .dev.vars lacks.
 * @param {import("./config-file.mjs").Which} which
 * @param {Table | null} table
 */
export async function ensureDevVars(which, table) {
  const file = devVarsFile(which);
  const present = existsSync(file) ? await readFile(file, "utf8") : "";
  const missing = await missingFrom(present, table);
  if (missing) await appendFile(file, missing, { mode: 0o600 });
}
