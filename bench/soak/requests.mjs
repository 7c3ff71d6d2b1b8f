// Requests as they go over the wire, and what may come back.
import { DEVELOPMENT_CLIENT_SECRET } from "../../dev/lib/dev-vars.mjs";
import { requestText } from "../edge/load.mjs";
import { BOUND_MS, wrongVerdict } from "./judge.mjs";
import { OPAQUE } from "./tokens.mjs";

/** @typedef {import("./connection.mjs").Answer} Answer */
/** @typedef {import("./judge.mjs").When} When */
/** @typedef {import("./tokens.mjs").Subject} Subject */
/**
 * A request, and how to judge its answer.
 * @typedef {object} Job
 * @property {string} kind
 * @property {Buffer} request
 * @property {boolean} [isLast] the connection is good for no other request
 * @property {(answer: Answer, when: When) => string | undefined} judge what is wrong; never asked about an answer from 500
 * @property {(answer: Answer) => boolean} [isFailure] whether an answer from 500 is one as it is published
 * @property {(when: When) => string | undefined} [excuse] why it may fail, besides what goes wrong for everybody
 * @property {(when: When) => void} [sent]
 * @property {() => void} [failed] there was no answer, or one from 500
 */

/** @param {Parameters<typeof requestText>[0]} what */
export const bytes = (what) => Buffer.from(requestText(what));

/** @param {string} text @returns {any} */
export function json(text) {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}

/** @param {Answer} answer */
export const told = ({ status, head, text }) => `${status} ${/^www-authenticate: .*$/im.exec(head)?.[0] ?? ""} ${text.slice(0, 200)}`;

/** @param {Answer} answer */
export const isUntold = ({ status, text }) => status === 503 && json(text).error === "temporarily_unavailable";

/** Freshness, as a check asks for it. */
export const FRESHNESS = [
  { weight: 75, what: { query: "", boundMs: BOUND_MS } },
  { weight: 15, what: { query: "freshness=strong", boundMs: 0 } },
  { weight: 10, what: { query: "bound_milliseconds=300", boundMs: 300 } },
];
/** @typedef {(typeof FRESHNESS)[number]["what"]} Freshness */

/** Why a verdict on a subject may be lacking. @typedef {(subject: Subject, when: When) => string | undefined} Excuse */

/** @param {Subject} subject @param {Freshness} freshness @param {Excuse} excuse @returns {Job} */
export function check(subject, { query, boundMs }, excuse) {
  const parts = [subject.issuer === OPAQUE ? `issuer=${OPAQUE}` : "", query].filter(Boolean).join("&");
  return {
    kind: boundMs === 0 ? "check, strong" : "check, bounded",
    request: bytes({ path: parts ? `/check?${parts}` : "/check", token: subject.token }),
    isFailure: isUntold,
    excuse: (when) => excuse(subject, when),
    judge(answer, when) {
      if (answer.status === 200) return wrongVerdict(subject, "active", when, boundMs);
      if (answer.status === 401) return wrongVerdict(subject, json(answer.text).reason, when, boundMs);
      return `check: ${told(answer)}`;
    },
  };
}

/** @param {Subject[]} subjects @param {Freshness} freshness @param {Excuse} excuse among them of what goes wrong for everybody @returns {Job} */
export function batchCheck(subjects, { query, boundMs }, excuse) {
  const asked = { tokens: subjects.map(({ token }) => token), ...(query === "" ? {} : boundMs === 0 ? { freshness: "strong" } : { bound_milliseconds: boundMs }) };
  return {
    kind: "batch check",
    request: bytes({ method: "POST", path: "/batch-check", token: DEVELOPMENT_CLIENT_SECRET, body: JSON.stringify(asked) }),
    isFailure: () => false,
    judge(answer, when) {
      const verdicts = json(answer.text).verdicts;
      if (answer.status !== 200 || verdicts?.length !== subjects.length) return `batch check: ${told(answer)}`;
      for (const [index, { status, reason }] of verdicts.entries()) {
        if (status === "unknown" && excuse(subjects[index], when)) continue;
        const wrong = wrongVerdict(subjects[index], status === "invalid" ? reason : status === "unknown" ? `unknown, ${reason}` : status, when, boundMs);
        if (wrong) return `batch check: ${wrong}`;
      }
      return undefined;
    },
  };
}
