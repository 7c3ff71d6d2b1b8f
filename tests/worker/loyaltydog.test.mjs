// LoyaltyDog: ends the session that the body names, again and again, and answers to bodies as FastAPI does.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { after, test } from "node:test";
import { inRoot } from "../../dev/lib/paths.mjs";
import { assertAnswer } from "./harness/answer.mjs";
import { LOYALTYDOG, logout } from "./harness/contracts.mjs";
import { claimsOf, mint, now } from "./harness/tokens.mjs";
import { start } from "./harness/worker.mjs";

/**
 * @typedef {{ status: number, body: string }} Recorded
 * @typedef {{ name: string, body?: string, body_base64?: string, content_type: string | null, crash?: boolean, authenticated: Recorded, anonymous: Recorded }} Case
 */

const PATH = LOYALTYDOG.paths[0];
const SESSION_LIFETIME = 2_592_000;
const EVERY = 20;

const worker = await start({ after });
const merchant = await mint(LOYALTYDOG.name);

/** @param {string} sessionToken @param {Record<string, string>} [headers] */
const end = (sessionToken, headers) => worker.post(PATH, { token: merchant, headers, json: { sessionToken } });

test("ending a session is idempotent, and needs no session that anybody knows", async () => {
  for (let i = 0; i < 3; i++) LOYALTYDOG.assertSuccess(await end("one-session"));
  const [entry, ...others] = await worker.stored();
  assert.equal(others.length, 0);
  assert.match(entry.name, /^v1:loyaltydog-sessions:token:[\w-]{43}$/);
  assert.ok(entry.expiration >= now() + SESSION_LIFETIME && entry.expiration < now() + SESSION_LIFETIME + 60);
});

test("the merchant's own token is not ended", async () => {
  assert.ok((await worker.stored()).every(({ name }) => !name.startsWith("v1:loyaltydog:")));
  LOYALTYDOG.assertSuccess(await end("another-session"));
});

test("the session in the body ends, whatever the customer's own token is", async () => {
  const before = (await worker.stored()).length;
  LOYALTYDOG.assertSuccess(await end("with-customer-token", { "X-Eposn-Customer-Token": "customer" }));
  LOYALTYDOG.assertSuccess(await end("with-customer-token"));
  assert.equal((await worker.stored()).length, before + 1);
});

test("sessions are told apart by every character", async () => {
  const before = (await worker.stored()).length;
  const sessions = ["a", "A", "a ", " a", "ä", "a\u0308", "😀", "\u0000", "x".repeat(128), "😀".repeat(128)];
  for (const session of sessions) LOYALTYDOG.assertSuccess(await end(session));
  assert.equal((await worker.stored()).length, before + sessions.length);
});

test("a merchant's token that another service revoked in Workers KV is refused, while the table says that there is one", async (t) => {
  const declared = await start(t, { configure: (table) => void (table.ledger = { kv_written_until: now() + 3600 }) });
  const revoked = await mint(LOYALTYDOG.name);
  // As docs/reference/storage.md has it, and as another service of the merchant would write it.
  const digest = createHash("sha256").update(`loyaltydog\ntoken\njti:${claimsOf(revoked).jti}`).digest("base64url");
  const value = JSON.stringify({ issuer: "loyaltydog", scope: "token", revoked_at: now(), expires_at: now() + 3600 });
  await (await declared.namespace("REVOCATIONS")).put(`v1:loyaltydog:token:${digest}`, value, { expirationTtl: 3600 });
  assertAnswer(await logout(declared, LOYALTYDOG, revoked), LOYALTYDOG.refusals.revoked);
});

test("a bad token is told before a bad field, and bad JSON before a bad token", async () => {
  const answers = { "{}": LOYALTYDOG.refusals.bad, "{x": LOYALTYDOG.refusals.notJson };
  for (const [body, refusal] of Object.entries(answers)) {
    assertAnswer(await worker.post(PATH, { token: "bad", headers: { "content-type": "application/json" }, body }), refusal);
  }
});

test("bodies are answered as FastAPI has answered them", async (t) => {
  const corpus = /** @type {{ cases: Case[] }} */ (JSON.parse(await readFile(inRoot("tests", "fastapi", "corpus.json"), "utf8")));
  const small = corpus.cases.filter((entry) => bytesOf(entry).length <= 16 * 1024 && !entry.crash);
  const oneOfEachKind = new Map(small.map((entry) => [entry.name.split(" ")[0], entry])).values();
  const chosen = new Set([...small.filter((_, index) => index % EVERY === 0), ...oneOfEachKind]);
  assert.ok(chosen.size > 60, `only ${chosen.size} cases`);
  for (const entry of chosen) {
    await t.test(entry.name.slice(0, 60), async () => {
      await assertAnsweredAs(entry, entry.authenticated, { authorization: `Bearer ${merchant}` });
      await assertAnsweredAs(entry, entry.anonymous, {});
    });
  }
});

/** @param {Case} entry */
const bytesOf = (entry) => Buffer.from(entry.body ?? entry.body_base64 ?? "", entry.body === undefined ? "base64" : "utf8");

/** @param {Case} entry @param {Recorded} recorded @param {Record<string, string>} headers */
async function assertAnsweredAs(entry, recorded, headers) {
  const type = /** @type {Record<string, string>} */ (entry.content_type === null ? {} : { "content-type": entry.content_type });
  const got = await worker.fetch(PATH, { method: "POST", headers: { ...type, ...headers }, body: bytesOf(entry) });
  // The recorded service answers a good body with the session that it has read.
  if (recorded.status === 200) return LOYALTYDOG.assertSuccess(got);
  assert.deepEqual({ status: got.status, body: got.text }, recorded);
  assert.equal(got.headers.get("www-authenticate"), recorded.status === 401 ? "Bearer" : null);
}
