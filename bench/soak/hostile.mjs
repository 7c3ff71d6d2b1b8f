// What nobody well-meaning sends, each with the one right answer.
import { DEVELOPMENT_CLIENT_SECRET } from "../../dev/lib/dev-vars.mjs";
import { LOYALTYDOG } from "../../tests/worker/harness/contracts.mjs";
import { PROVIDER } from "./config.mjs";
import { isRefusal } from "./logouts.mjs";
import { bytes, isUntold, json, told } from "./requests.mjs";
import { KINDS, OPAQUE, encoded, tokenOf } from "./tokens.mjs";

/** @typedef {import("./requests.mjs").Job} Job */
/** @typedef {import("./tokens.mjs").Mint} Mint */

const kind = "hostile";
const ISSUERS = KINDS.map(({ issuer }) => issuer).filter((issuer) => issuer !== OPAQUE && issuer !== PROVIDER.name);
const now = () => Math.floor(Date.now() / 1000);
const long = (/** @type {number} */ length) => "x".repeat(length);

/** A check that is refused for that reason. @param {string} token @param {string} reason @returns {Job} */
const refusedCheck = (token, reason) => ({
  kind,
  request: bytes({ path: "/check", token }),
  isFailure: isUntold,
  judge: (answer) => (answer.status === 401 && json(answer.text).reason === reason ? undefined : `a token that is ${reason}: ${told(answer)}`),
});

/** @param {string} what @param {Parameters<typeof bytes>[0]} request @param {number} status @param {boolean} [isLast] @returns {Job} */
const answeredWith = (what, request, status, isLast = false) => ({
  kind,
  request: bytes(request),
  isLast,
  judge: (answer) => (answer.status === status ? undefined : `${what}: ${told(answer)}`),
});

/** Tokens of an issuer with one thing wrong. @param {Mint} mint @param {string} issuer @returns {Job[]} */
function badTokens(mint, issuer) {
  const { header, payload, sign } = mint.parts(issuer);
  const token = tokenOf(header, payload, sign);
  const signature = token.slice(token.lastIndexOf("."));
  const [first, second] = token.split(".");
  const claiming = (/** @type {object} */ claims) => tokenOf(header, { ...payload, ...claims }, sign);
  return [
    refusedCheck(`${encoded({ ...header, alg: "none" })}.${second}.`, "algorithm_not_allowed"),
    refusedCheck(`${first}.${encoded({ ...payload, jti: "another" })}${signature}`, "bad_signature"),
    refusedCheck(tokenOf({ ...header, kid: "nobody" }, payload, sign), "unknown_key"),
    refusedCheck(claiming({ iat: now() - 7200, exp: now() - 3600 }), "token_expired"),
    refusedCheck(claiming({ aud: "somebody-else" }), "wrong_audience"),
    refusedCheck(claiming({ nbf: now() + 7200 }), "not_yet_valid"),
    refusedCheck(claiming({ exp: undefined }), "no_expiry"),
    refusedCheck(claiming({ iss: "https://elsewhere.example" }), "unknown_issuer"),
  ];
}

/** At the logout of a contract. @param {Mint} mint @param {(typeof KINDS)[number]} at @returns {Job[]} */
function atLogout(mint, { contract, path }) {
  const { header, payload, sign } = mint.parts(contract.name);
  const token = tokenOf(header, payload, sign);
  const other = tokenOf(header, { ...payload, sid: "another" }, sign);
  const forged = `${token.slice(0, token.lastIndexOf("."))}${other.slice(other.lastIndexOf("."))}`;
  const body = contract === LOYALTYDOG ? JSON.stringify({ sessionToken: "nobody's" }) : undefined;
  /** @param {keyof typeof contract.refusals} refusal @param {Parameters<typeof bytes>[0]} request @param {boolean} [isLast] @returns {Job} */
  const refused = (refusal, request, isLast = false) => ({
    kind,
    request: bytes(request),
    isLast,
    isFailure: (answer) => isRefusal(contract, answer, "unavailable"),
    judge: (answer) => (isRefusal(contract, answer, refusal) ? undefined : `${contract.name}, ${refusal}: ${told(answer)}`),
  });
  return [
    refused("missing", { method: "POST", path, body }),
    refused("bad", { method: "POST", path, token: forged, body }),
    refused("expired", { method: "POST", path, token: tokenOf(header, { ...payload, iat: now() - 7200, exp: now() - 3600 }, sign), body }),
    refused("method", { path, token }),
    refused("tooLarge", { method: "POST", path, token, body: JSON.stringify({ sessionToken: long(17_000) }) }, true),
    answeredWith(`${contract.name}, a body that is no JSON`, { method: "POST", path, token, body: "{" }, contract.refusals.notJson.status),
  ];
}

/** @param {Mint} mint @returns {Job[]} */
function others(mint) {
  const token = mint.token(ISSUERS[0]);
  const batch = (/** @type {string} */ body, /** @type {string | undefined} */ secret = DEVELOPMENT_CLIENT_SECRET) => ({ method: "POST", path: "/batch-check", token: secret, body });
  return [
    refusedCheck("x.y.z", "token_malformed"),
    refusedCheck("x", "token_malformed"),
    refusedCheck(`${token}${long(9_000)}`, "token_too_large"),
    answeredWith("a check without a token", { path: "/check" }, 401),
    answeredWith("an unknown parameter", { path: "/check?fresh=strong", token }, 400),
    answeredWith("an unknown issuer", { path: "/check?issuer=nobody", token }, 400),
    answeredWith("a path that is nobody's", { path: "/wp-login.php" }, 404),
    answeredWith("a batch that is no JSON", batch("{"), 400),
    answeredWith("a batch of too many", batch(JSON.stringify({ tokens: Array(101).fill("x") })), 400),
    answeredWith("a batch for nobody", batch('{"tokens":[]}', long(40)), 401),
    answeredWith("a huge batch", batch(JSON.stringify({ tokens: [long(900_000)] })), 413, true),
    answeredWith("a batch by GET", { path: "/batch-check", token: DEVELOPMENT_CLIENT_SECRET }, 405),
  ];
}

/** @param {Mint} mint @returns {Job[]} */
export const hostileJobs = (mint) => [
  ...ISSUERS.flatMap((issuer) => badTokens(mint, issuer)),
  ...KINDS.filter(({ issuer }) => issuer !== PROVIDER.name).flatMap((at) => atLogout(mint, at)),
  ...others(mint),
];

/** A name that no key of the provider has. While the provider is down it may be that of a new key. @param {Mint} mint @param {import("./rotation.mjs").Rotation} rotation @param {string} kid @returns {Job} */
export function unknownKeyJob(mint, rotation, kid) {
  const { header, payload, sign } = mint.parts(PROVIDER.name);
  return {
    ...refusedCheck(tokenOf({ ...header, kid }, payload, sign), "unknown_key"),
    excuse: (when) => rotation.excuse(undefined, when),
  };
}
