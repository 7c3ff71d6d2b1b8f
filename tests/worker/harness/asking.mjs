// Asking the Worker whether a token is good.
import assert from "node:assert/strict";
import { DEVELOPMENT_CLIENT_SECRET } from "../../../dev/lib/dev-vars.mjs";
import { mint } from "./tokens.mjs";
import { CONTRACTS, LOYALTYDOG, POS } from "./contracts.mjs";

/** @typedef {import("./worker.mjs").Worker} Worker */
/** @typedef {import("./answer.mjs").Answer} Answer */
/** @typedef {"strong" | "bounded" | "eventual"} Freshness */

/** The secret that `npm start` sets for the client of /batch-check. */
export { DEVELOPMENT_CLIENT_SECRET as CLIENT_SECRET };

/**
 * What can be logged out, and how to ask whether it is.
 * @typedef {object} Subject
 * @property {import("./contracts.mjs").Contract} contract
 * @property {string} token what is asked about
 * @property {{ token: string, json?: unknown }} logout what is posted
 * @property {string} query of /check
 */

/** @type {string | undefined} */
let merchant;

/** A token of a contract, or a session of LoyaltyDog's. @param {import("./contracts.mjs").Contract} contract @param {Record<string, unknown>} [claims] @returns {Promise<Subject>} */
export async function subjectOf(contract, claims) {
  if (contract !== LOYALTYDOG) {
    const token = await mint(contract.name, { claims });
    return { contract, token, logout: { token }, query: "" };
  }
  merchant ??= await mint(LOYALTYDOG.name);
  const { json } = contract.request(merchant);
  return { contract, token: json.sessionToken, logout: { token: merchant, json }, query: "issuer=loyaltydog-sessions" };
}

/** So many, of all contracts in turn. @param {number} count */
export const subjects = (count) => Promise.all(Array.from({ length: count }, (_, index) => subjectOf(CONTRACTS[index % CONTRACTS.length])));

/** A cashier's token that ends by a cut-off. @param {string} cashier @param {number} [iat] */
export const withoutSession = (cashier, iat) => subjectOf(POS, { sid: null, ulid: cashier, ...(iat !== undefined && { iat }) });

/** @param {Worker} worker @param {Subject} subject */
export async function logOut(worker, { contract, logout }) {
  const got = await worker.post(contract.paths[0], logout);
  contract.assertSuccess(got);
  return got;
}

/** @param {Worker} worker @param {Subject} subject @param {Freshness | string} [freshness] or the query's own words @returns {Promise<Answer>} */
export function check(worker, { token, query }, freshness = "") {
  const asked = freshness === "" || freshness.includes("=") ? freshness : `freshness=${freshness}`;
  const headers = { authorization: `Bearer ${token}`, "x-edge-logout-client": DEVELOPMENT_CLIENT_SECRET };
  return worker.fetch(`/check?${[query, asked].filter(Boolean).join("&")}`, { headers });
}

/** @param {Answer} got */
export function assertRevoked(got) {
  assert.deepEqual([got.status, got.json], [401, { error: "invalid_token", reason: "revoked" }], got.text);
  assert.equal(got.headers.get("www-authenticate"), 'Bearer error="invalid_token", error_description="The access token was revoked"');
}

/** @param {Answer} got @param {Freshness} [freshness] the promise that was kept */
export function assertActive(got, freshness) {
  assert.equal(got.status, 200, got.text);
  if (freshness) assert.equal(got.headers.get("x-auth-freshness"), freshness);
}

/** A hundred verdicts at once. @param {Worker} worker @param {object} body */
export const batch = (worker, body, secret = "") => worker.post("/batch-check", { token: secret, json: body });
