// Logouts: of each contract, and what others do for the same promise, a write to a Durable Object and one to KV.
import { mustAnswer } from "./asking.mjs";
import { requestText } from "./load.mjs";
import { ISSUERS, LOGOUT, WARM, spare } from "./tokens.mjs";

/** @typedef {import("./cells.mjs").Cell} Cell */
/** @typedef {import("./workerd.mjs").Workerd} Workerd */
/** @typedef {import("./tokens.mjs").Algorithm} Algorithm */

/** LoyaltyDog's logout ends the session that the body names. @param {number} index */
const sessionBody = (index) => JSON.stringify({ sessionToken: `customer-session-${index}` });

/** @param {Algorithm} algorithm @param {string[]} tokens @param {string} path @returns {string[]} */
function texts(algorithm, tokens, path) {
  const without = tokens.slice(0, -1);
  if (algorithm !== "RS256") return without.map((token) => requestText({ method: "POST", path, token }));
  return without.map((_, index) => requestText({ method: "POST", path, token: tokens[index % WARM], body: sessionBody(index) }));
}

/** What is posted for a token, or for the session of that number. @param {Algorithm} algorithm @param {string[]} tokens @param {number} index @param {string} path */
const logout = (algorithm, tokens, index, path) => ({ method: "POST", path, token: tokens[index], ...(algorithm === "RS256" && { body: sessionBody(index) }) });

/** @param {Algorithm} algorithm @param {string[]} tokens @param {number} index */
function ownCheck(algorithm, tokens, index) {
  if (algorithm !== "RS256") return { path: "/check?freshness=strong", token: tokens[index] };
  return { path: "/check?freshness=strong&issuer=loyaltydog-sessions", headers: { "x-eposn-customer-token": `customer-session-${index}` } };
}

/** @param {Algorithm} algorithm @param {string[]} tokens @param {number} index */
const peerCheck = (algorithm, tokens, index) => (algorithm === "RS256" ? { path: `/session/customer-session-${index}` } : { path: "/check", token: tokens[index] });

/** Before: the spare one is logged out. After: so is what came early, and what never came is not. @param {Algorithm} algorithm @param {string[]} tokens @param {string} path @param {typeof ownCheck | typeof peerCheck} check */
function looks(algorithm, tokens, path, check) {
  const last = tokens.indexOf(spare(tokens));
  return {
    before: async (/** @type {Workerd} */ worker) => {
      await mustAnswer(worker, check(algorithm, tokens, last), 200);
      await mustAnswer(worker, logout(algorithm, tokens, last, path), 200, ({ text }) => /logged out|logout successful/i.test(text));
      await mustAnswer(worker, check(algorithm, tokens, last), 401);
    },
    after: async (/** @type {Workerd} */ worker) => {
      for (const early of [10, 100]) await mustAnswer(worker, check(algorithm, tokens, early), 401);
      await mustAnswer(worker, check(algorithm, tokens, last - 1), 200);
    },
  };
}

/** @param {import("./subjects.mjs").Subjects} subjects @param {Algorithm} algorithm @param {string[]} tokens @returns {Cell[]} */
export function logoutCells(subjects, algorithm, tokens) {
  const peerPath = algorithm === "RS256" ? "/logout-session" : "/logout";
  const cells = /** @type {Cell[]} */ ([
    {
      name: `logout-${ISSUERS[algorithm]}`,
      title: `Logout, ${ISSUERS[algorithm]}, ${algorithm}`,
      side: "ours",
      subject: subjects.ours,
      requests: { name: `${algorithm}-logout`, texts: () => texts(algorithm, tokens, LOGOUT[algorithm]) },
      ...looks(algorithm, tokens, LOGOUT[algorithm], ownCheck),
    },
    {
      name: `hono-jose-ledger-logout-${algorithm}`,
      title: `Hono + jose + Durable Object write + KV put, ${algorithm}`,
      side: "peer",
      subject: subjects.peer("hono-jose-ledger", algorithm),
      requests: { name: `${algorithm}-peer-logout`, texts: () => texts(algorithm, tokens, peerPath) },
      ...looks(algorithm, tokens, peerPath, peerCheck),
    },
  ]);
  if (algorithm === "HS256") {
    cells.push({
      name: "hono-jose-kv-logout",
      title: "Hono + jose + KV put, HS256",
      side: "peer",
      subject: subjects.peer("hono-jose-kv", algorithm),
      requests: cells[1].requests,
      ...looks(algorithm, tokens, peerPath, peerCheck),
    });
  }
  return cells.map((cell) => ({ ...cell, isOnce: true }));
}
