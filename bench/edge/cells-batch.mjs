// Batch check: a hundred warm tokens at once, and a bare Worker that reads and answers as much.
import { DEVELOPMENT_CLIENT_SECRET } from "../../dev/lib/dev-vars.mjs";
import { mustAnswer } from "./asking.mjs";
import { requestText } from "./load.mjs";
import { withSubject } from "./subjects.mjs";
import { LOGOUT, WARM, spare } from "./tokens.mjs";

/** @typedef {import("./cells.mjs").Cell} Cell */
/** @typedef {import("./workerd.mjs").Workerd} Workerd */

export const BATCH = 100;
const PATH = "/batch-check";
/** After so many batches the rotation begins with the same token again. */
const BATCHES = 64;

/** @param {string[]} tokens */
const body = (tokens) => JSON.stringify({ tokens });

/** @param {string[]} tokens */
const question = (tokens) => ({ method: "POST", path: PATH, token: DEVELOPMENT_CLIENT_SECRET, body: body(tokens) });

/** @param {string} status @param {number} count */
const allAre = (status, count) => (/** @type {{ text: string }} */ { text }) => {
  const { verdicts } = JSON.parse(text);
  return verdicts.length === count && verdicts.every((/** @type {{ status: string }} */ verdict) => verdict.status === status);
};

/** Our answer to a batch, so that the bare Worker's can be as long. @param {import("./subjects.mjs").Subjects} subjects @param {string[]} tokens @param {string} folder */
export async function batchAnswer(subjects, tokens, folder) {
  const answer = await withSubject(subjects.ours, folder, (worker) => mustAnswer(worker, question(tokens.slice(0, BATCH)), 200, allAre("active", BATCH)));
  return answer.text;
}

/** @param {import("./subjects.mjs").Subjects} subjects @param {string[]} tokens @param {string} answer @returns {Cell[]} */
export function batchCells(subjects, tokens, answer) {
  const batch = (/** @type {number} */ first) => Array.from({ length: BATCH }, (_, index) => tokens[(first + index) % WARM]);
  const requests = {
    name: "batch",
    texts: () => Array.from({ length: BATCHES }, (_, index) => requestText({ ...question(batch(index * BATCH)) })),
  };
  const before = (/** @type {Workerd} */ worker) => mustAnswer(worker, question(batch(0)), 200, allAre("active", BATCH));
  const after = async (/** @type {Workerd} */ worker) => {
    await before(worker);
    await mustAnswer(worker, { method: "POST", path: LOGOUT.HS256, token: spare(tokens) }, 200);
    await mustAnswer(worker, question([spare(tokens)]), 200, allAre("revoked", 1));
  };
  return [
    { name: "batch", title: `/batch-check of ${BATCH} warm tokens, HS256`, side: "ours", subject: subjects.ours, requests, before, after },
    { name: "bare-batch", title: "Bare JavaScript Worker, as large a body and answer", side: "floor", subject: subjects.bareBatch(answer), requests, before, after: before },
  ];
}
