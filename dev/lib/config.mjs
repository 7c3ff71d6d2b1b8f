// What wrangler.toml says about issuers, as far as the development scripts need it.
import { readFile } from "node:fs/promises";
import { inRoot } from "./paths.mjs";
import { Refusal } from "./refusal.mjs";
import { parseToml } from "./toml.mjs";

/**
 * @typedef {object} Issuer
 * @property {string} name
 * @property {string} [kind]
 * @property {string | string[]} [iss]
 * @property {string[]} [audiences]
 * @property {Record<string, string>} [claims] which claim says what, where it is not the usual one
 * @property {Record<string, string[]>} [required_claims]
 */

/** @returns {Promise<Issuer[]>} */
export async function readIssuers() {
  const config = parseToml(await readFile(inRoot("wrangler.toml"), "utf8"), "wrangler.toml");
  return config.vars?.EDGE_LOGOUT?.issuers ?? [];
}

/** @param {string} name */
export async function readIssuer(name) {
  const issuers = (await readIssuers()).filter((issuer) => issuer.iss);
  const issuer = issuers.find((candidate) => candidate.name === name);
  if (issuer) return issuer;
  const known = issuers.map((candidate) => candidate.name).join(", ");
  throw new Refusal(`wrangler.toml has no issuer of tokens with the name \`${name}\`. It has: ${known}`, 2);
}
