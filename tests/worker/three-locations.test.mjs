// Three locations on one ledger of two shards, with Workers KV as stale as it may be, while the ledger's objects are
// dropped again and again in the middle of calls: no answered logout is missed later than the bound, by anybody.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { assertRevoked, check, subjects } from "./harness/asking.mjs";
import { eventually, forAll } from "./harness/eventually.mjs";
import { startLocations } from "./harness/locations.mjs";
import { StaleKv } from "./harness/stale-kv.mjs";
import { CLOCK_MS } from "./harness/stream.mjs";

const SETTLING_SECONDS = 2;
const SHARDS = 2;
const LOGOUTS = 150;
const CHECKERS = 4;
const BOUND_MS = 1_000;
/** Objects that can be dropped: by a method of a class of the test's own. */
const ENTRY = `
import Service, { Ledger as Real } from "./index.js";

export class Ledger extends Real {
  drop() {
    this.ctx.abort("dropped by the test");
  }
}

export default Service;
`;

test("no answered logout is missed", { timeout: 110_000 }, async (t) => {
  const kv = new StaleKv({ settling: SETTLING_SECONDS * 1000, own: SETTLING_SECONDS * 1000 });
  const configure = (/** @type {import("./harness/shipped.mjs").Table} */ table) => void (table.ledger = { settling_seconds: SETTLING_SECONDS, shards: SHARDS });
  const { here, there, third } = await startLocations(t, ["here", "there", "third"], { kv, configure, entry: ENTRY });
  const places = [here, there, third];
  const records = (await subjects(LOGOUTS)).map((subject) => ({ subject, loggedOut: Infinity }));
  let [isOver, drops, failures, checks] = [false, 0, 0, 0];
  t.after(() => (isOver = true));

  const drop = async () => {
    for (let shard = 0; !isOver; shard = (shard + 1) % SHARDS) {
      await (await here.shard(shard)).drop().catch(() => {});
      drops += 1;
      await sleep(120);
    }
  };
  /** @param {number} first */
  const logsOut = async (first) => {
    for (let place = first; place < records.length; place += 3) {
      const { subject } = records[place];
      for (let isFirst = true; ; isFirst = false) {
        const { status } = await places[place % 3].post(subject.contract.paths[0], subject.logout);
        if (status === 200 || (status === 401 && !isFirst)) break;
        assert.ok(status >= 500, String(status));
        failures += 1;
        await sleep(20);
      }
      records[place].loggedOut = performance.now();
    }
  };
  /** @param {number} number */
  const looks = async (number) => {
    for (let turn = number; !isOver; turn += 1) {
      const record = records[Math.floor(Math.random() * records.length)];
      const [freshness, boundMs] = turn % 3 === 0 ? ["strong", 0] : ["bounded", BOUND_MS];
      const begun = performance.now();
      const { status, text } = await check(places[turn % 3], record.subject, freshness);
      checks += 1;
      assert.ok([200, 401, 503].includes(status), text);
      if (begun > record.loggedOut + boundMs + CLOCK_MS) assert.notEqual(status, 200, `${freshness}: active ${begun - record.loggedOut} ms after its logout`);
    }
  };
  const dropping = drop();
  const looking = Array.from({ length: CHECKERS }, (_, number) => looks(number));
  await Promise.all([0, 1, 2].map(logsOut));
  isOver = true;
  await Promise.all([dropping, ...looking]);
  t.diagnostic(`${drops} objects dropped, ${checks} checks, ${failures} logouts that failed and were tried again`);
  assert.ok(drops > 10);

  for (const worker of places) {
    await eventually("it is known that the ledger is well", async () => (await check(worker, records[0].subject, "strong")).status === 401);
    for (const freshness of ["strong", "bounded"]) for (const got of await forAll(records, ({ subject }) => check(worker, subject, freshness))) assertRevoked(got);
  }
  await here.written(40_000);
  await sleep(SETTLING_SECONDS * 1000);
  for (const worker of places) for (const got of await forAll(records, ({ subject }) => check(worker, subject, "eventual"))) assertRevoked(got);
});
