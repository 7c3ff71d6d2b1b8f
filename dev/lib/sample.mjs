// `npm run check -- --online --token FILE`: prints the Worker's reports on published keys and on a sample token.
import { readFile } from "node:fs/promises";
import { text } from "node:stream/consumers";
import { secretsNamedBy } from "./deployment.mjs";
import { Refusal } from "./refusal.mjs";
import { judgedByWorker } from "./validity.mjs";

/**
 * @typedef {{ kid?: string, alg: string, usable: boolean }} TakenKey
 * @typedef {{ kid?: string, reason: string }} RefusedKey
 *
 * @typedef {object} Keys of an issuer
 * @property {string} issuer
 * @property {{ url: string, status: number | null }[]} requests
 * @property {string} [problem]
 * @property {string} [found] the wrong `issuer` or `jwks_uri` of a discovery document
 * @property {string[]} iss of which a discovery document, if any, must name one
 * @property {TakenKey[]} taken
 * @property {RefusedKey[]} refused
 *
 * @typedef {object} Verdict on a token, for an issuer
 * @property {"good" | "refused" | "cannot_tell"} outcome
 * @property {string} [issuer]
 * @property {string} [reason]
 * @property {string} [expected]
 * @property {string} [found]
 * @property {string} [key_id]
 * @property {string} [expires]
 * @property {string} [session]
 * @property {string} [session_claim]
 * @property {string} [subject]
 * @property {string} [subject_claim]
 * @property {string} [token_id]
 * @property {string} [token_id_claim]
 *
 * @typedef {{ report: { refused?: boolean, keys?: Keys[], token?: Verdict[] }, errors: Record<string, string> }} Answer
 */

/** Why there are no keys. @type {Record<string, (keys: Keys, status: number | null, code: string | undefined) => string>} */
const PROBLEMS = {
  unreachable: (_, __, code) => `cannot be reached, or broke off${code ? ` (${code})` : ""}`,
  timed_out: () => "did not answer in time: two seconds, a discovery document included",
  redirected: (_, status) => `answered with a redirect (status ${status}), which is not followed: set the URL that it leads to`,
  bad_status: (_, status) => `answered with status ${status}`,
  html: (_, status) => `answered with HTML or XML (status ${status}) in the place of JSON: a login page, or an error page?`,
  unreadable: ({ iss, requests }, status) => `answered with what is no ${iss.length > 0 && requests.length === 1 ? "discovery document" : "JWK Set"} in JSON (status ${status})`,
  too_large: (_, status) => `answered with more than 64 KiB (status ${status})`,
  too_many_keys: () => "publishes more than 64 keys",
  no_usable_key: () => "publishes no key that can be used",
  issuer_mismatch: ({ found, iss }) => `names ${found === undefined ? "no issuer" : `the issuer ${JSON.stringify(found)}`}, and \`iss\` is ${iss.map((own) => JSON.stringify(own)).join(" or ")}`,
  bad_jwks_uri: ({ found }) => (found === undefined ? "names no `jwks_uri`" : `names the \`jwks_uri\` ${JSON.stringify(found)}, which is no https:// URL without user, password and fragment`),
};

/** Why a key is not taken. @type {Record<string, string>} */
const REFUSED_KEYS = {
  not_public: "symmetric or private: such a key must not be published",
  no_algorithm_fits: "none of `algorithms` is for such a key",
  algorithm_not_configured: "its `alg` is not in `algorithms`",
  other_use: "not for signatures, by its `use` or `key_ops`",
  bad_member: "a member is missing or malformed",
  bad_size: "too short, or too long",
  no_jwk: "no JWK",
  same_kid: "another key has its `kid` and algorithm",
  development_key: "a development key: anybody can sign with it",
};

/** Replaces control characters: names from elsewhere must not control the terminal. @param {string} line */
const printable = (line) => line.replaceAll(/[\p{Cc}\p{Cf}]/gu, "?");

/** @param {TakenKey | RefusedKey} key */
const named = ({ kid }) => kid ?? "(no kid)";

/** @param {TakenKey} key */
const taken = (key) => `${named(key)} (${key.alg}${key.usable ? "" : ", cannot be imported: its members are no key"})`;

/** @param {RefusedKey} key */
const refused = (key) => `${named(key)} (${REFUSED_KEYS[key.reason] ?? key.reason})`;

/** @param {Keys} keys @param {Record<string, string>} errors */
function lineOfKeys(keys, errors) {
  const { issuer, problem, requests } = keys;
  const latest = requests.at(-1) ?? { url: "", status: null };
  const others = keys.refused.length ? `; not taken: ${keys.refused.map(refused).join(", ")}` : "";
  if (problem) {
    const why = PROBLEMS[problem]?.(keys, latest.status, errors[latest.url]) ?? problem;
    return `keys of ${issuer}: FAILED (${problem}): ${latest.url} ${why}${others}`;
  }
  const way = requests.map(({ url, status }) => `${url} (status ${status})`).join(" -> ");
  return `keys of ${issuer}: ${way}: ${keys.taken.map(taken).join(", ")}${others}`;
}

/** @param {string} what @param {string | undefined} value @param {string | undefined} claim */
const identified = (what, value, claim) => (value === undefined ? `no ${what} (\`${claim}\` is absent)` : `${what} ${JSON.stringify(value)} (\`${claim}\`)`);

/** @param {Verdict} verdict */
function lineOfVerdict(verdict) {
  const { outcome, issuer, reason, expected, found } = verdict;
  const whose = issuer === undefined ? "" : ` for ${issuer}`;
  if (outcome !== "good") {
    const what = outcome === "refused" ? "refused" : "cannot be judged";
    return `token: FAILED: ${what}${whose} (${reason})${expected ? `: expected ${expected}; found ${found}` : ""}`;
  }
  const facts = [
    `key ${verdict.key_id ?? "without kid"}`,
    `expires ${verdict.expires}`,
    identified("session", verdict.session, verdict.session_claim),
    identified("subject", verdict.subject, verdict.subject_claim),
    identified("token id", verdict.token_id, verdict.token_id_claim),
  ];
  return `token: good${whose}: ${facts.join(", ")}. Whether it is revoked was not asked`;
}

/**
 * @param {Answer} answer
 * @returns {{ lines: string[], failed: boolean }}
 */
export function reportOf({ report, errors }) {
  if (report.refused) return { lines: ["keys and token were not judged: the Worker refuses the table"], failed: true };
  const { keys = [], token = [] } = report;
  const lines = [...keys.map((own) => lineOfKeys(own, errors)), ...token.map(lineOfVerdict)];
  if (report.keys?.length === 0) lines.unshift("keys: no issuer has `jwks_url` or `discovery_url`, so nothing was fetched");
  const noKeys = keys.some((own) => own.problem !== undefined || own.taken.some(({ usable }) => !usable));
  const noToken = report.token !== undefined && !token.some(({ outcome }) => outcome === "good");
  return { lines: lines.map(printable), failed: noKeys || noToken };
}

/** @param {string} source a file, or `-` for standard input */
export async function readToken(source) {
  try {
    return source === "-" ? await text(process.stdin) : await readFile(source, "utf8");
  } catch (error) {
    throw new Refusal(`The token cannot be read: ${/** @type {Error} */ (error).message}`, 2);
  }
}

export const SAMPLE_OPTIONS = /** @type {const} */ ({ online: { type: "boolean" }, token: { type: "string" } });

export const SAMPLE_USAGE = "[--online] [--token FILE, or - for standard input]";

/**
 * Fetches published keys and judges a sample token, as the options say, and prints the results.
 * @param {{ online?: boolean, token?: string }} options `token`: a file, or `-`
 * @param {import("./validity.mjs").Question} question
 * @returns {Promise<boolean>} whether all is well
 */
export async function sampleIsGood({ online = false, token }, question) {
  if (!online && token === undefined) return true;
  // A missing secret is a finding of its own; the other issuers can still be judged.
  const unknown = Object.fromEntries(secretsNamedBy(question.parts).map((name) => [name, null]));
  const sample = { online, ...(token !== undefined && { token: await readToken(token) }) };
  const { lines, failed } = reportOf(await judgedByWorker({ ...question, secrets: { ...unknown, ...question.secrets } }, sample));
  for (const line of lines) console.log(line);
  return !failed;
}
