// The configuration as wrangler sees it, environments and all, and the secrets that belong to it.
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import * as util from "node:util"; // parseEnv came with Node 20.12: by name, older ones would not even load this
import { inRoot } from "./paths.mjs";
import { Refusal } from "./refusal.mjs";
import { run } from "./run.mjs";
import { tomlRefusal } from "./toml.mjs";
import { wranglerArgs, wranglerEnv, wranglerProgram } from "./wrangler.mjs";

/** @typedef {import("./deployment.mjs").Table} Table */

/**
 * Needs a Node.js that wrangler runs under.
 * @param {string | undefined} env
 * @returns {Promise<Table>}
 */
export async function readConfig(env) {
  process.env.WRANGLER_LOG_PATH ??= wranglerEnv().WRANGLER_LOG_PATH;
  const { unstable_readConfig: read } = await import("wrangler");
  const config = attempt(() => read({ config: inRoot("wrangler.toml"), env: env ?? "" }));
  // wrangler warns, and goes on with the settings outside any environment.
  if (env && !config.definedEnvironments?.includes(env)) throw new Refusal(`wrangler.toml has no environment \`${env}\``, 2);
  return config;
}

/** @template T @param {() => T} read @returns {T} */
function attempt(read) {
  try {
    return read();
  } catch (error) {
    throw tomlRefusal(/** @type {import("./toml.mjs").TomlProblem} */ (error), "wrangler.toml");
  }
}

/**
 * The secrets in a file of the form `NAME=value` or in JSON: the forms that wrangler takes.
 * @param {string} path
 * @returns {Promise<Record<string, string>>}
 */
export async function readSecretsFile(path) {
  if (!existsSync(path)) throw new Refusal(`There is no file ${path}`);
  const text = await readFile(path, "utf8");
  const parsed = text.trimStart().startsWith("{") ? parseJson(text, path) : util.parseEnv(text);
  return Object.fromEntries(Object.entries(parsed).map(([name, value]) => [name, String(value)]));
}

/** The parser's own words would tell what is in the file. @param {string} text @param {string} path */
function parseJson(text, path) {
  try {
    return JSON.parse(text);
  } catch {
    throw new Refusal(`${path} begins like JSON and is none`);
  }
}

/**
 * `wrangler dev` reads the file of the environment in place of the common one, where there is one.
 * @param {string | undefined} env
 */
export async function readDevVars(env) {
  const own = inRoot(`.dev.vars.${env}`);
  return readSecretsFile(env && existsSync(own) ? own : inRoot(".dev.vars"));
}

/**
 * The names of the secrets that the deployed Worker has. Their values cannot be read back.
 * @param {string | undefined} env
 * @returns {Promise<Record<string, null>>}
 */
export async function deployedSecrets(env) {
  const args = ["secret", "list", "--format", "json", "--env", env ?? ""];
  const { code, stdout, output } = await run(wranglerProgram, wranglerArgs(args), { env: { ...wranglerEnv(), CI: "1" } });
  if (code === 0) {
    const list = /** @type {{ name: string }[]} */ (JSON.parse(stdout.slice(stdout.indexOf("["))));
    return Object.fromEntries(list.map(({ name }) => [name, null]));
  }
  if (/\b10007\b|does not exist|not found/i.test(output)) return {}; // it has never been deployed
  throw new Refusal(`${output.trim()}\n\`wrangler secret list\` failed: the secrets that are set cannot be told`);
}
