// The table of issuers, routes and clients, merged from its parts in variables and secrets, as in the Worker.
import { Refusal } from "./refusal.mjs";

/** @typedef {Record<string, any>} Table wrangler's configuration, or a part of it */
/**
 * @typedef {object} Part
 * @property {string} name of the variable or secret
 * @property {boolean} isSecret
 * @property {unknown} value undefined when a secret's text is not known here, or is no JSON
 * @property {string} [problem] why the value is undefined
 */
/**
 * @typedef {object} Issuer
 * @property {string} name
 * @property {string} [kind]
 * @property {string | string[]} [iss]
 * @property {string | string[]} [audiences]
 * @property {string | string[]} [algorithms]
 * @property {{ keys: Table[] }} [jwks]
 * @property {string | string[]} [secret]
 * @property {string} [jwks_url]
 * @property {string} [discovery_url]
 * @property {Record<string, string>} [claims] names of claims that differ from the default
 * @property {Record<string, string | string[]>} [required_claims]
 */
/** @typedef {{ table: Table, secrets: Record<string, string | null> }} Configured the merged table, and the secrets beside it */

export const DEVELOPMENT = "EDGE_LOGOUT_DEVELOPMENT";
const PREFIX = "EDGE_LOGOUT";
const LISTS = ["issuers", "routes", "clients"];

/** @param {string} name */
const isPart = (name) => name.startsWith(PREFIX) && name !== DEVELOPMENT;

/** @param {unknown} value @returns {value is Table} */
const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);

/** @param {string} name @param {string} text @param {boolean} isSecret @returns {Part} */
function parsed(name, text, isSecret) {
  try {
    const value = JSON.parse(text);
    if (isObject(value)) return { name, isSecret, value };
  } catch {
    // reported below without the parser's message, which would repeat the secret
  }
  return { name, isSecret, value: undefined, problem: "must be a JSON object" };
}

/**
 * The parts in the order of their names. A secret replaces a variable of the same name.
 * @param {Table} config wrangler's configuration
 * @param {Record<string, string | null>} secrets null when one is set and its text is not known here
 * @returns {Part[]}
 */
export function partsOf(config, secrets) {
  const all = Object.keys({ ...config.vars, ...secrets }).filter(isPart).sort();
  return all.map((name) => {
    if (!(name in secrets)) {
      const value = config.vars[name];
      return typeof value === "string" ? parsed(name, value, false) : { name, isSecret: false, value };
    }
    const text = secrets[name];
    if (text === null) return { name, isSecret: true, value: undefined, problem: "is a part of the table, and its text cannot be read back: hand it in with --secrets-file FILE" };
    return parsed(name, text, true);
  });
}

/** The parts by name, as the Worker reads them: those whose values are known. @param {Part[]} parts @returns {Record<string, unknown>} */
export const valuesOf = (parts) => Object.fromEntries(parts.filter(({ value }) => value !== undefined).map(({ name, value }) => [name, value]));

/** The name of a part in findings. @param {Part} part */
export const pathOf = ({ name, isSecret }) => (isSecret ? `the secret ${name}` : `vars.${name}`);

/** Adds one list or setting of a part to the table. @param {Table} table @param {string} key @param {unknown} value */
function add(table, key, value) {
  if (LISTS.includes(key) && Array.isArray(value) && Array.isArray(table[key] ?? [])) table[key] = [...(table[key] ?? []), ...value];
  else table[key] = value;
}

/**
 * One table: `issuers`, `routes` and `clients` of all parts one after the other; anything else may be in one part only.
 * @param {Part[]} parts
 * @returns {{ table: Table | null, findings: string[] }}
 */
export function merged(parts) {
  if (parts.length === 0) return { table: null, findings: [] };
  /** @type {Table} */
  const table = {};
  /** @type {Map<string, Part>} */
  const owners = new Map();
  const findings = [];
  for (const part of parts) {
    const { value, problem = "must be a table" } = part;
    if (!isObject(value)) {
      findings.push(`${pathOf(part)}: ${problem}`);
      continue;
    }
    for (const [key, setting] of Object.entries(value)) {
      const owner = owners.get(key);
      if (owner && !LISTS.includes(key)) findings.push(`${pathOf(part)}.${key}: is in ${pathOf(owner)} as well: keep one of them`);
      owners.set(key, part);
      add(table, key, setting);
    }
  }
  return { table, findings };
}

/** The merged table, as far as it can be read. @param {Table} config @param {Record<string, string | null>} secrets */
export const tableOf = (config, secrets) => merged(partsOf(config, secrets)).table;

/** The elements of a list of the table that are tables; others are ignored. @param {Table | null} table @param {string} list @returns {Table[]} */
export const listed = (table, list) => (Array.isArray(table?.[list]) ? table[list].filter(isObject) : []);

/** One value or a list of them. @template T @param {T | T[] | undefined} value @returns {T[]} */
export const oneOrMore = (value) => (value === undefined ? [] : Array.isArray(value) ? value : [value]);

/** Whether its tokens are JWTs. @param {Table} issuer */
const signs = ({ kind = "jwt" }) => kind === "jwt";

/** The issuers of JWTs. @param {Table | null} table @returns {Issuer[]} */
export const issuersOf = (table) => /** @type {Issuer[]} */ (listed(table, "issuers").filter(signs));

/** @param {Table | null} table @param {string} name @returns {Issuer} */
export function issuerOf(table, name) {
  const issuers = issuersOf(table);
  const issuer = issuers.find((candidate) => candidate.name === name);
  if (issuer) return issuer;
  throw new Refusal(`The table has no issuer of JWTs with the name \`${name}\`. It has: ${issuers.map((candidate) => candidate.name).join(", ") || "none"}`, 2);
}
