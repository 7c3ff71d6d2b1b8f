// Programs that are no part of this project: looked for, and run so that nothing of them is left.
import { execFile, spawn, spawnSync } from "node:child_process";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { eventually } from "../../worker/harness/eventually.mjs";

/** @typedef {import("../../worker/harness/worker.mjs").Owner} Owner */

const INSTALL_WITHIN_MS = 60_000;
const END_WITHIN_MS = 5_000;
// Where Debian has servers, which are on nobody's PATH but root's.
const PATH = `${process.env.PATH}:/usr/sbin:/usr/local/sbin`;

/** @param {string} name */
const isInstalled = (name) => spawnSync("sh", ["-c", `command -v ${name}`], { env: { ...process.env, PATH } }).status === 0;

/**
 * Why a program cannot be run here, false when it can. What Debian packages is installed where that is possible.
 * @param {string} name
 * @param {string[]} packages that have it, any of which will do
 * @returns {Promise<string | false>}
 */
export async function isMissing(name, packages = []) {
  if (isInstalled(name)) return false;
  const why = `${name} is not installed`;
  if (packages.length === 0) return why;
  if (process.getuid?.() !== 0 || !isInstalled("apt-get")) return `${why}, and installing it takes root and apt-get`;
  for (const one of packages) {
    const options = { timeout: INSTALL_WITHIN_MS, killSignal: /** @type {const} */ ("SIGKILL"), env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" } };
    await promisify(execFile)("apt-get", ["install", "-y", "--no-install-recommends", one], options).catch(() => {});
    if (isInstalled(name)) return false;
  }
  return `${why}, and apt-get could not install it (no network?)`;
}

/** A port that nobody listens on. @returns {Promise<number>} */
export const freePort = () =>
  new Promise((resolve, reject) => {
    const server = createServer().once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
      server.close(() => resolve(port));
    });
  });

/** A folder that is gone with its owner. @param {Owner} owner */
export async function temporaryFolder(owner) {
  const folder = await mkdtemp(join(tmpdir(), "edge-logout-proxy-"));
  await chmod(folder, 0o755); // a server that is started by root works as somebody else
  owner.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/**
 * Runs a server until its owner ends, and waits until it listens.
 * @param {Owner} owner
 * @param {string} name
 * @param {string[]} args
 * @param {{ port: number, env?: Record<string, string> }} options
 */
export async function serve(owner, name, args, { port, env = {} }) {
  // A group of its own, so that its workers end with it, whatever becomes of it.
  const child = spawn(name, args, { env: { ...process.env, PATH, ...env }, detached: true, stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (said += chunk));
  /** @param {NodeJS.Signals | 0} which */
  const signal = (which) => {
    try {
      return process.kill(-Number(child.pid), which);
    } catch {
      return false; // nobody of the group is left
    }
  };
  const kill = () => void signal("SIGKILL");
  process.once("exit", kill);
  owner.after(async () => {
    signal("SIGTERM");
    await eventually(`${name} has ended`, () => !signal(0), END_WITHIN_MS).catch(kill);
    process.removeListener("exit", kill);
  });
  await eventually(`${name} listens`, async () => {
    if (child.exitCode !== null) throw new Error(`${name} ended with ${child.exitCode}: ${said}`);
    return fetch(`http://127.0.0.1:${port}/`).then(() => true, () => false);
  }).catch((error) => {
    throw new Error(`${error.message}\n${said}`);
  });
}
