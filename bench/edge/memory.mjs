// Memory: what the Worker's own is once an isolate remembers as much as it ever does.
import { createHash, randomBytes } from "node:crypto";
import { join } from "node:path";
import { asked, must, mustAnswer } from "./asking.mjs";
import { HOLDER } from "./capnp.mjs";
import { load, requestText, writeRequests } from "./load.mjs";
import { standIn, withSubject } from "./subjects.mjs";
import { ISSUERS, claimsOf, spare } from "./tokens.mjs";
import { pause } from "./workerd.mjs";
import { writeCall } from "../../tests/worker/harness/wire.mjs";

/** @typedef {import("./workerd.mjs").Workerd} Workerd */

export const FOLLOWED = 100_000;
export const CACHED = 10_000;
export const SEGMENTED = 2_000_000;
/** So many tokens look into every segment. */
const LOOKS = 1_000;
const FOLLOWS_WITHIN_TRIES = 60;
/** How many the ledger records with one call. */
const RECORDED_AT_ONCE = 1_000;
/** Of the tokens that fill the memory, the ledger may be asked for one in so many; and for the rest by each sync. */
const ASKED_ONE_IN = 100;

/** The digest of a token's own revocation, as docs/reference/storage.md has it. @param {string} token */
const digestOf = (token) => createHash("sha256").update(`${ISSUERS.HS256}\ntoken\njti:${claimsOf(token).jti}`).digest("base64url");

/** The call that records tokens' revocations. @param {string[]} digests in base64url @param {number} expiresAt */
function recordCall(digests, expiresAt) {
  const logouts = digests.map((digest) => ({ digest: Buffer.from(digest, "base64url").toString("hex"), issuer: ISSUERS.HS256, scope: /** @type {const} */ ("token"), expiresAt }));
  return writeCall({}, "Record", logouts);
}

/** Has the ledger record so many revocations of which no token is in use, and one of a token. @param {Workerd} worker @param {number} count @param {string} revoked */
async function fill(worker, count, revoked) {
  const digests = [...Array.from({ length: count - 1 }, () => randomBytes(32).toString("base64url")), digestOf(revoked)];
  const expiresAt = claimsOf(revoked).exp * 1000;
  for (let first = 0; first < count; first += RECORDED_AT_ONCE) {
    const response = await worker.ask("fill", "/", { method: "POST", body: recordCall(digests.slice(first, first + RECORDED_AT_ONCE), expiresAt) });
    const answer = await response.text();
    must(response.status === 200, `The ledger does not record: ${answer}`);
  }
}

/** How large the wasm's memory is. @param {Workerd} worker @returns {Promise<number>} */
const bytes = async (worker) => JSON.parse((await mustAnswer(worker, { path: "/memory" }, 200)).text).bytes;

/** How often the ledger was called. @param {Workerd} worker @returns {Promise<number>} */
const calls = async (worker) => /** @type {any} */ (await (await worker.ask("fill", "/")).json()).asked;

/** The first checks may be told that the log is still being read. @param {Workerd} worker @param {string} token */
async function follow(worker, token) {
  for (let tries = 0; tries < FOLLOWS_WITHIN_TRIES; tries++) {
    if ((await asked(worker, { path: "/check", token })).status === 200) return;
    await pause(500);
  }
  throw worker.refusal(`A log of ${FOLLOWED} revocations is not followed`);
}

/** Checks every token once. @param {Workerd} worker @param {string[]} tokens @param {string} folder */
async function checkAll(worker, tokens, folder) {
  const file = join(folder, "memory.requests");
  await writeRequests(file, tokens.map((token) => requestText({ path: "/check", token })));
  const [before, begun] = [await calls(worker), performance.now()];
  for (let sent = 0; sent <= tokens.length; ) {
    const run = await load({ port: worker.ports.http, file, sent, seconds: 1 });
    must(run.refused === 0 && run.broken === 0, `Checks that fill the memory were refused: ${JSON.stringify(run)}`);
    sent = run.sent;
  }
  const [made, seconds] = [(await calls(worker)) - before, (performance.now() - begun) / 1000];
  must(made <= tokens.length / ASKED_ONE_IN + 4 * seconds, `The ledger was asked ${made} times although its log is followed`);
}

/** @param {import("./subjects.mjs").Subjects} subjects @returns {import("./subjects.mjs").Subject} */
const apart = ({ ours }) => ({
  ...ours,
  files: [standIn("memory-main"), standIn("memory-probe"), ...ours.files],
  entrypoints: [{ socket: "fill", entrypoint: "Fill", service: HOLDER }],
  isApart: true,
});

/**
 * How much more memory an isolate needs that follows a ledger with many revocations, all but the last of them in segments.
 * @param {import("./subjects.mjs").Subjects} subjects @param {string[]} tokens @param {string} folder
 * @returns {Promise<{ count: number, more: number }>} bytes
 */
export async function segmentBytes(subjects, tokens, folder) {
  const looking = tokens.slice(0, LOOKS);
  const remembered = async (/** @type {(worker: Workerd) => Promise<void>} */ prepare) =>
    withSubject(apart(subjects), folder, async (worker) => {
      await prepare(worker);
      await follow(worker, tokens[0]);
      await checkAll(worker, looking, folder);
      return bytes(worker);
    });
  const revoked = spare(tokens);
  const without = await remembered(async () => {});
  const filled = await remembered((worker) => fill(worker, SEGMENTED, revoked));
  return { count: SEGMENTED, more: filled - without };
}

/**
 * @param {import("./subjects.mjs").Subjects} subjects @param {string[]} tokens @param {string} folder
 * @returns {Promise<{ atStart: number, followed: number, full: number }>} bytes
 */
export async function memoryBytes(subjects, tokens, folder) {
  const revoked = spare(tokens);
  return withSubject(apart(subjects), folder, async (worker) => {
    const atStart = await bytes(worker);
    await fill(worker, FOLLOWED, revoked);
    await follow(worker, tokens[0]);
    const followed = await bytes(worker);
    await checkAll(worker, tokens.slice(0, CACHED), folder);
    await mustAnswer(worker, { path: "/check", token: revoked }, 401, ({ text }) => JSON.parse(text).reason === "revoked");
    return { atStart, followed, full: await bytes(worker) };
  });
}
