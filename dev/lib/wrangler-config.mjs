// The configuration as wrangler sees it, environments and all, and the secrets that belong to it.
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import * as util from "node:util"; // parseEnv came with Node 20.12: by name, older ones would not even load this
import { isNodeNewEnough, modernNode } from "./packages.mjs";
import { inRoot } from "./paths.mjs";
import { Refusal, command, isMain } from "./refusal.mjs";
import { run } from "./run.mjs";
import { tomlRefusal } from "./toml.mjs";
import { wranglerArgs, wranglerEnv, wranglerProgram } from "./wrangler.mjs";

/** @typedef {import("./table.mjs").Table} Table */
/** @typedef {import("./config-file.mjs").Which} Which */

/**
 * Needs npm's packages.
 * @param {Which} which
 * @returns {Promise<Table>}
 */
export async function readConfig(which) {
  if (!isNodeNewEnough) return readUnderModernNode(which);
  process.env.WRANGLER_LOG_PATH ??= wranglerEnv().WRANGLER_LOG_PATH;
  const { unstable_readConfig: read } = await import("wrangler");
  const config = attempt(which, () => read({ config: which.file, env: which.env ?? "" }));
  // wrangler warns, and goes on with the settings outside any environment.
  if (which.env && !config.definedEnvironments?.includes(which.env)) throw new Refusal(`${which.label} has no environment \`${which.env}\``, 2);
  return config;
}

/** @template T @param {Which} which @param {() => T} read @returns {T} */
function attempt({ label }, read) {
  try {
    return read();
  } catch (error) {
    throw tomlRefusal(/** @type {import("./toml.mjs").TomlProblem} */ (error), label);
  }
}

/** wrangler's library does not load under an older Node.js. @param {Which} which @returns {Promise<Table>} */
async function readUnderModernNode(which) {
  const { code, stdout, output } = await run(modernNode, [inRoot("dev", "lib", "wrangler-config.mjs")], { input: JSON.stringify(which), env: wranglerEnv() });
  if (code !== 0) throw new Refusal(output.replace(stdout, "").trimEnd(), code);
  return JSON.parse(stdout.trimEnd().split("\n").at(-1) ?? "");
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
 * The secrets of `wrangler dev`: it looks beside the configuration, and takes the environment's file in place of the
 * common one, where there is one.
 * @param {Which} which
 */
export function devVarsFile({ file, env }) {
  const common = join(dirname(file), ".dev.vars");
  const own = `${common}.${env}`;
  return env && existsSync(own) ? own : common;
}

/** @param {Which} which @returns {Promise<Record<string, string>>} */
export async function readDevVars(which) {
  const file = devVarsFile(which);
  return existsSync(file) ? readSecretsFile(file) : {};
}

/**
 * The names of the secrets that the deployed Worker has. Their values cannot be read back.
 * @param {Which} which
 * @returns {Promise<Record<string, null>>}
 */
export async function deployedSecrets({ file, env }) {
  const args = ["secret", "list", "--format", "json", "--config", file, "--env", env ?? ""];
  const { code, stdout, output } = await run(wranglerProgram, wranglerArgs(args), { env: { ...wranglerEnv(), CI: "1" } });
  if (code === 0) {
    const list = /** @type {{ name: string }[]} */ (JSON.parse(stdout.slice(stdout.indexOf("["))));
    return Object.fromEntries(list.map(({ name }) => [name, null]));
  }
  if (/\b10007\b|does not exist|not found/i.test(output)) return {}; // it has never been deployed
  throw new Refusal(`${output.trim()}\n\`wrangler secret list\` failed: the secrets that are set cannot be told`);
}

if (isMain(import.meta.url)) {
  await command(async () => {
    const { text } = await import("node:stream/consumers");
    console.log(JSON.stringify(await readConfig(JSON.parse(await text(process.stdin)))));
  });
}
