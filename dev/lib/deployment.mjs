// What must not be in a configuration that is deployed, as far as it can be told from the configuration alone.
import { issuersWithDevelopmentKey, keyMaterial, readDevelopmentKey } from "./keys.mjs";

/** @typedef {Record<string, any>} Table what wrangler has read, or a part of it */

const DEVELOPMENT = "EDGE_LOGOUT_DEVELOPMENT";
const TABLE = "vars.EDGE_LOGOUT";
const DEVELOPMENT_KID = "development-";
const DEVELOPMENT_SECRET = "development-";
const LARGEST_VARIABLE = 5_120;

/**
 * Every object in the table, with the way to it: the same words as in the Worker's own refusals.
 * @param {unknown} value
 * @param {string} path
 * @returns {Generator<{ path: string, object: Table }>}
 */
function* objectsIn(value, path) {
  if (value === null || typeof value !== "object") return;
  if (!Array.isArray(value)) yield { path, object: value };
  for (const [key, item] of Object.entries(value)) {
    yield* objectsIn(item, Array.isArray(value) ? `${path}[${key}]` : `${path}.${key}`);
  }
}

/**
 * The names of the secrets that the table asks for, each once.
 * @param {Table | null} table
 */
export function secretsNamedBy(table) {
  const settings = [...objectsIn(table, TABLE)].flatMap(({ object }) => Object.entries(object));
  // A setting may name several secrets, as while keys rotate.
  const values = settings.filter(([key]) => /(^|_)secret$/.test(key)).flatMap(([, value]) => value);
  // What is no name may be the secret itself, put in the wrong place: that is refused elsewhere, and never printed.
  const names = values.filter((value) => /^\w+$/.test(value));
  return [...new Set(names)].sort();
}

async function developmentMaterial() {
  const keys = await Promise.all((await issuersWithDevelopmentKey()).map(readDevelopmentKey));
  return new Set(keys.map(keyMaterial));
}

/** @param {Set<string>} material @param {Table} jwk */
const isDevelopmentKey = (material, jwk) => material.has(keyMaterial(jwk)) || String(jwk.kid).startsWith(DEVELOPMENT_KID);

/**
 * @param {Table | null} table
 * @returns {Promise<string[]>}
 */
export async function developmentKeysIn(table) {
  const material = await developmentMaterial();
  return [...objectsIn(table, TABLE)]
    .filter(({ object }) => typeof object.kty === "string" && isDevelopmentKey(material, object))
    .map(({ path, object }) => `${path}: \`${object.kid}\` is a development key, which is published in dev/keys: put the issuer's own public key there`);
}

/**
 * @param {Record<string, string | null>} secrets null: set, and nobody can read its value
 * @returns {Promise<string[]>}
 */
export async function developmentSecretsIn(secrets) {
  const material = await developmentMaterial();
  return Object.entries(secrets)
    .filter(([, value]) => value !== null && (value.startsWith(DEVELOPMENT_SECRET) || keysIn(parseObject(value)).some((jwk) => isDevelopmentKey(material, jwk))))
    .map(([name]) => `the secret \`${name}\` is one for development, which is published in dev/: set one of your own`);
}

/** The keys of a JWK set, or the one key that a JWK is. @param {Table} jwks @returns {Table[]} */
const keysIn = (jwks) => (Array.isArray(jwks.keys) ? jwks.keys.map(Object) : [jwks]);

/** @param {Record<string, string | null>} secrets */
export const permissionsIn = (secrets) =>
  DEVELOPMENT in secrets ? [`the secret \`${DEVELOPMENT}\` must not be deployed, since it lets the development keys in: it belongs in .dev.vars`] : [];

/** @param {string} text @returns {Table} */
function parseObject(text) {
  try {
    return Object(JSON.parse(text));
  } catch {
    return {};
  }
}

/** Cloudflare takes variables of 5 KB at the most, and says so only when they arrive. @param {Table | undefined} table */
function tooLarge(table) {
  const bytes = Buffer.byteLength(JSON.stringify(table ?? null));
  return bytes <= LARGEST_VARIABLE ? [] : [`${TABLE} has ${bytes} bytes as JSON, and a variable may have ${LARGEST_VARIABLE}: move keys to Worker secrets and name those in \`secret\``];
}

/** Whether the ledger is bound; without it the Worker keeps revocations in KV alone. @param {Table} config */
export const hasLedger = (config) => /** @type {Table[]} */ (config.durable_objects?.bindings ?? []).some(({ name }) => name === "LEDGER");

/** Guards' upstreams that are no service bindings of this Worker. @param {Table} config @returns {string[]} */
function servicesMissingIn(config) {
  const bound = new Set((config.services ?? []).map((/** @type {Table} */ { binding }) => binding));
  const routes = /** @type {Table[]} */ (Array.isArray(config.vars?.EDGE_LOGOUT?.routes) ? config.vars.EDGE_LOGOUT.routes : []);
  return routes
    .map(({ upstream }) => upstream?.service)
    .filter((service) => typeof service === "string" && !bound.has(service))
    .map((service) => `services: there is no \`${service}\`, which a guard passes requests on to: add one with that binding`);
}

/** @param {Table | null} table @returns {string[]} */
function namespacesNeededBy(table) {
  const routes = /** @type {Table[]} */ (Array.isArray(table?.routes) ? table.routes : []);
  return ["REVOCATIONS", ...routes.map(({ user_directory: directory }) => directory).filter((name) => typeof name === "string")];
}

/**
 * What is missing, stands for something else, or must not be there.
 * @param {Table} config
 * @returns {string[]}
 */
export function placeholdersIn(config) {
  const placeholders = /** @type {Table[]} */ (config.kv_namespaces ?? [])
    .filter(({ id }) => /^0*$/.test(id ?? "none"))
    .map(({ binding }) => `kv_namespaces: \`${binding}\` has a placeholder for its id: put yours there, which \`npx wrangler kv namespace create ${binding}\` prints`);
  const bound = new Set((config.kv_namespaces ?? []).map((/** @type {Table} */ { binding }) => binding));
  const unbound = namespacesNeededBy(config.vars?.EDGE_LOGOUT ?? null)
    .filter((binding) => !bound.has(binding))
    .map((binding) => `kv_namespaces: there is no \`${binding}\`, and an environment does not inherit the others': add one with that binding`);
  placeholders.push(...unbound, ...servicesMissingIn(config), ...tooLarge(config.vars?.EDGE_LOGOUT));
  if (String(config.vars?.[DEVELOPMENT]) !== "true") return placeholders;
  return [...placeholders, `vars.${DEVELOPMENT} must not be deployed, since it lets the development keys in: it belongs in .dev.vars`];
}

/**
 * @param {Table | null} table
 * @param {Record<string, string | null>} secrets
 * @param {string} remedy with NAME for the secret's name
 */
export function missingSecrets(table, secrets, remedy) {
  return secretsNamedBy(table)
    .filter((name) => !(name in secrets))
    .map((name) => `the secret \`${name}\`, which vars.EDGE_LOGOUT names, is not set: ${remedy.replaceAll("NAME", name)}`);
}
