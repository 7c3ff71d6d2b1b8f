// The Worker as `npm run build` has made it, with the tests' own configuration and the secrets that `npm start` would set.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { BUILD } from "../../../dev/lib/paths.mjs";
import { CONFIG, SECRETS, testTable } from "../../config.mjs";

export { COMPATIBILITY_DATE } from "../../config.mjs";

/** @typedef {import("../../config.mjs").Table} Table */

export const SCRIPT = join(BUILD, "index.js");

/** @type {string[]} the names of the KV bindings */
export const NAMESPACES = CONFIG.kv_namespaces.map((/** @type {{ binding: string }} */ { binding }) => binding);

/** A table of one's own: to be changed at will. @returns {Table} */
export const shippedTable = testTable;

/** Variables apart from the table, and secrets. @returns {Promise<Record<string, unknown>>} */
export async function shippedBindings() {
  const { EDGE_LOGOUT: _, ...vars } = CONFIG.vars;
  return { ...vars, ...SECRETS };
}

/** @param {Table} table @param {string} name @returns {Record<string, any>} to be changed */
export const issuerIn = (table, name) => found(table.issuers, "name", name);

/** @param {Table} table @param {string} contract @returns {Record<string, any>} to be changed */
export const routeIn = (table, contract) => found(table.routes, "contract", contract);

/** @param {Record<string, any>[]} entries @param {string} member @param {string} value */
function found(entries, member, value) {
  const entry = entries.find((candidate) => candidate[member] === value);
  if (!entry) throw new Error(`tests/wrangler.toml has nothing with ${member} = "${value}"`);
  return entry;
}

if (!existsSync(SCRIPT)) throw new Error(`There is no ${SCRIPT}: run \`npm run build\``);
