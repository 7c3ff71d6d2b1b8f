// npm's packages, and a Node.js that is new enough for wrangler where the installed one is not.
import { existsSync } from "node:fs";
import { copyFile, mkdir, readFile, readlink, rm, symlink, writeFile } from "node:fs/promises";
import { delimiter, dirname, join } from "node:path";
import { hashFiles } from "./hash.mjs";
import { ROOT, TOOLS, inRoot } from "./paths.mjs";
import { step } from "./progress.mjs";
import { Refusal } from "./refusal.mjs";
import { must, run } from "./run.mjs";
import { OLDEST_NODE, OLDEST_NODE_FOR_WRANGLER, isAtLeast } from "./versions.mjs";

const NODE_24 = join(TOOLS, "node24");

export function refuseUnfitMachine() {
  if (process.platform === "win32") throw new Refusal("Windows is supported as WSL only: run this in a Linux distribution there");
  if (isAtLeast(process.version, OLDEST_NODE)) return;
  throw new Refusal(`Node.js ${process.version} is too old: version 20 or later is needed, see https://nodejs.org`);
}

/**
 * Brings a folder's node_modules in line with its package-lock.json.
 * @param {string} what
 * @param {string} folder
 */
async function ensurePackages(what, folder) {
  const stamp = join(folder, "node_modules", ".installed-from");
  // The platform belongs to it: the same folder may be mounted into a container.
  const wanted = `${process.platform} ${process.arch} ${await hashFiles(folder, ["package-lock.json"])}`;
  if (existsSync(stamp) && (await readFile(stamp, "utf8")) === wanted) return;
  if ((await run("npm", ["--version"])).code === 127) throw new Refusal("npm is missing: it comes with Node.js, see https://nodejs.org");
  await step(what, async () => {
    // No package's install script has to run: all of them only speed up a start or check a platform.
    await must("npm ci", "npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], { cwd: folder });
    await writeFile(stamp, wanted);
  });
}

export const isNodeNewEnough = isAtLeast(process.version, OLDEST_NODE_FOR_WRANGLER);
const node24Binary = join(NODE_24, "node_modules", `node-${process.platform}-${process.arch}`, "bin", "node");

/** The Node.js for wrangler, Miniflare and the tests. */
export const modernNode = isNodeNewEnough ? process.execPath : node24Binary;

/** An environment in which `node` is the modern one, also for what our children start. */
export const modernNodeEnv = () =>
  isNodeNewEnough ? {} : { PATH: dirname(node24Binary) + delimiter + process.env.PATH };

async function ensureModernNode() {
  if (isNodeNewEnough) return;
  if (process.platform !== "linux" || !["x64", "arm64"].includes(process.arch)) {
    throw new Refusal(
      `wrangler needs Node.js ${OLDEST_NODE_FOR_WRANGLER} or later and this is ${process.version}: install a newer one, see https://nodejs.org`,
    );
  }
  await ensureTool("Node.js 24 for wrangler", "node24");
  await linkNode();
}

/** Packages that dev/NAME/ lists, installed apart from the others. @param {string} what @param {string} name */
async function ensureTool(what, name) {
  const folder = join(TOOLS, name);
  await mkdir(folder, { recursive: true });
  for (const file of ["package.json", "package-lock.json"]) {
    await copyFile(inRoot("dev", name, file), join(folder, file));
  }
  await ensurePackages(what, folder);
}

/** The linter and the generator of types with which the tests check /openapi.json. */
export const ensureOpenApiTools = () => ensureTool("tools for OpenAPI", "openapi");

/** `npx wrangler` and npm's scripts look for `node` among the packages' commands first, and so find the modern one. */
async function linkNode() {
  const link = inRoot("node_modules", ".bin", "node");
  if ((await readlink(link).catch(() => undefined)) === node24Binary) return;
  await rm(link, { force: true });
  await symlink(node24Binary, link);
}

export async function ensureNpmPackages() {
  await ensurePackages("npm packages", ROOT);
  await ensureModernNode();
}

/**
 * Runs one of our own scripts again under the modern Node.js when this one is too old for wrangler's library.
 * @param {string} script
 * @returns {Promise<number | undefined>} its exit code, or `undefined` when this process will do
 */
export async function rerunUnderModernNode(script) {
  if (isNodeNewEnough) return undefined;
  const { code } = await run(modernNode, [script, ...process.argv.slice(2)], { env: modernNodeEnv(), show: true });
  return code;
}
