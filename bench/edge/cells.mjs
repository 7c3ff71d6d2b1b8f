// What is measured, in the order in which it is shown: each is one Worker under one kind of request.
import { mustAnswer } from "./asking.mjs";
import { logoutCells } from "./cells-logout.mjs";
import { batchCells } from "./cells-batch.mjs";
import { requestText } from "./load.mjs";
import { ALGORITHMS, LOGOUT, WARM, claimsOf, spare } from "./tokens.mjs";

/** @typedef {import("./subjects.mjs").Subject} Subject */
/** @typedef {import("./subjects.mjs").Subjects} Subjects */
/** @typedef {import("./subjects.mjs").Peer} Peer */
/** @typedef {import("./tokens.mjs").Algorithm} Algorithm */
/** @typedef {import("./workerd.mjs").Workerd} Workerd */
/** @typedef {Record<Algorithm, string[]>} Tokens */
/**
 * Requests that several cells send: one file of them.
 * @typedef {{ name: string, texts: () => string[] }} Requests
 */
/**
 * @typedef {object} Cell
 * @property {string} name
 * @property {string} title
 * @property {"floor" | "ours" | "peer"} side
 * @property {Subject} subject
 * @property {Requests} requests
 * @property {number} [connections] as many as usual unless it says so
 * @property {boolean} [isOnce] each request is good for one time only; what is left to do behind the answers counts as well
 * @property {(worker: Workerd) => Promise<unknown>} before looks whether it answers rightly
 * @property {(worker: Workerd) => Promise<unknown>} after the same, with something logged out meanwhile
 */

/** @param {Algorithm} algorithm @param {string[]} tokens @param {string} path @returns {{ warm: Requests, cold: Requests }} */
export function checks(algorithm, tokens, path = "/check") {
  const texts = (/** @type {number} */ count) => () => tokens.slice(0, count).map((token) => requestText({ path, token }));
  const name = `${algorithm}-${path.replaceAll(/\W+/g, "-")}`;
  return { warm: { name: `${name}-warm`, texts: texts(WARM) }, cold: { name: `${name}-cold`, texts: texts(tokens.length - 1) } };
}

/** A token with a signature that is another one's. @param {string[]} tokens */
export const forged = ([one, other]) => `${one.slice(0, one.lastIndexOf("."))}${other.slice(other.lastIndexOf("."))}`;

/**
 * A check of ours says who the token's user is; and it says no as soon as the token is logged out.
 * @param {Algorithm} algorithm @param {string[]} tokens @param {string} path @param {string} freshness
 */
function ownChecks(algorithm, tokens, path, freshness) {
  const isOf = (/** @type {string} */ token) => (/** @type {import("./asking.mjs").Answer} */ answer) => {
    const claims = claimsOf(token);
    return answer.headers.get("x-auth-subject") === (claims.sub ?? claims.ulid) && answer.headers.get("x-auth-freshness") === freshness;
  };
  const before = async (/** @type {Workerd} */ worker) => {
    await mustAnswer(worker, { path, token: tokens[0] }, 200, isOf(tokens[0]));
    await mustAnswer(worker, { path, token: forged(tokens) }, 401);
  };
  const after = async (/** @type {Workerd} */ worker) => {
    await before(worker);
    if (algorithm === "RS256") return; // its logout ends another's session
    await mustAnswer(worker, { method: "POST", path: LOGOUT[algorithm], token: spare(tokens) }, 200);
    await mustAnswer(worker, { path, token: spare(tokens) }, 401, ({ text }) => JSON.parse(text).reason === "revoked");
  };
  return { before, after };
}

/** @param {string[]} tokens @param {boolean} knowsLogouts @param {string} [path] */
function peerChecks(tokens, knowsLogouts, path = "/check") {
  const before = async (/** @type {Workerd} */ worker) => {
    await mustAnswer(worker, { path, token: tokens[0] }, 200, ({ text }) => text === "ok");
    await mustAnswer(worker, { path, token: forged(tokens) }, 401);
  };
  const after = async (/** @type {Workerd} */ worker) => {
    await before(worker);
    if (!knowsLogouts) return;
    await mustAnswer(worker, { method: "POST", path: "/logout", token: spare(tokens) }, 200);
    await mustAnswer(worker, { path, token: spare(tokens) }, 401);
  };
  return { before, after };
}

/** @param {Subjects} subjects @param {Algorithm} algorithm @param {string[]} tokens @returns {Cell[]} */
function checkCells(subjects, algorithm, tokens) {
  const { warm, cold } = checks(algorithm, tokens);
  const own = ownChecks(algorithm, tokens, "/check", "bounded");
  const peer = (/** @type {Peer} */ kind) => subjects.peer(kind, algorithm);
  return [
    { name: `warm-${algorithm}`, title: `/check, warm, bounded, ${algorithm}`, side: "ours", subject: subjects.ours, requests: warm, ...own },
    { name: `cold-${algorithm}`, title: `/check, cold token, bounded, ${algorithm}`, side: "ours", subject: subjects.ours, requests: cold, ...own },
    { name: `hono-jose-${algorithm}`, title: `Hono + jose, no revocation, ${algorithm}`, side: "peer", subject: peer("hono-jose"), requests: cold, ...peerChecks(tokens, false) },
    { name: `hono-jose-kv-${algorithm}`, title: `Hono + jose + KV read, ${algorithm}`, side: "peer", subject: peer("hono-jose-kv"), requests: cold, ...peerChecks(tokens, true) },
  ];
}

/** @param {Subjects} subjects @param {string[]} tokens @returns {Cell[]} */
function otherPromises(subjects, tokens) {
  const own = (/** @type {string} */ freshness) => {
    const path = `/check?freshness=${freshness}`;
    return { side: /** @type {const} */ ("ours"), subject: subjects.ours, requests: checks("HS256", tokens, path).warm, ...ownChecks("HS256", tokens, path, freshness) };
  };
  const peer = (/** @type {Peer} */ kind) => ({ side: /** @type {const} */ ("peer"), subject: subjects.peer(kind, "HS256"), requests: checks("HS256", tokens).warm, ...peerChecks(tokens, true) });
  return [
    { name: "eventual", title: "/check, warm, eventual, HS256", ...own("eventual") },
    { name: "hono-jose-kv-bulk", title: "Hono + jose + KV bulk read of 3, HS256", ...peer("hono-jose-kv-bulk") },
    { name: "strong", title: "/check, warm, strong, HS256", ...own("strong") },
    { name: "hono-jose-ledger", title: "Hono + jose + Durable Object read, HS256", ...peer("hono-jose-ledger") },
    { name: "strong-one", title: "/check, warm, strong, one connection, HS256", ...own("strong"), connections: 1 },
    { name: "hono-jose-ledger-one", title: "Hono + jose + Durable Object read, one connection, HS256", ...peer("hono-jose-ledger"), connections: 1 },
  ];
}

/** @param {Subjects} subjects @param {string[]} tokens @returns {Cell[]} */
function guardCells(subjects, tokens) {
  const path = "/orders/7";
  const requests = checks("HS256", tokens, path).warm;
  const peer = peerChecks(tokens, false, path);
  const after = async (/** @type {Workerd} */ worker) => {
    await peer.before(worker);
    await mustAnswer(worker, { method: "POST", path: LOGOUT.HS256, token: spare(tokens) }, 200);
    await mustAnswer(worker, { path, token: spare(tokens) }, 401);
  };
  return [
    { name: "guard", title: "Guard before a service binding, warm, HS256", side: "ours", subject: subjects.ourGuard, requests, before: peer.before, after },
    { name: "hono-jose-guard", title: "Hono + jose before a service binding, HS256", side: "peer", subject: subjects.peer("hono-jose-guard", "HS256"), requests, ...peer },
  ];
}

/** @param {Subjects} subjects @param {string[]} tokens @returns {Cell[]} */
function floorCells(subjects, tokens) {
  const requests = checks("HS256", tokens).warm;
  const look = (/** @type {Workerd} */ worker) => mustAnswer(worker, { path: "/check", token: tokens[0] }, 200, ({ text }) => text === "ok");
  return [
    { name: "bare-js", title: "Bare JavaScript Worker", side: "floor", subject: subjects.bareJs, requests, before: look, after: look },
    { name: "bare-rust", title: "Bare Rust Worker", side: "floor", subject: subjects.bareRust, requests, before: look, after: look },
  ];
}

/** @param {Subjects} subjects @param {Tokens} tokens @param {string} batchAnswer @returns {Cell[]} */
export const allCells = (subjects, tokens, batchAnswer) => [
  ...floorCells(subjects, tokens.HS256),
  ...ALGORITHMS.flatMap((algorithm) => checkCells(subjects, algorithm, tokens[algorithm])),
  ...otherPromises(subjects, tokens.HS256),
  ...guardCells(subjects, tokens.HS256),
  ...ALGORITHMS.flatMap((algorithm) => logoutCells(subjects, algorithm, tokens[algorithm])),
  ...batchCells(subjects, tokens.HS256, batchAnswer),
];
