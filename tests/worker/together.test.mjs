// What checks of one isolate share: a sync serves all that began before it was asked for, and nobody waits for one that
// hangs, or for a client that is gone.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { CLIENT_SECRET, assertActive, assertRevoked, check, logOut, subjectOf, subjects } from "./harness/asking.mjs";
import { WORTH } from "./harness/contracts.mjs";
import { eventually, forAll, gate } from "./harness/eventually.mjs";
import { times } from "./harness/fake-kv.mjs";
import { startLocations } from "./harness/locations.mjs";
import { SteeredLedger } from "./harness/steered-ledger.mjs";

const AT_ONCE = 100;

/** @param {import("./harness/worker.mjs").Owner} owner @param {number} [shards] */
async function start(owner, shards = 1) {
  const ledger = new SteeredLedger();
  const configure = (/** @type {import("./harness/shipped.mjs").Table} */ table) => void (table.ledger = { settling_seconds: 0, shards });
  const places = await startLocations(owner, ["here", "there"], { ledger, configure });
  await places.here.imported();
  return { ledger, ...places };
}

test("a hundred strong checks that wait for one sync take one more", async (t) => {
  const { ledger, here, there } = await start(t);
  const [known, ended] = [await subjects(AT_ONCE), await subjectOf(WORTH)];
  assertActive(await check(there, ended, "strong"), "strong");
  ledger.reset();
  const { opened, open } = gate();
  t.after(open);
  // The first of them is under way, and has been for a short time only, while all others come.
  ledger.on("Sync", ({ from }) => (from === "there" && ledger.count("Sync", "there") === 1 ? { until: opened } : undefined));
  const first = check(there, known[0], "strong");
  await eventually("it syncs", () => ledger.count("Sync", "there") === 1);
  await logOut(here, ended);
  const others = [...known.slice(1), ended].map((subject) => check(there, subject, "strong"));
  await sleep(300);
  open();
  const answers = await Promise.all([first, ...others]);
  assertRevoked(/** @type {any} */ (answers.pop()));
  for (const got of answers) assertActive(got, "strong");
  // Those that came late on a slow machine, and what was synced behind answers.
  assert.ok(ledger.count("Sync", "there") <= AT_ONCE / 5, `${ledger.count("Sync", "there")} syncs`);
});

for (const shards of [1, 4]) {
  test(`few syncs are under way at once, however many strong checks there are, with ${shards} shard(s)`, async (t) => {
    const { ledger, there } = await start(t, shards);
    const known = await subjects(AT_ONCE);
    /** @type {Record<string, number>} */
    const now = {};
    let most = 0;
    ledger.on("Sync", ({ shard, from }) => {
      if (from !== "there") return undefined;
      now[shard] = (now[shard] ?? 0) + 1;
      most = Math.max(most, now[shard]);
      return { until: sleep(20).then(() => (now[shard] -= 1)) };
    });
    for (let round = 0; round < 3; round += 1) for (const got of await forAll(known, (subject) => check(there, subject, "strong"), AT_ONCE)) assertActive(got, "strong");
    assert.ok(most <= 2, `${most} at once of one shard`);
    assert.ok(ledger.count("Sync", "there") < (3 * AT_ONCE * shards) / 3, `${ledger.count("Sync", "there")} syncs`);
  });
}

test("a sync that hangs holds nobody up but whoever has asked for it", async (t) => {
  const { ledger, there } = await start(t);
  const known = await subjects(20);
  ledger.on("Sync", times(1, { hang: true }));
  const first = check(there, known[0], "strong");
  await eventually("it syncs", () => ledger.count("Sync", "there") > 0);
  for (const got of await forAll(known.slice(1), (subject) => check(there, subject, "strong"))) assertActive(got, "strong");
  assert.ok([200, 503].includes((await first).status));
});

test("a client that is gone holds nobody up", async (t) => {
  const { ledger, there } = await start(t);
  const known = await subjects(20);
  ledger.on("Sync", times(1, { until: sleep(400) }));
  const headers = { authorization: `Bearer ${(await subjectOf(WORTH)).token}`, "x-edge-logout-client": CLIENT_SECRET };
  const client = new AbortController();
  const gone = there.raw("/check?freshness=strong", { headers, signal: client.signal }).catch(() => {});
  await eventually("it syncs", () => ledger.count("Sync", "there") > 0);
  const others = forAll(known, (subject) => check(there, subject, "strong"));
  client.abort();
  await gone;
  for (const got of await others) assertActive(got, "strong");
});
