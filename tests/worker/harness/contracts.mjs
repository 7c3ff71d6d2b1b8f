// The five contracts, word for word as their vendors publish them: where they answer, and what;
// the tests of all contracts go over this table.
import assert from "node:assert/strict";
import { mint } from "./tokens.mjs";

/** @typedef {import("./answer.mjs").Answer} Answer */
/** @typedef {{ status: number, body: unknown, challenge?: string | null }} Wanted */
/**
 * Why a logout is refused, as far as the contracts tell it apart.
 * @typedef {"missing" | "malformed" | "bad" | "expired" | "notYet" | "revoked" | "notJson" | "tooLarge" | "method" | "unavailable"} Refusal
 */
/**
 * @typedef {object} Contract
 * @property {string} name also that of its issuer in tests/wrangler.toml
 * @property {string[]} paths bare, and below the published base
 * @property {boolean} endsBearer whether the bearer token itself is logged out
 * @property {(token: string) => Record<string, any>} request what is posted with a token
 * @property {(got: Answer) => void} assertSuccess
 * @property {Record<Refusal, Wanted>} refusals
 */

/** @param {string} error @param {string} description */
const challenge = (error, description) => `Bearer error="${error}", error_description="${description}"`;

/** What RFC 6750 has for each reason; the vendor's own body and status are added. @type {Partial<Record<Refusal, string>>} */
const CHALLENGES = {
  missing: "Bearer",
  malformed: challenge("invalid_request", "The Authorization header is no bearer header"),
  bad: challenge("invalid_token", "The access token is invalid"),
  expired: challenge("invalid_token", "The access token expired"),
  notYet: challenge("invalid_token", "The access token is not valid yet"),
  revoked: challenge("invalid_token", "The access token was revoked"),
};

/**
 * @param {Record<Refusal, [status: number, body: unknown]>} refusals
 * @param {(text: string) => string} [worded] the vendor's own challenge
 * @returns {Record<Refusal, Wanted>}
 */
function refusing(refusals, worded = (text) => text) {
  const all = Object.entries(refusals).map(([reason, [status, body]]) => {
    // The error invalid_request goes with 400 (section 3.1): a contract that has 401 alone says nothing of it.
    const text = CHALLENGES[reason === "malformed" && status !== 400 ? "missing" : /** @type {Refusal} */ (reason)];
    return [reason, { status, body, challenge: text === undefined ? null : worded(text) }];
  });
  return Object.fromEntries(all);
}

/** @param {unknown} body @returns {(got: Answer) => void} */
const exactly = (body) => (got) => assert.deepEqual([got.status, got.json], [200, body]);

/** @param {string} token */
const bearerOnly = (token) => ({ token });

/** @param {string} text */
const detail = (text) => ({ detail: text });

let sessions = 0;
export const newSession = () => `customer-session-${process.pid}-${sessions++}`;

/** @type {Contract} */
export const LOYALTYDOG = {
  name: "loyaltydog",
  paths: ["/v2/giftcards/customers/logout"],
  endsBearer: false,
  request: (token) => ({ token, json: { sessionToken: newSession() } }),
  assertSuccess: exactly({ success: true, message: "Logged out successfully" }),
  refusals: refusing(
    {
      missing: [401, detail("Not authenticated")],
      malformed: [401, detail("Not authenticated")],
      bad: [401, detail("Invalid token")],
      expired: [401, detail("Invalid token")],
      notYet: [401, detail("Invalid token")],
      revoked: [401, detail("Invalid token")],
      notJson: [422, { detail: [{ type: "json_invalid", loc: ["body", 1], msg: "JSON decode error", input: {}, ctx: { error: "Expecting property name enclosed in double quotes" } }] }],
      tooLarge: [413, detail("Request Entity Too Large")],
      method: [405, detail("Method Not Allowed")],
      unavailable: [503, detail("Service Unavailable")],
    },
    () => "Bearer",
  ),
};

/** @param {string} message @param {string} errorCode */
const worth = (message, errorCode) => ({ message, errorCode });

/** @type {Contract} */
export const WORTH = {
  name: "worth",
  paths: ["/customer/logout", "/auth/api/v1/customer/logout"],
  endsBearer: true,
  request: bearerOnly,
  assertSuccess: exactly({ status: "success", message: "Logout successful" }),
  refusals: refusing({
    missing: [401, worth("Unauthorized", "ERR_UNAUTHORIZED")],
    malformed: [400, worth("The Authorization header is no bearer header", "ERR_BAD_REQUEST")],
    bad: [401, worth("Unauthorized", "ERR_UNAUTHORIZED")],
    expired: [401, worth("Unauthorized", "ERR_UNAUTHORIZED")],
    notYet: [401, worth("Unauthorized", "ERR_UNAUTHORIZED")],
    revoked: [401, worth("Unauthorized", "ERR_UNAUTHORIZED")],
    notJson: [400, worth("The body is no JSON", "ERR_BAD_REQUEST")],
    tooLarge: [413, worth("The body is too large", "ERR_BAD_REQUEST")],
    method: [405, worth("Method not allowed", "ERR_BAD_REQUEST")],
    unavailable: [500, worth("Internal Server Error", "ERR_INTERNAL_SERVER")],
  }),
};

/** @param {string} text */
const message = (text) => ({ message: text });

/** @type {Contract} */
export const MARZIPAN = {
  name: "marzipan",
  paths: ["/account/logout", "/v1/account/logout"],
  endsBearer: true,
  request: bearerOnly,
  assertSuccess: exactly(message("Logged out.")),
  refusals: refusing({
    missing: [401, message("Unauthenticated.")],
    malformed: [401, message("Unauthenticated.")],
    bad: [401, message("Unauthenticated.")],
    expired: [401, message("Unauthenticated.")],
    notYet: [401, message("Unauthenticated.")],
    revoked: [401, message("Unauthenticated.")],
    notJson: [400, message("The body is no JSON")],
    tooLarge: [413, message("The body is too large.")],
    method: [405, message("Method not allowed.")],
    unavailable: [503, message("Service unavailable. Please try again.")],
  }),
};

/** @param {string} text @param {string} code */
const commerceEngine = (text, code) => ({ message: text, success: false, code });

const COMMERCE_ENGINE = /** @type {const} */ ({
  missing: [401, commerceEngine("Authentication is required", "unauthorized")],
  bad: [401, commerceEngine("The access token is invalid", "unauthorized")],
  expired: [401, commerceEngine("The access token expired", "unauthorized")],
  notYet: [401, commerceEngine("The access token is invalid", "unauthorized")],
  revoked: [401, commerceEngine("The access token was revoked", "unauthorized")],
  notJson: [400, commerceEngine("The body is no JSON", "bad_request")],
  tooLarge: [413, commerceEngine("The body is too large", "bad_request")],
  method: [405, commerceEngine("Method not allowed", "bad_request")],
  unavailable: [500, commerceEngine("Logout failed. Please try again.", "internal_error")],
});

/** @type {Contract} */
export const POS = {
  name: "commerce-engine-pos",
  paths: ["/pos/auth/logout", "/api/v1/my-store/storefront/pos/auth/logout"],
  endsBearer: true,
  request: bearerOnly,
  assertSuccess: exactly({ message: "Logged out successfully", success: true }),
  refusals: refusing({ .../** @type {any} */ (COMMERCE_ENGINE), malformed: [401, commerceEngine("Authentication is required", "unauthorized")] }),
};

/** @type {Contract} */
export const STOREFRONT = {
  name: "commerce-engine-storefront",
  paths: ["/auth/logout", "/api/v1/my-store/storefront/auth/logout"],
  endsBearer: true,
  request: bearerOnly,
  assertSuccess(got) {
    assert.equal(got.status, 200, got.text);
    assert.deepEqual(Object.keys(got.json), ["message", "success", "content"]);
    assert.deepEqual([got.json.message, got.json.success], ["Logged out successfully", true]);
    assert.deepEqual(Object.keys(got.json.content), ["access_token", "refresh_token", "user"]);
  },
  refusals: refusing({
    .../** @type {any} */ (COMMERCE_ENGINE),
    malformed: [400, commerceEngine("The Authorization header is no bearer header", "bad_request")],
  }),
};

export const CONTRACTS = [LOYALTYDOG, WORTH, MARZIPAN, POS, STOREFRONT];

/** Those that log out the bearer token itself. */
export const BEARER_CONTRACTS = CONTRACTS.filter(({ endsBearer }) => endsBearer);

/**
 * Posts a contract's logout.
 * @param {import("./worker.mjs").Worker} worker
 * @param {Contract} contract
 * @param {string} [token]
 */
export async function logout(worker, contract, token) {
  return worker.post(contract.paths[0], contract.request(token ?? (await mint(contract.name))));
}
