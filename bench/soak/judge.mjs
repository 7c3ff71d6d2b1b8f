// Which verdicts on a subject are right. Everything is measured by the clock of this process: a logout counts from when
// its acknowledgement was read here, and a check from before it was written, so that what lies between is in the
// Worker's favour.
import { KNOWN_AFTER_MS } from "./rotation.mjs";

/** @typedef {import("./tokens.mjs").Subject} Subject */
/**
 * How something was asked.
 * @typedef {object} When
 * @property {number} begun
 * @property {number} ended
 * @property {import("./config.mjs").Place} place
 * @property {number} life of the runtime
 */

/** Unless the check says otherwise. */
export const BOUND_MS = 1_000;

/** How far this machine's clock was set meanwhile, since the Worker's bound is by that clock. */
export class Clock {
  #offset = Date.now() - performance.now();
  slackMs = 0;

  look() {
    const offset = Date.now() - performance.now();
    this.slackMs += Math.abs(offset - this.#offset);
    this.#offset = offset;
  }
}

/** @param {Subject} subject @param {When} when @param {number} boundMs */
function mayBeActive({ state, endedAt, endedIn, endedInLife, key }, { begun, place, life }, boundMs) {
  if (key?.removedAt !== undefined && begun > key.removedAt + KNOWN_AFTER_MS) return false;
  if (state !== "ended" || endedAt >= begun) return true;
  // The isolate that has answered the logout knows it at once.
  if (endedIn === place && endedInLife === life) return false;
  return boundMs > 0 && begun - endedAt <= boundMs;
}

/**
 * What is wrong with a verdict, if anything is.
 * @param {Subject} subject @param {string} verdict `active`, `revoked`, or the reason why it is no good @param {When} when @param {number} boundMs 0: strong
 */
export function wrongVerdict(subject, verdict, when, boundMs) {
  const { state, key } = subject;
  const isRight = {
    active: () => mayBeActive(subject, when, boundMs),
    revoked: () => state !== "live",
    unknown_key: () => key?.removedAt !== undefined,
  }[verdict];
  if (isRight?.()) return undefined;
  const age = state === "ended" ? `, asked ${(when.begun - subject.endedAt).toFixed(1)} ms after the logout was acknowledged in ${subject.endedIn}` : "";
  const removed = key?.removedAt === undefined ? "" : `, key removed ${(when.begun - key.removedAt).toFixed(0)} ms before`;
  return `${subject.issuer}, ${state}, bound ${boundMs} ms, asked in ${when.place}${age}${removed}: ${verdict}`;
}
