// Clients that break off in the middle: the runtime drops their requests, and nobody else may suffer for it.
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { newKey, publicHalf, tokenOf } from "./harness/algorithms.mjs";
import { WORTH } from "./harness/contracts.mjs";
import { eventually } from "./harness/eventually.mjs";
import { identityProvider } from "./harness/identity-provider.mjs";
import { SteeredLedger } from "./harness/steered-ledger.mjs";
import { mint } from "./harness/tokens.mjs";
import { start } from "./harness/worker.mjs";

/** @typedef {import("./harness/worker.mjs").Worker} Worker */

/** Sends a request, and resets the connection before it can be answered. @param {Worker} worker @param {string} head @param {number} afterMs */
async function breakOff(worker, head, afterMs) {
  const socket = connect(Number(worker.url?.port), "127.0.0.1");
  socket.on("error", () => {});
  await once(socket, "connect");
  socket.write(`${head}\r\n\r\n`);
  await sleep(afterMs);
  socket.resetAndDestroy();
}

/** As many of them as there is time for, while something else is done. @param {() => Promise<unknown>} attack @param {() => Promise<void>} work */
async function meanwhile(attack, work) {
  let isOn = true;
  const attacks = [1, 2, 3].map(async () => {
    while (isOn) await attack().then(() => sleep(40));
  });
  try {
    await sleep(1_500);
    await work();
  } finally {
    isOn = false;
    await Promise.all(attacks);
  }
}

test("a shard that is well is not held for one that fails", async (t) => {
  const ledger = new SteeredLedger();
  const worker = await start(t, { ledger });
  const authorization = `Bearer ${await mint(WORTH.name)}`;
  const check = async () => (await worker.fetch("/check?issuer=worth", { headers: { authorization } })).status;
  assert.equal(await check(), 200);
  ledger.onAll(() => ({ until: sleep(150) }));
  let number = 0;
  const attack = () => breakOff(worker, `GET /check?issuer=loyaltydog-sessions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer made-up-${(number += 1)}`, 60);
  await meanwhile(attack, async () => {
    for (let turn = 0; turn < 6; turn += 1) {
      assert.equal(await check(), 200);
      await sleep(700);
    }
  });
});

test("/readyz goes on telling others", async (t) => {
  const ledger = new SteeredLedger();
  const worker = await start(t, { ledger });
  ledger.onAll(() => ({ until: sleep(60) }));
  await meanwhile(() => breakOff(worker, "GET /readyz HTTP/1.1\r\nHost: x", 15), async () => {
    for (let turn = 0; turn < 4; turn += 1) {
      assert.equal((await worker.fetch("/readyz")).status, 200);
      await sleep(1_100);
    }
  });
});

test("a made-up `kid` does not hide a key that was rotated in", async (t) => {
  const provider = await identityProvider(t);
  const [first, second] = [newKey("ES256", "first"), newKey("ES256", "second")];
  const slowly = (/** @type {any[]} */ keys) => {
    provider.fault = async (_request, response) => {
      await sleep(120);
      response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ keys: keys.map(publicHalf) }));
    };
  };
  slowly([first]);
  const worker = await start(t, {
    configure: (table) => {
      table.issuers.push({ name: "provider", iss: "https://issuer.example", audiences: ["api"], algorithms: ["ES256"], jwks_url: provider.jwksUrl });
    },
  });
  const check = async (/** @type {any} */ key) => (await worker.fetch("/check?issuer=provider", { headers: { authorization: `Bearer ${tokenOf(key)}` } })).status;
  assert.equal(await check(first), 200);
  slowly([first, second]);
  await breakOff(worker, `GET /check?issuer=provider HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${tokenOf(newKey("ES256", "made-up"))}`, 40);
  await eventually("the keys were fetched again", () => provider.fetches > 1);
  await sleep(300);
  assert.equal(await check(second), 200);
});
