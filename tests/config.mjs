// The configuration of the tests and benchmarks, with the secrets that `npm start` would set.
import { readFileSync } from "node:fs";
import { parseEnv } from "node:util";
import { parse } from "smol-toml";
import { missingFrom } from "../dev/lib/dev-vars.mjs";
import { inRoot } from "../dev/lib/paths.mjs";

/** @typedef {{ issuers: Record<string, any>[], routes: Record<string, any>[] } & Record<string, unknown>} Table */

export const CONFIG_FILE = inRoot("tests", "wrangler.toml");

/** What wrangler reads there. */
export const CONFIG = /** @type {any} */ (parse(readFileSync(CONFIG_FILE, "utf8")));

export const COMPATIBILITY_DATE = String(CONFIG.compatibility_date);

/** A table of one's own: to be changed at will. @returns {Table} */
export const testTable = () => structuredClone(CONFIG.vars.EDGE_LOGOUT);

/** @type {Record<string, string>} */
export const SECRETS = /** @type {any} */ (parseEnv(await missingFrom("", testTable())));

/** For `mint`. */
export const CONFIGURED = { table: testTable(), secrets: SECRETS };
