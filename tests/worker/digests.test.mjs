// Digests under a Worker secret: nobody who reads Workers KV can find a user by guessing, and the secret can be rotated.
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { test } from "node:test";
import { assertActive, assertRevoked, check, logOut, subjectOf, withoutSession } from "./harness/asking.mjs";
import { CONTRACTS, LOYALTYDOG } from "./harness/contracts.mjs";
import { forAll } from "./harness/eventually.mjs";
import { scratch } from "./harness/scratch.mjs";
import { digestFor, digestOf } from "./harness/wire.mjs";
import { start } from "./harness/worker.mjs";

const SECRETS = { FIRST: "a first secret that is as long as it must be", SECOND: "a second secret that is as long as it must be" };

/** @param {Record<string, string> | undefined} digests */
const configured = (digests) => ({
  bindings: SECRETS,
  configure: (/** @type {import("./harness/shipped.mjs").Table} */ table) => void (digests && (table.digests = digests)),
});

const ofAll = () => Promise.all([...CONTRACTS.map((contract) => subjectOf(contract)), withoutSession(`ada ${Math.random()}`)]);

for (const ledger of /** @type {const} */ (["own", "missing"])) {
  const FRESHNESS = ledger === "own" ? ["strong", "bounded", "eventual"] : ["eventual"];

  test(`what is recorded is an HMAC, ledger: ${ledger}`, async (t) => {
    const worker = await start(t, { ledger, ...configured({ secret: "FIRST" }) });
    const session = await subjectOf(LOYALTYDOG);
    await logOut(worker, session);
    const [{ name }, ...others] = await worker.stored();
    assert.deepEqual(others, []);
    const identifier = `loyaltydog-sessions\ntoken\nopaque:${session.token}`;
    assert.equal(digestOf(name), createHmac("sha256", SECRETS.FIRST).update(identifier).digest("hex"));
    assert.notEqual(digestOf(name), digestFor(identifier));
    for (const freshness of FRESHNESS) assertRevoked(await check(worker, session, freshness));
  });

  test(`rotated while revocations live, beginning and ending without a secret, ledger: ${ledger}`, async (t) => {
    const persistIn = await scratch(t);
    const stages = [undefined, { secret: "FIRST", second_secret: "none" }, { secret: "SECOND", second_secret: "FIRST" }, { secret: "none", second_secret: "SECOND" }];
    /** @type {import("./harness/asking.mjs").Subject[]} */
    let before = [];
    for (const digests of stages) {
      const worker = await start(t, { ledger, persistIn, ...configured(digests) });
      const [ended, active] = [await ofAll(), await ofAll()];
      for (const subject of ended) await logOut(worker, subject);
      for (const freshness of FRESHNESS) {
        for (const got of await forAll([...before, ...ended], (subject) => check(worker, subject, freshness))) assertRevoked(got);
        for (const got of await forAll(active, (subject) => check(worker, subject, freshness))) assertActive(got);
      }
      await worker.stored();
      await worker.dispose();
      before = ended;
    }
  });
}
