// What the Worker is started with: as it is shipped, apart from what a test says.
import { modulesBehind } from "./entry.mjs";
import { FakeKv } from "./fake-kv.mjs";
import { COMPATIBILITY_DATE, NAMESPACES, SCRIPT, shippedBindings, shippedTable } from "./shipped.mjs";
import { SteeredLedger, steeredModules } from "./steered-ledger.mjs";

/** @typedef {import("./shipped.mjs").Table} Table */
/**
 * What differs from what is shipped.
 * @typedef {object} Options
 * @property {(table: Table) => void} [configure] changes the table
 * @property {Record<string, unknown>} [bindings] variables and secrets; undefined removes one
 * @property {Record<string, FakeKv | "simulator" | "missing">} [namespaces] KV by binding
 * @property {string} [persistIn] the folder in which KV and the ledger outlive the Worker
 * @property {"own" | "missing" | SteeredLedger} [ledger] whether it has one, and who steers it
 * @property {string} [entry] a module before the Worker's own
 * @property {number} [settling] seconds until Workers KV has settled
 * @property {Record<string, any>} [services] service bindings: functions and names of workers
 * @property {Record<string, any>} [ratelimits] rate limiting bindings
 * @property {any[]} [beside] other workers
 * @property {number} [port] where it listens; a free one unless said
 */

/** The name of the Worker that has the ledger. */
export const MAIN = "edge-logout";

/** @param {SteeredLedger | "own" | "missing"} ledger @param {string} [entry] */
async function script(ledger, entry) {
  if (entry !== undefined) return { modules: await modulesBehind(entry) };
  if (ledger instanceof SteeredLedger) return { modules: await steeredModules() };
  return { modules: true, scriptPath: SCRIPT, modulesRules: [{ type: /** @type {const} */ ("CompiledWasm"), include: ["**/*.wasm"] }] };
}

/** @param {NonNullable<Options["namespaces"]>} namespaces */
function kvNamespaces(namespaces) {
  const all = { ...Object.fromEntries(NAMESPACES.map((name) => [name, "simulator"])), ...namespaces };
  const bound = Object.entries(all).filter(([, kind]) => kind !== "missing");
  return Object.fromEntries(bound.map(([name, kind]) => [name, kind instanceof FakeKv ? { id: name, remoteProxyConnectionString: /** @type {any} */ (kind.url) } : name]));
}

/** The table. Where there is a ledger, what Workers KV had before is imported at once unless a test says otherwise.
 * @param {Options} options */
export function tableOf({ configure, settling, ledger }) {
  const table = shippedTable();
  const seconds = settling ?? (ledger === "missing" ? undefined : 0);
  if (seconds !== undefined) table.ledger = { settling_seconds: seconds };
  configure?.(table);
  return table;
}

/** A Worker for Miniflare. @param {Options} options @param {string} [name] */
export async function workerOptions(options, name = MAIN) {
  const { bindings, namespaces = {}, ledger = "own", services, ratelimits, port = 0 } = options;
  const all = { ...(await shippedBindings()), EDGE_LOGOUT: tableOf(options), LOCATION: name, ...bindings };
  const elsewhere = name === MAIN ? {} : { scriptName: MAIN };
  return {
    name,
    ...(await script(ledger, options.entry)),
    compatibilityDate: COMPATIBILITY_DATE,
    bindings: JSON.parse(JSON.stringify(all)),
    kvNamespaces: kvNamespaces(namespaces),
    durableObjects: ledger === "missing" ? {} : { LEDGER: { className: "Ledger", useSQLite: true, ...elsewhere } },
    serviceBindings: { ...services, ...(ledger instanceof SteeredLedger && { STEER: ledger.answer }) },
    ...(ratelimits && { ratelimits }),
    unsafeDirectSockets: [{ host: "127.0.0.1", port }],
  };
}
