// What must not be in a configuration that is deployed, as far as it can be told from the configuration alone.
import { developmentKeys, keyMaterial, keysInText } from "./keys.mjs";
import { RELEASE } from "./release.mjs";
import { DEVELOPMENT, listed, pathOf } from "./table.mjs";

/** @typedef {import("./table.mjs").Table} Table */
/** @typedef {import("./table.mjs").Part} Part */

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
  const settings = [...objectsIn(table, "")].flatMap(({ object }) => Object.entries(object));
  // A setting may name several secrets, as while keys rotate.
  const values = settings.filter(([key]) => /(^|_)secret$/.test(key)).flatMap(([, value]) => value);
  // What is no name may be the secret itself, put in the wrong place: that is refused elsewhere, and never printed.
  const names = values.filter((value) => /^\w+$/.test(value));
  return [...new Set(names)].sort();
}

async function developmentMaterial() {
  return new Set((await developmentKeys()).map(keyMaterial));
}

/** @param {Set<string>} material @param {Table} jwk */
const isDevelopmentKey = (material, jwk) => material.has(keyMaterial(jwk)) || String(jwk.kid).startsWith(DEVELOPMENT_KID);

/**
 * @param {Part[]} parts
 * @returns {Promise<string[]>}
 */
export async function developmentKeysIn(parts) {
  const material = await developmentMaterial();
  return parts
    .flatMap((part) => [...objectsIn(part.value, pathOf(part))].map((found) => ({ ...found, owner: ownerOf(part, found.path) })))
    .filter(({ object }) => typeof object.kty === "string" && isDevelopmentKey(material, object))
    .map(({ path, object, owner }) => `${path}${owner}: \`${object.kid}\` is a development key, which is published in dev/keys: put the issuer's own public key there`);
}

/** The issuer that a path leads into, as the Worker's own refusals name it. @param {import("./table.mjs").Part} part @param {string} path */
function ownerOf(part, path) {
  const index = /\.issuers\[(\d+)\]/.exec(path)?.[1];
  const name = index === undefined ? undefined : /** @type {any} */ (part.value)?.issuers?.[Number(index)]?.name;
  return typeof name === "string" ? ` (issuer "${name}")` : "";
}

/**
 * @param {Record<string, string | null>} secrets null: set, and nobody can read its value
 * @returns {Promise<string[]>}
 */
export async function developmentSecretsIn(secrets) {
  const material = await developmentMaterial();
  return Object.entries(secrets)
    .filter(([, value]) => value !== null && (value.startsWith(DEVELOPMENT_SECRET) || keysInText(value).some((jwk) => isDevelopmentKey(material, jwk))))
    .map(([name]) => `the secret \`${name}\` is one for development, which is published in dev/: set one of your own`);
}

/** @param {Record<string, string | null>} secrets */
export const permissionsIn = (secrets) =>
  DEVELOPMENT in secrets ? [`the secret \`${DEVELOPMENT}\` must not be deployed, since it lets the development keys in: it belongs in .dev.vars`] : [];

/** @param {unknown} value of a variable */
const bytesOf = (value) => Buffer.byteLength(typeof value === "string" ? value : JSON.stringify(value ?? null));

/** Cloudflare refuses larger variables, but only at the deployment. @param {Table} vars @returns {string[]} */
const tooLarge = (vars) =>
  Object.entries(vars)
    .map(([name, value]) => ({ name, bytes: bytesOf(value) }))
    .filter(({ bytes }) => bytes > LARGEST_VARIABLE)
    .map(({ name, bytes }) => `vars.${name} has ${bytes} bytes as JSON, and a variable may have ${LARGEST_VARIABLE}: move some of it to another variable, such as vars.EDGE_LOGOUT_2, or keys to Worker secrets that \`secret\` names`);

/** Whether the ledger is bound; without it the Worker keeps revocations in KV alone. @param {Table} config */
export const hasLedger = (config) => /** @type {Table[]} */ (config.durable_objects?.bindings ?? []).some(({ name }) => name === "LEDGER");

/** Services of guards that are not bound to this Worker. @param {Table} config @param {Table | null} table @returns {string[]} */
function servicesMissingIn(config, table) {
  const bound = new Set((config.services ?? []).map((/** @type {Table} */ { binding }) => binding));
  return listed(table, "routes")
    .map(({ upstream }) => upstream?.service)
    .filter((service) => typeof service === "string" && !bound.has(service))
    .map((service) => `services: there is no \`${service}\`, which a guard passes requests on to: add one with that binding`);
}

/** @param {Table | null} table @returns {string[]} */
function namespacesNeededBy(table) {
  return [...RELEASE.namespaces, ...listed(table, "routes").map(({ user_directory: directory }) => directory).filter((name) => typeof name === "string")];
}

/**
 * What is missing, stands for something else, or must not be there.
 * @param {Table} config
 * @param {Table | null} table
 * @returns {string[]}
 */
export function placeholdersIn(config, table) {
  const placeholders = /** @type {Table[]} */ (config.kv_namespaces ?? [])
    .filter(({ id }) => /^0*$/.test(id ?? "none"))
    .map(({ binding }) => `kv_namespaces: \`${binding}\` has a placeholder for its id: put yours there, which \`npx wrangler kv namespace create ${binding}\` prints`);
  const bound = new Set((config.kv_namespaces ?? []).map((/** @type {Table} */ { binding }) => binding));
  const unbound = namespacesNeededBy(table)
    .filter((binding) => !bound.has(binding))
    .map((binding) => `kv_namespaces: there is no \`${binding}\`, and an environment does not inherit the others': add one with that binding`);
  placeholders.push(...unbound, ...servicesMissingIn(config, table), ...tooLarge(config.vars ?? {}));
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
    .map((name) => `the secret \`${name}\`, which the table names, is not set: ${remedy.replaceAll("NAME", name)}`);
}
