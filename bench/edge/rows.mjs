// Rows: how many a logout writes with all that follows, in the runtime itself, at the pace of a large shop.
import { step } from "../../dev/lib/progress.mjs";
import { asked, must } from "./asking.mjs";
import { withSubject } from "./subjects.mjs";
import { LOGOUT } from "./tokens.mjs";
import { pause } from "./workerd.mjs";

/** @typedef {import("./workerd.mjs").Workerd} Workerd */
/** @typedef {{ calls: number, rows: number }} Sum */
/** @typedef {{ rows: number, alarm: number | null }} Left */
/**
 * @typedef {object} RowsWritten
 * @property {string} name
 * @property {number} logouts
 * @property {number} seconds until nothing was left to do
 * @property {number} written rows
 * @property {Record<string, Sum>} byStatement
 * @property {number} stored rows that are still there: deleting one counts as one, whatever indexes it has
 */

export const PER_SECOND = 20;
/** An alarm that is further away than this is about the end of the tokens. */
const SOON_MS = 120_000;
const ENDS_WITHIN_MS = 400_000;
const LOOKS_EVERY_MS = 2_000;

/** @param {Workerd} worker @returns {Promise<{ written: Record<string, Sum>, left: Left[] }>} */
const count = async (worker) => /** @type {any} */ ((await worker.ask("rows", "/")).json());

/** @param {Record<string, Sum>} byStatement */
const sum = (byStatement) => Object.values(byStatement).reduce((total, { rows }) => total + rows, 0);

/** Sends them at the pace, however long an answer takes. @param {Workerd} worker @param {string[]} tokens */
async function logOut(worker, tokens) {
  const begun = performance.now();
  const answers = [];
  for (const [index, token] of tokens.entries()) {
    await pause(Math.max(0, begun + (index * 1000) / PER_SECOND - performance.now()));
    answers.push(asked(worker, { method: "POST", path: LOGOUT.HS256, token }));
  }
  const refused = (await Promise.all(answers)).find(({ status }) => status !== 200);
  must(!refused, `A logout was answered with ${refused?.status}: ${refused?.text}`);
}

/** Waits until no object has anything to do soon. @param {Workerd} worker */
async function untilIdle(worker) {
  const begun = performance.now();
  for (let before = -1; ; await pause(LOOKS_EVERY_MS)) {
    const { written, left } = await count(worker);
    const isDue = left.some(({ alarm }) => alarm !== null && alarm < Date.now() + SOON_MS);
    if (!isDue && sum(written) === before) return { written, left };
    must(performance.now() - begun < ENDS_WITHIN_MS, "The ledger does not come to rest");
    before = sum(written);
  }
}

/**
 * @param {string} name of what is measured
 * @param {import("./subjects.mjs").Subjects} subjects @param {string[]} tokens @param {string} folder @param {number} seconds of logouts
 * @returns {Promise<RowsWritten>}
 */
export function rowsWritten(name, subjects, tokens, folder, seconds) {
  return step(`rows of ${PER_SECOND} logouts a second, ${name}`, () =>
    withSubject(subjects.ourRows, folder, async (worker) => {
      const begun = performance.now();
      const logouts = PER_SECOND * seconds;
      await logOut(worker, tokens.slice(0, logouts));
      const { written, left } = await untilIdle(worker);
      const stored = left.reduce((total, { rows }) => total + rows, 0);
      return { name, logouts, seconds: (performance.now() - begun) / 1000, written: sum(written), byStatement: written, stored };
    }),
  );
}
