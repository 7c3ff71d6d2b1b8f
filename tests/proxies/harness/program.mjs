// Runs other programs, such as proxies, and leaves nothing of them behind.
import { spawn } from "node:child_process";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eventually } from "../../worker/harness/eventually.mjs";
import { pathOf } from "../../worker/harness/installed.mjs";

/** @typedef {import("../../worker/harness/worker.mjs").Owner} Owner */

const END_WITHIN_MS = 5_000;

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

/** Whether HTTP is answered on a port. @param {number} port */
const answers = (port) => fetch(`http://127.0.0.1:${port}/`).then(() => true, () => false);

/**
 * Runs a server until its owner ends, and waits until it listens.
 * @param {Owner} owner
 * @param {import("../../worker/harness/installed.mjs").Program} name
 * @param {string[]} args
 * @param {{ port?: number, isReady?: () => boolean | Promise<boolean>, env?: Record<string, string> }} options
 */
export async function serve(owner, name, args, { port = 0, isReady = () => answers(port), env = {} }) {
  // A group of its own, so that its workers end with it, whatever becomes of it.
  const child = spawn(pathOf(name) ?? name, args, { env: { ...process.env, ...env }, detached: true, stdio: ["ignore", "pipe", "pipe"] });
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
    return isReady();
  }).catch((error) => {
    throw new Error(`${error.message}\n${said}`);
  });
}
