// Logouts, and what they make of a subject.
import { LOYALTYDOG } from "../../tests/worker/harness/contracts.mjs";
import { bytes, json, told } from "./requests.mjs";
import { KINDS, OPAQUE } from "./tokens.mjs";

/** @typedef {import("./requests.mjs").Job} Job */
/** @typedef {import("./tokens.mjs").Subject} Subject */
/** @typedef {import("./tokens.mjs").Contract} Contract */

/** What a contract says, as its vendor publishes it. @param {Contract} contract @param {import("./connection.mjs").Answer} answer @param {keyof Contract["refusals"]} refusal */
export function isRefusal(contract, { status, text }, refusal) {
  const wanted = contract.refusals[refusal];
  return status === wanted.status && text === JSON.stringify(wanted.body);
}

/** @param {Contract} contract @param {import("./connection.mjs").Answer} answer */
function isSuccess(contract, { status, text }) {
  try {
    contract.assertSuccess({ status, headers: new Headers(), text, json: json(text) });
    return true;
  } catch {
    return false;
  }
}

/**
 * @param {Subject} subject @param {string} merchant a good token of LoyaltyDog's merchant
 * @param {(subject: Subject) => void} unsure there was no acknowledgement, and it is to be tried again
 * @param {import("./requests.mjs").Excuse} excuse
 * @returns {Job}
 */
export function logout(subject, merchant, unsure, excuse) {
  const kind = KINDS.find(({ issuer }) => issuer === subject.issuer) ?? KINDS[0];
  const { contract, path } = kind;
  const isRetry = subject.state === "unsure";
  const body = subject.issuer === OPAQUE ? JSON.stringify({ sessionToken: subject.token }) : undefined;
  const failed = () => {
    subject.state = "unsure";
    // Nobody can log out any more with a token of a key that is gone.
    if (subject.key?.removedAt === undefined) unsure(subject);
  };
  return {
    kind: `logout, ${subject.issuer}`,
    request: bytes({ method: "POST", path, token: body ? merchant : subject.token, body }),
    isFailure: (answer) => isRefusal(contract, answer, "unavailable"),
    sent() {
      subject.state = isRetry ? "unsure" : "ending";
    },
    failed,
    excuse: (when) => excuse(subject, when),
    judge(answer, { ended, place, life }) {
      // Tried again, it may have been recorded the first time.
      const isKnown = isRetry && contract !== LOYALTYDOG && isRefusal(contract, answer, "revoked");
      if (isSuccess(contract, answer) || isKnown) {
        // Who has only been told that it is known has not recorded it.
        Object.assign(subject, { state: "ended", endedAt: ended, ...(isKnown ? {} : { endedIn: place, endedInLife: life }) });
        return undefined;
      }
      subject.state = "unsure";
      if (subject.key?.removedAt !== undefined && isRefusal(contract, answer, "bad")) return undefined;
      return `logout, ${subject.issuer}: ${told(answer)}`;
    },
  };
}
