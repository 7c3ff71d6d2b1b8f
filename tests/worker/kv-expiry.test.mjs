// Workers KV forgets a revocation once no token is left that it could match: shown with a clock that is moved.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import * as miniflarePackage from "miniflare";
import { assertAnswer } from "./harness/answer.mjs";
import { WORTH, logout } from "./harness/contracts.mjs";
import { mint } from "./harness/tokens.mjs";
import { start } from "./harness/worker.mjs";

/** @type {any} */ (miniflarePackage)._enableControlEndpoints(); // before there is a Miniflare

const worker = await start({ after }, { ledger: "missing" });

/** Commands the simulated KV's clock; the Worker's own cannot be moved. @param {string} name @param {number} value milliseconds */
async function command(name, value) {
  const miniflare = /** @type {any} */ (worker.miniflare);
  const objects = await miniflare._getInternalDurableObjectNamespace("kv", "kv:ns", "KVNamespaceObject");
  const namespace = objects.get(objects.idFromName("REVOCATIONS"));
  const response = await namespace.fetch("http://placeholder", { cf: { miniflare: { name: "REVOCATIONS", controlOp: { name, args: [value] } } } });
  await response.text();
  assert.ok(response.ok, `${name}: ${response.status}`);
}

const scopes = async () => (await worker.stored()).map(({ metadata }) => metadata.scope).sort();

test("a token's revocation is there to its last second and then gone, a session's to the last of its tokens'", async () => {
  const begun = Date.now();
  await command("enableFakeTimers", begun);
  let clock = begun;
  const advanceTo = async (/** @type {number} */ seconds) => {
    await command("advanceFakeTime", begun + seconds * 1000 - clock);
    clock = begun + seconds * 1000;
  };

  const token = await mint(WORTH.name, { expiresIn: 600 });
  WORTH.assertSuccess(await logout(worker, WORTH, token));
  await advanceTo(600 + 3);
  assert.deepEqual(await scopes(), ["session", "token"]);
  assertAnswer(await logout(worker, WORTH, token), WORTH.refusals.revoked);

  await advanceTo(600 + 5 + 2);
  assert.deepEqual(await scopes(), ["session"]);
  assertAnswer(await logout(worker, WORTH, token), WORTH.refusals.revoked);

  await advanceTo(30 * 24 * 3600 + 5);
  assert.deepEqual(await scopes(), ["session"]);
  await advanceTo(30 * 24 * 3600 + 60);
  assert.deepEqual(await worker.stored(), []);
});
