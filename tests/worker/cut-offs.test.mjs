// "Log out everybody": one call of the ledger ends every token of an issuer, or of a subject, that was issued up to a
// time; in every location within the bound, however many shards there are.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { assertActive, assertRevoked, check, subjectOf } from "./harness/asking.mjs";
import { MARZIPAN, WORTH } from "./harness/contracts.mjs";
import { forAll } from "./harness/eventually.mjs";
import { startLocations } from "./harness/locations.mjs";
import { now } from "./harness/tokens.mjs";
import { digestFor } from "./harness/wire.mjs";

const BOUND_MS = 1_005;

/** @param {string} digest @param {number} shards */
const shardOf = (digest, shards) => Number.parseInt(digest.slice(0, 8), 16) % shards;

for (const shards of [1, 3]) {
  test(`an issuer's and a subject's cut-off hold everywhere, with ${shards} shard(s)`, async (t) => {
    const configure = (/** @type {import("./harness/shipped.mjs").Table} */ table) => void (table.ledger = { settling_seconds: 0, shards });
    const { here, there, fresh } = await startLocations(t, ["here", "there", "fresh"], { configure });
    const at = now();
    const of = (/** @type {typeof WORTH} */ contract, /** @type {string} */ sub, /** @type {number} */ iat) => subjectOf(contract, { sub, iat });
    const [jane, john, later, other] = [await of(WORTH, "jane", at - 60), await of(WORTH, "john", at), await of(WORTH, "jane", at + 4), await of(MARZIPAN, "jane", at - 60)];
    const all = [jane, john, later, other];
    for (const freshness of /** @type {const} */ (["strong", "bounded"])) for (const subject of all) assertActive(await check(there, subject, freshness), freshness);

    // Of a subject first: in the shard of its digest.
    const subject = digestFor("worth\nsubject\njane");
    await here.askLedger("Record", [{ digest: subject, scope: "subject", cutOff: at * 1000 + 999 }], shardOf(subject, shards));
    assertRevoked(await check(there, jane, "strong"));
    await sleep(BOUND_MS);
    for (const worker of [there, fresh, here]) {
      assertRevoked(await check(worker, jane));
      for (const active of [john, later, other]) assertActive(await check(worker, active), "bounded");
    }

    // Of an issuer: always in the first shard, whatever its digest, so that every check knows it.
    await here.askLedger("Record", [{ digest: digestFor("worth\nissuer\n"), scope: "issuer", cutOff: at * 1000 + 999 }]);
    assertRevoked(await check(there, john, "strong"));
    await sleep(BOUND_MS);
    for (const worker of [there, fresh, here]) {
      for (const freshness of ["strong", "bounded"]) {
        for (const revoked of await forAll([jane, john], (one) => check(worker, one, freshness))) assertRevoked(revoked);
        for (const active of await forAll([later, other], (one) => check(worker, one, freshness))) assertActive(active);
      }
    }
    // In Workers KV as well, for those who read that alone.
    await here.written();
    for (const revoked of [jane, john]) assertRevoked(await check(there, revoked, "eventual"));
    assert.equal((await here.listed("REVOCATIONS")).length, 2);
  });
}
