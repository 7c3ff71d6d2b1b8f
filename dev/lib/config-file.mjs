// The configuration that a command reads: --config FILE, else wrangler.local.toml if there is one, else wrangler.toml.
import { existsSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { ROOT, inRoot } from "./paths.mjs";
import { Refusal } from "./refusal.mjs";

/** The deployer's own file. The repository never has one, so no upgrade changes it. */
export const OWN_FILE = "wrangler.local.toml";
const SHIPPED_FILE = "wrangler.toml";

/**
 * @typedef {object} Which
 * @property {string} file its absolute path
 * @property {string | undefined} env one of wrangler's environments
 * @property {string} label the file's name in messages
 * @property {string[]} ours options with which our commands read the same configuration
 * @property {string[]} wranglers the same for wrangler's own commands
 */

/** For `parseArgs`. */
export const CONFIG_OPTIONS = /** @type {const} */ ({ config: { type: "string", short: "c" }, env: { type: "string", short: "e" } });

/** For the usage line of a command. */
export const CONFIG_USAGE = "[--config FILE] [--env NAME]";

/** npm runs its scripts in the project's folder: INIT_CWD is where the command was typed. @param {string} path */
function givenFile(path) {
  const file = resolve(process.env.INIT_CWD ?? process.cwd(), path);
  if (existsSync(file)) return file;
  throw new Refusal(`There is no file ${file}`, 2);
}

/** The file when none is given. @param {string} [folder] */
export const usualFile = (folder = ROOT) => [OWN_FILE, SHIPPED_FILE].map((name) => join(folder, name)).find(existsSync) ?? join(folder, SHIPPED_FILE);

/**
 * @param {{ config?: string, env?: string }} [options] as they were given
 * @returns {Which}
 */
export function whichConfig({ config, env } = {}) {
  const file = config === undefined ? usualFile() : givenFile(config);
  const path = relative(ROOT, file);
  const label = path.startsWith("..") ? file : path;
  const environment = env === undefined ? [] : ["--env", env];
  return {
    file,
    env,
    label,
    ours: [...(config === undefined ? [] : ["--config", label]), ...environment],
    wranglers: [...(file === inRoot(SHIPPED_FILE) ? [] : ["--config", label]), ...environment],
  };
}

/** A word, quoted for a shell. @param {string} word */
export const quoted = (word) => (/^[\w@%+=:,./-]+$/.test(word) ? String(word) : `'${word.replaceAll("'", "'\\''")}'`);
