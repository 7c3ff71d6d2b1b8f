// .dev.vars: the secrets of `wrangler dev`. It is never committed and never deployed, so what it says holds here only.
import { existsSync } from "node:fs";
import { appendFile, readFile } from "node:fs/promises";
import { DEVELOPMENT_SECRETS, readDevelopmentKey } from "./keys.mjs";
import { inRoot } from "./paths.mjs";

export const DEV_VARS = inRoot(".dev.vars");

/** Refused wherever development keys are. */
export const DEVELOPMENT_CLIENT_SECRET = "development-secret-of-a-client-of-batch-check";

async function wanted() {
  /** @type {Record<string, string>} */
  const lines = {};
  for (const [name, issuer] of Object.entries(DEVELOPMENT_SECRETS)) {
    const { development_only: _, ...jwk } = await readDevelopmentKey(issuer);
    lines[name] = `${name}='${JSON.stringify(jwk)}'`;
  }
  lines.BATCH_CHECK_SECRET = `BATCH_CHECK_SECRET="${DEVELOPMENT_CLIENT_SECRET}"`;
  // Without it the Worker refuses every key whose `kid` begins with `development-`.
  lines.EDGE_LOGOUT_DEVELOPMENT = 'EDGE_LOGOUT_DEVELOPMENT="true"';
  return lines;
}

/**
 * What has to be appended to a file that says `present`. What it says is left alone: somebody may have put their own
 * keys in.
 * @param {string} present
 */
export async function missingFrom(present) {
  const names = new Set([...present.matchAll(/^[ \t]*(?:export[ \t]+)?(\w+)[ \t]*=/gm)].map(([, name]) => name));
  const missing = Object.entries(await wanted()).filter(([name]) => !names.has(name));
  const newline = present === "" || present.endsWith("\n") || missing.length === 0 ? "" : "\n";
  return newline + missing.map(([, line]) => `${line}\n`).join("");
}

export async function ensureDevVars() {
  const present = existsSync(DEV_VARS) ? await readFile(DEV_VARS, "utf8") : "";
  const missing = await missingFrom(present);
  if (missing) await appendFile(DEV_VARS, missing, { mode: 0o600 });
}
