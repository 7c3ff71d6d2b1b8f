// A ledger whose storage was put back to an earlier state, while the locations that use it go on: each of them notices,
// whether it was ahead, level or behind, and what the ledger has lost comes back from Workers KV.
import { cp, rm } from "node:fs/promises";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { assertActive, assertRevoked, check, logOut, subjectOf, subjects } from "./harness/asking.mjs";
import { WORTH } from "./harness/contracts.mjs";
import { entryWithLedger } from "./harness/entry.mjs";
import { forAll } from "./harness/eventually.mjs";
import { always } from "./harness/fake-kv.mjs";
import { scratch } from "./harness/scratch.mjs";
import { fakeKv, start } from "./harness/worker.mjs";

/** @typedef {import("./harness/worker.mjs").Worker} Worker */

/** The ledger's shards, as the Workers of another process reach them. */
const WITH_DOOR = `
import Service, { Ledger } from "./index.js";
export { Ledger };

export default {
  async fetch(request, env, context) {
    const { pathname } = new URL(request.url);
    if (!pathname.startsWith("/shards/")) return Service.fetch(request, env, context);
    return new Response(await env.LEDGER.getByName(pathname.slice(8)).ask(new Uint8Array(await request.arrayBuffer())));
  },
};
`;

/** A Worker in another location: it reaches the ledger's process over HTTP. */
const FAR_AWAY = entryWithLedger(`async (env, shard, call) => {
  const response = await env.DOOR.fetch("http://door.invalid/shards/" + shard, { method: "POST", body: call });
  if (!response.ok) throw Object.assign(new Error("the ledger is down"), { retryable: true });
  return new Uint8Array(await response.arrayBuffer());
}`);

for (const shards of [1, 2]) {
  test(`nothing is missed by any location, with ${shards} shard(s)`, async (t) => {
    const [persistIn, backup] = [await scratch(t), await scratch(t)];
    const kv = await fakeKv(t);
    const configure = (/** @type {import("./harness/shipped.mjs").Table} */ table) => void (table.ledger = { settling_seconds: 0, shards });
    const namespaces = { REVOCATIONS: kv };
    const startHost = () => start(t, { entry: WITH_DOOR, persistIn, configure, namespaces });
    let host = await startHost();
    const services = { DOOR: async (/** @type {any} */ request) => host.raw(new URL(request.url).pathname, { method: "POST", body: Buffer.from(await request.arrayBuffer()) }) };
    const [ahead, level, behind] = await Promise.all([1, 2, 3].map(() => start(t, { entry: FAR_AWAY, configure, namespaces, services })));
    const locations = { ahead, level, behind };
    /** @param {Worker} worker @param {import("./harness/asking.mjs").Subject[]} all */
    const assertAllRevoked = async (worker, all) => {
      for (const freshness of ["strong", "bounded"]) for (const got of await forAll(all, (subject) => check(worker, subject, freshness))) assertRevoked(got);
    };

    const [first, kept, lost, after] = await Promise.all([subjects(5), subjects(5), subjects(10), subjects(10)]);
    for (const subject of first) await logOut(host, subject);
    await host.imported();
    await host.written();
    await assertAllRevoked(behind, first);
    for (const subject of kept) await logOut(host, subject);
    await host.written();
    await assertAllRevoked(level, [...first, ...kept]);
    await host.dispose();
    await cp(persistIn, backup, { recursive: true });

    host = await startHost();
    for (const subject of lost) await logOut(host, subject);
    await host.written();
    await assertAllRevoked(ahead, [...first, ...kept, ...lost]);
    await host.dispose();
    await rm(persistIn, { recursive: true });
    await cp(backup, persistIn, { recursive: true });

    host = await startHost();
    // As many as were lost, so that their versions are used again.
    for (const subject of after) await logOut(host, subject);
    for (const [name, worker] of Object.entries(locations)) {
      await t.test(`${name}: all that the ledger has kept and recorded since, at once`, () => assertAllRevoked(worker, [...first, ...kept, ...after]));
      await t.test(`${name}: what Workers KV has`, () => assertAllRevoked(worker, lost));
    }
    await host.imported();
    await sleep(1_005);
    for (const kind of /** @type {const} */ (["bulk", "get", "put", "list"])) kv.on(kind, always({ status: 503 }));
    for (const [name, worker] of Object.entries({ ...locations, host })) {
      await t.test(`${name}: everything without KV once it is imported`, async () => {
        await assertAllRevoked(worker, [...first, ...kept, ...lost, ...after]);
        assertActive(await check(worker, await subjectOf(WORTH), "strong"), "strong");
      });
    }
  });
}
