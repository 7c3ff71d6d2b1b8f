// The ledger's tables, read (and changed) from outside of the runtime.
import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

/** The files of the ledger's objects below a folder: shards, and objects that write for them. @param {string} folder */
export async function objectFiles(folder) {
  if (!existsSync(folder)) return [];
  const paths = await readdir(folder, { recursive: true });
  return paths.filter((path) => path.endsWith(".sqlite") && path.includes("Ledger") && !path.includes("metadata")).map((path) => join(folder, path)).sort();
}

/** The files of the shards in which something is stored. @param {string} folder */
export async function shardFiles(folder) {
  const isShard = (/** @type {string} */ file) => rowsOf(file, "SELECT 1 FROM sqlite_master WHERE name = 'head'").length > 0 && rowsOf(file, "SELECT 1 FROM head").length > 0;
  return (await objectFiles(folder)).filter(isShard);
}

/** The rows of a query. @param {string} file @param {string} query @returns {any[]} */
export function rowsOf(file, query) {
  const database = new DatabaseSync(file, { readOnly: true });
  try {
    return database.prepare(query).all();
  } finally {
    database.close();
  }
}

/** Changes a database while nobody else has it open. @param {string} file @param {string} statements */
export function change(file, statements) {
  const database = new DatabaseSync(file);
  try {
    database.exec(statements);
  } finally {
    database.close();
  }
}

/** What a shard has not written to Workers KV yet, or will write again: digests in hex; undefined while it has not even tried to
 * write everything. @param {string} file @returns {string[] | undefined} */
export function pendingIn(file) {
  const [{ behind }] = rowsOf(file, "SELECT (SELECT coalesce(max(version), 0) FROM log) > (SELECT written FROM head) AS behind");
  return behind ? undefined : rowsOf(file, "SELECT lower(hex(digest)) AS digest FROM pending").map(({ digest }) => digest);
}
