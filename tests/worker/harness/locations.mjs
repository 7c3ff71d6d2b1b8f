// Several instances of the Worker with one ledger, each with a memory and a view of Workers KV of its own, as two of
// Cloudflare's locations have; or with one view, as two isolates of one location.
import { MAIN, workerOptions } from "./options.mjs";
import { Worker } from "./worker.mjs";

/** @typedef {import("./worker.mjs").Owner} Owner */
/** @typedef {import("./options.mjs").Options} Options */

/**
 * Locations by name. The first one has the ledger, and so writes KV.
 * @template {string} Name
 * @param {Owner} owner
 * @param {Name[]} names
 * @param {Options & { kv?: import("./stale-kv.mjs").StaleKv, isOneLocation?: boolean }} options
 */
export async function startLocations(owner, names, { kv, isOneLocation = false, ...options }) {
  const host = new Worker();
  owner.after(() => host.dispose());
  const views = kv && (await Promise.all(names.map(() => kv.location(owner))));
  const workers = await Promise.all(names.map(async (name, index) => {
    const namespaces = views ? { REVOCATIONS: views[isOneLocation ? 0 : index] } : options.namespaces;
    // The Cache API is one location's.
    return { ...(await workerOptions({ ...options, namespaces }, index === 0 ? MAIN : name)), cache: isOneLocation };
  }));
  await host.run(options, workers);
  const found = await Promise.all(names.map(async (name, index) => {
    const worker = new Worker();
    Object.assign(worker, { logs: host.logs, miniflare: host.miniflare, folder: host.folder });
    worker.configure(options);
    if (kv) worker.kv = kv;
    return [name, await worker.at(index === 0 ? MAIN : name)];
  }));
  return /** @type {Record<Name, Worker>} */ (Object.fromEntries(found));
}
