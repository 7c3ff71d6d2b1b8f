// Configurations in temporary folders, so that the tests do not depend on the deployer's files.
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { inRoot } from "../lib/paths.mjs";

/** @typedef {{ after: (hook: () => unknown) => void }} Owner a test's context, or node:test itself for a whole file */

/** @param {Owner} owner */
export async function folder(owner) {
  const path = await mkdtemp(join(tmpdir(), "edge-logout-dev-"));
  owner.after(() => rm(path, { recursive: true, force: true }));
  return path;
}

/** What a configuration needs besides its table, in a folder elsewhere. @param {string} path the folder @param {string} [settings] at the top */
const product = (path, settings = "") => `name = "shop-logout"
main = "${relative(path, inRoot("build", "index.js"))}"
compatibility_date = "2026-07-30"
no_bundle = true
workers_dev = false
preview_urls = false
${settings}
[build]
command = "node dev/build.mjs"
watch_dir = "${relative(path, inRoot("src"))}"

[[kv_namespaces]]
binding = "REVOCATIONS"
id = "06779da6940b431db6e566b4846d64db"

[[durable_objects.bindings]]
name = "LEDGER"
class_name = "Ledger"

[[migrations]]
tag = "v1"
new_sqlite_classes = ["Ledger"]
`;

/**
 * A configuration file outside of the project's folder.
 * @param {Owner} owner
 * @param {string} table TOML
 * @param {string} [settings] at the top of the file
 */
export async function configWith(owner, table, settings) {
  const path = await folder(owner);
  const file = join(path, "shop.toml");
  await writeFile(file, `${product(path, settings)}\n${table}`);
  return file;
}

/** The table that README.md shows. */
export async function tableOfReadme() {
  const blocks = (await readFile(inRoot("README.md"), "utf8")).matchAll(/```toml\n([^]*?)```/g);
  const table = [...blocks].map(([, text]) => text).find((text) => text.includes("[[vars.EDGE_LOGOUT.issuers]]"));
  if (!table) throw new Error("README.md shows no table");
  return table;
}

/** The table of the tests, as TOML. */
export async function tableOfTests() {
  const text = await readFile(inRoot("tests", "wrangler.toml"), "utf8");
  return text.slice(text.indexOf("[[vars.EDGE_LOGOUT.issuers]]"));
}
