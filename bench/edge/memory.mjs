// Memory: what the Worker's own is once an isolate remembers as much as it ever does.
import { createHash } from "node:crypto";
import { join } from "node:path";
import { asked, must, mustAnswer } from "./asking.mjs";
import { load, requestText, writeRequests } from "./load.mjs";
import { standIn, withSubject } from "./subjects.mjs";
import { ISSUERS, claimsOf, spare } from "./tokens.mjs";
import { pause } from "./workerd.mjs";

/** @typedef {import("./workerd.mjs").Workerd} Workerd */

export const FOLLOWED = 100_000;
export const CACHED = 10_000;
const FOLLOWS_WITHIN_TRIES = 20;

/** The digest of a token's own revocation, as docs/storage.md has it. @param {string} token */
const digestOf = (token) => createHash("sha256").update(`${ISSUERS.HS256}\ntoken\njti:${claimsOf(token).jti}`).digest("base64url");

/** @param {Workerd} worker @returns {Promise<{ bytes: number, asked: number }>} */
const told = async (worker) => JSON.parse((await mustAnswer(worker, { path: "/memory" }, 200)).text);

/** The first checks may be told that the feed is still being heard. @param {Workerd} worker @param {string} token */
async function follow(worker, token) {
  for (let tries = 0; tries < FOLLOWS_WITHIN_TRIES; tries++) {
    if ((await asked(worker, { path: "/check", token })).status === 200) return;
    await pause(500);
  }
  throw worker.refusal(`The feed of ${FOLLOWED} revocations is not followed`);
}

/**
 * @param {import("./subjects.mjs").Subjects} subjects @param {string[]} tokens @param {string} folder
 * @returns {Promise<{ atStart: number, followed: number, full: number }>} bytes
 */
export async function memoryBytes(subjects, tokens, folder) {
  const revoked = spare(tokens);
  const subject = {
    ...subjects.ours,
    files: [standIn("memory-main"), standIn("memory-probe"), ...subjects.ours.files],
    bindings: { ...subjects.ours.bindings, LEDGER: { ledger: "MadeUpLedger" }, FEED: { json: { count: FOLLOWED, last: digestOf(revoked) } } },
    ledger: "MadeUpLedger",
  };
  return withSubject(subject, folder, async (worker) => {
    const atStart = (await told(worker)).bytes;
    await follow(worker, tokens[0]);
    const { bytes: followed, asked: before } = await told(worker);
    const file = join(folder, "memory.requests");
    await writeRequests(file, tokens.slice(0, CACHED).map((token) => requestText({ path: "/check", token })));
    for (let sent = 0; sent <= CACHED; ) {
      const run = await load({ port: worker.ports.http, file, sent, seconds: 1 });
      must(run.refused === 0 && run.broken === 0, `Checks that fill the memory were refused: ${JSON.stringify(run)}`);
      sent = run.sent;
    }
    // Known by the feed, and by it alone: the made-up ledger answers nothing else.
    await mustAnswer(worker, { path: "/check", token: revoked }, 401, ({ text }) => JSON.parse(text).reason === "revoked");
    const { bytes: full, asked: after } = await told(worker);
    must(after === before, "The ledger was asked although its feed is followed");
    return { atStart, followed, full };
  });
}
