// A log that has been sealed: every location finds what is revoked, by segments from Workers KV, by the shard where it
// has none, and by neither where a segment rules a token out.
import assert from "node:assert/strict";
import { test } from "node:test";
import { CLIENT_SECRET, batch } from "./harness/asking.mjs";
import { eventually, forAll } from "./harness/eventually.mjs";
import { startLocations } from "./harness/locations.mjs";
import { SteeredLedger } from "./harness/steered-ledger.mjs";
import { digestFor } from "./harness/wire.mjs";
import { fakeKv } from "./harness/worker.mjs";

/** @typedef {import("./harness/worker.mjs").Worker} Worker */

const ISSUER = "loyaltydog-sessions";
const RECORDED = 10_000;
const AT_ONCE = 1_000;
const BATCH = 100;
/** The log is sealed when it has so many entries. */
const SEALED = 4_096;

/** @param {string} session */
const digestOfSession = (session) => digestFor(`${ISSUER}\ntoken\nopaque:${session}`);

/** @param {string} kind @param {number} count */
const sessions = (kind, count) => Array.from({ length: count }, (_, index) => `${kind}-${index}`);

/** Asks for all of them, and gives those of which another status was told. @param {Worker} worker @param {string[]} tokens @param {string} freshness @param {string} status */
async function others(worker, tokens, freshness, status) {
  const batches = Array.from({ length: Math.ceil(tokens.length / BATCH) }, (_, index) => tokens.slice(index * BATCH, (index + 1) * BATCH));
  const found = await forAll(batches, async (some) => {
    const got = await batch(worker, { tokens: some, issuer: ISSUER, freshness }, CLIENT_SECRET);
    assert.equal(got.json?.verdicts?.length, some.length, got.text);
    return some.filter((_, index) => got.json.verdicts[index].status !== status);
  }, 3);
  return found.flat();
}

test("ten thousand revocations, sealed: found by every location, whatever it has of the segments", { timeout: 240_000 }, async (t) => {
  const kv = await fakeKv(t);
  const ledger = new SteeredLedger();
  const { here, plain, without, damaged } = await startLocations(t, ["here", "plain", "without", "damaged"], { ledger, namespaces: { REVOCATIONS: kv } });
  const [ended, active] = [sessions("ended", RECORDED), sessions("active", 1_000)];
  for (let place = 0; place < RECORDED; place += AT_ONCE) {
    const records = ended.slice(place, place + AT_ONCE).map((session) => ({ digest: digestOfSession(session), issuer: ISSUER, scope: /** @type {const} */ ("token") }));
    assert.equal((await here.askLedger("Record", records)).kind, "Recorded");
  }
  await here.written(120_000);
  const { segments } = await eventually("the log is sealed", async () => {
    const { directory, entries } = await here.sync();
    return entries.length < SEALED && directory;
  }, 30_000);
  assert.ok(segments.reduce((sum, segment) => sum + segment.entries, 0) > RECORDED - SEALED);
  await here.imported();
  const keys = segments.map(({ name }) => `segment:v1:${name}`);
  await eventually("the segments are in KV", () => keys.every((key) => kv.entries.has(key)));

  /** How often a location has asked shards since. @param {import("./harness/wire.mjs").Kind} kind @param {string} from */
  const calls = (kind, from) => ledger.count(kind, from);
  /** Until all filters are there, every cold token takes a confirmation. @param {Worker} worker @param {string} name */
  const loaded = (worker, name) => eventually(`${name} has the segments`, async () => {
    const before = calls("Confirm", name);
    await others(worker, sessions(`cold ${Math.random()}`, BATCH), "strong", "active");
    return calls("Confirm", name) === before;
  }, 30_000);

  const readings = () => kv.operations.filter(({ kind, keys: [key] }) => kind === "get" && key.startsWith("segment:")).length;
  assert.deepEqual(await others(plain, ended, "strong", "revoked"), []);
  await loaded(plain, "plain");
  assert.ok(readings() >= keys.length);
  assert.equal(calls("Segment", "plain"), 0, "all segments came from KV");

  kv.on("get", ({ keys: [key] }) => (key.startsWith("segment:") ? { status: 404 } : undefined));
  assert.deepEqual(await others(without, ended, "bounded", "revoked"), []);
  await loaded(without, "without");
  assert.ok(calls("Segment", "without") >= keys.length, "segments that KV does not have come from the shard");

  kv.heal();
  for (const key of keys) {
    const entry = kv.entries.get(key);
    const bytes = Buffer.from(entry?.bytes ?? entry?.value ?? "");
    bytes[bytes.length >> 1] ^= 0xff;
    Object.assign(/** @type {any} */ (entry), { bytes });
  }
  assert.deepEqual(await others(damaged, ended, "strong", "revoked"), []);
  await loaded(damaged, "damaged");
  assert.ok(calls("Segment", "damaged") >= keys.length, "a segment that is damaged is none");

  for (const [name, worker] of Object.entries({ plain, without, damaged })) {
    for (const freshness of ["strong", "bounded"]) {
      assert.deepEqual(await others(worker, ended, freshness, "revoked"), [], name);
      const before = calls("Confirm", name);
      assert.deepEqual(await others(worker, active, freshness, "active"), [], name);
      // One cold token in a hundred, which is one batch in a hundred tokens at most.
      assert.ok(calls("Confirm", name) - before <= active.length / 100, `${name}: ${calls("Confirm", name) - before} confirmations`);
    }
  }
});
