// The Worker as it is shipped: wrangler.toml, what `npm run build` has made, and the secrets that `npm start` sets.
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { parseEnv } from "node:util";
import { parse } from "smol-toml";
import { missingFrom } from "../../../dev/lib/dev-vars.mjs";
import { BUILD, inRoot } from "../../../dev/lib/paths.mjs";

/** @typedef {{ issuers: Record<string, any>[], routes: Record<string, any>[] } & Record<string, unknown>} Table */

export const SCRIPT = join(BUILD, "index.js");

const wrangler = /** @type {any} */ (parse(await readFile(inRoot("wrangler.toml"), "utf8")));

export const COMPATIBILITY_DATE = String(wrangler.compatibility_date);

/** @type {string[]} the names of the KV bindings */
export const NAMESPACES = wrangler.kv_namespaces.map((/** @type {{ binding: string }} */ { binding }) => binding);

/** A table of one's own: to be changed at will. @returns {Table} */
export const shippedTable = () => structuredClone(wrangler.vars.EDGE_LOGOUT);

/** Variables apart from the table, and secrets. @returns {Promise<Record<string, unknown>>} */
export async function shippedBindings() {
  const { EDGE_LOGOUT: _, ...vars } = wrangler.vars;
  return { ...vars, ...parseEnv(await missingFrom("")) };
}

/** @param {Table} table @param {string} name @returns {Record<string, any>} to be changed */
export const issuerIn = (table, name) => found(table.issuers, "name", name);

/** @param {Table} table @param {string} contract @returns {Record<string, any>} to be changed */
export const routeIn = (table, contract) => found(table.routes, "contract", contract);

/** @param {Record<string, any>[]} entries @param {string} member @param {string} value */
function found(entries, member, value) {
  const entry = entries.find((candidate) => candidate[member] === value);
  if (!entry) throw new Error(`wrangler.toml has nothing with ${member} = "${value}"`);
  return entry;
}

if (!existsSync(SCRIPT)) throw new Error(`There is no ${SCRIPT}: run \`npm run build\``);
