// A client that has sent its request and goes away is logged out all the same.
import assert from "node:assert/strict";
import { once } from "node:events";
import { after, beforeEach, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Miniflare } from "miniflare";
import { assertAnswer } from "./harness/answer.mjs";
import { MARZIPAN, POS, STOREFRONT, WORTH, logout } from "./harness/contracts.mjs";
import { eventually, gate } from "./harness/eventually.mjs";
import { times } from "./harness/fake-kv.mjs";
import { postAndHold } from "./harness/raw.mjs";
import { COMPATIBILITY_DATE } from "./harness/shipped.mjs";
import { mint } from "./harness/tokens.mjs";
import { fakeKv, start } from "./harness/worker.mjs";

const kv = await fakeKv({ after });
const worker = await start({ after }, { namespaces: { REVOCATIONS: kv }, ledger: "missing" });
beforeEach(() => kv.reset());

/** The client goes away, and the runtime sees it. @param {import("node:net").Socket} socket */
async function breakOff(socket) {
  socket.resetAndDestroy();
  await once(socket, "close");
  await sleep(50);
}

test("the runtime does drop the work for a client that is gone: otherwise nothing here would be shown", async (t) => {
  const { opened, open } = gate();
  /** @type {string[]} */
  const steps = [];
  const script = `export default { async fetch(request, { STEP }) {
    await STEP.fetch("http://step/first");
    await STEP.fetch("http://step/second");
    return new Response();
  } }`;
  const careless = new Miniflare({
    cf: false,
    workers: [
      {
        name: "careless",
        modules: true,
        script,
        compatibilityDate: COMPATIBILITY_DATE,
        unsafeDirectSockets: [{ host: "127.0.0.1", port: 0 }],
        serviceBindings: {
          async STEP(/** @type {{ url: string }} */ { url }) {
            steps.push(new URL(url).pathname);
            await opened;
            return /** @type {any} */ (new Response());
          },
        },
      },
    ],
  });
  t.after(() => careless.dispose());
  const socket = await postAndHold(await careless.unsafeGetDirectURL(), "/", "x");
  await eventually("the first step", () => steps.length > 0);
  await breakOff(socket);
  open();
  await sleep(200);
  assert.deepEqual(steps, ["/first"]);
});

for (const contract of [WORTH, MARZIPAN, POS, STOREFRONT]) {
  for (const [when, kind] of /** @type {const} */ ([["read", "bulk"], ["written", "put"]])) {
    test(`${contract.name}: gone while KV is being ${when}`, async () => {
      const token = await mint(contract.name);
      const { opened, open } = gate();
      kv.on(kind, times(1, { until: opened }));

      const socket = await postAndHold(worker.url, contract.paths[0], token);
      await eventually(`KV is being ${when}`, () => kv.count(kind) > 0);
      await breakOff(socket);
      open();

      await eventually("every revocation is stored", () => kv.holds("session") && (contract === POS || kv.holds("token")));
      assertAnswer(await logout(worker, contract, token), contract.refusals.revoked);
    });
  }
}

test("gone, and KV fails once as well", async (t) => {
  const own = await start(t, { namespaces: { REVOCATIONS: kv }, ledger: "missing" });
  const { opened, open } = gate();
  kv.on("put", times(1, { until: opened, status: 503 }));
  const socket = await postAndHold(own.url, WORTH.paths[0], await mint(WORTH.name));
  await eventually("KV is being written", () => kv.count("put") > 0);
  await breakOff(socket);
  open();
  await eventually("every revocation is stored", () => kv.holds("session") && kv.holds("token"));
  assert.equal(kv.count("put"), 3);
  const [line] = await eventually("its log line", () => own.requestLogs().length > 0 && own.requestLogs());
  assert.deepEqual([line.status, line.outcome], [200, "revoked"]);
});
