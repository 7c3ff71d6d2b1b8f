// Requests to paste, to try the configured table: one for each route, and a check.
import { quoted } from "./config-file.mjs";
import { signingKeyOf } from "./keys.mjs";
import { STORE } from "./mint.mjs";
import { issuersOf, listed, oneOrMore } from "./table.mjs";

/** @typedef {import("./table.mjs").Table} Table */
/** @typedef {import("./table.mjs").Issuer} Issuer */
/** @typedef {{ origin: string, options: string[] }} Where `options`: those with which `npm run token` reads the same configuration */

/** Each contract's default path, what its logout ends, and the body of its request. */
export const CONTRACTS = /** @type {Record<string, { path: string, ends: string, body?: object }>} */ ({
  loyaltydog: { path: "/v2/giftcards/customers/logout", ends: "the customer session that the body names", body: { sessionToken: "a-customer-session" } },
  worth: { path: "/customer/logout", ends: "the token and its session" },
  marzipan: { path: "/account/logout", ends: "the token and its session" },
  "commerce-engine-pos": { path: "/pos/auth/logout", ends: "every token of the device's session" },
  "commerce-engine-storefront": { path: "/auth/logout", ends: "the token and its session; the answer carries a new anonymous session" },
});

/** A path that matches a pattern. @param {unknown} pattern */
const filled = (pattern) => String(pattern).replaceAll(/\{(\w+)\}/g, (_, name) => (name === "store_id" ? STORE : "example")).replace(/\*$/, "example");

/** @param {unknown} host */
const hostHeader = (host) => (typeof host === "string" ? ` -H ${quoted(`Host: ${host}`)}` : "");

/** How to get a token. @param {Table} table @param {Record<string, string | null>} secrets @param {string[]} options @returns {Promise<(name: string) => string>} */
async function tokens(table, secrets, options) {
  /** @type {Map<string, string>} */
  const lines = new Map();
  for (const issuer of issuersOf(table)) {
    const command = ["npm run --silent token --", ...[issuer.name, ...options].map(quoted)].join(" ");
    const [iss = "its issuer"] = oneOrMore(issuer.iss);
    const placeholder = `# There is no development key of ${issuer.name}: log in where ${iss} issues tokens, and put the access token here\nTOKEN=...`;
    lines.set(issuer.name, (await signingKeyOf(issuer, secrets)) ? `TOKEN=$(${command})` : placeholder);
  }
  return (name) => lines.get(name) ?? "TOKEN=any-opaque-token";
}

const BEARER = '-H "Authorization: Bearer $TOKEN"';

/** @param {Table} route @param {string} origin */
function logoutRequest(route, origin) {
  const known = CONTRACTS[route.contract];
  const path = filled(oneOrMore(route.paths)[0] ?? known.path);
  const body = known.body ? ` -H 'Content-Type: application/json' -d ${quoted(JSON.stringify(known.body))}` : "";
  return { title: `Log out (${route.contract}): ends ${known.ends}`, line: `curl -i -X POST ${quoted(origin + path)}${hostHeader(route.host)} ${BEARER}${body}` };
}

/** A guard without upstream is a rule for `/check` only. @param {Table} guard @param {string} origin */
function guardRequest(guard, origin) {
  const path = filled(oneOrMore(guard.paths)[0]);
  if (guard.upstream) return { title: `Through the guard of ${path} to its API`, line: `curl -i ${quoted(origin + path)}${hostHeader(guard.host)} ${BEARER}` };
  const original = [`X-Original-Method: GET`, `X-Original-Host: ${guard.host ?? "api.example"}`, `X-Original-URI: ${path}`];
  return { title: `Check a request for ${path}, as a proxy asks`, line: `curl -i ${quoted(`${origin}/check?original=x-original`)} ${original.map((header) => `-H ${quoted(header)}`).join(" ")} ${BEARER}` };
}

/** The issuer for the check: one whose tokens can be signed here, if any. @param {Issuer[]} issuers @param {Record<string, string | null>} secrets */
async function issuerToCheck(issuers, secrets) {
  for (const issuer of issuers) if (await signingKeyOf(issuer, secrets)) return issuer;
  return issuers[0];
}

/**
 * @param {import("./table.mjs").Configured} configured
 * @param {Where} where
 * @returns {Promise<string>}
 */
export async function exampleRequests({ table, secrets }, { origin, options }) {
  const tokenFor = await tokens(table, secrets, options);
  const blocks = [];
  for (const route of listed(table, "routes")) {
    const isGuard = route.kind === "guard";
    if (!isGuard && !Object.hasOwn(CONTRACTS, route.contract)) continue; // the Worker refuses it, and says so
    const { title, line } = isGuard ? guardRequest(route, origin) : logoutRequest(route, origin);
    blocks.push(`# ${title}\n${tokenFor(isGuard ? oneOrMore(route.issuers)[0] : route.issuer)}\n${line}\n`);
  }
  const checked = await issuerToCheck(issuersOf(table), secrets);
  const [opaque] = listed(table, "issuers");
  const query = checked ? "" : `?issuer=${opaque?.name}`;
  const check = `# Check a token: 200 while it is good, 401 once it is logged out\n${tokenFor(checked?.name ?? "")}\ncurl -i ${quoted(`${origin}/check${query}`)} ${BEARER}\n`;
  return [...blocks, check].join("\n");
}
