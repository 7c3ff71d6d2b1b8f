// Folders for what need not outlive a test: in memory where there is plenty of it, since the ledger waits for the disk at
// every write. A process that is killed loses nothing there; only a machine would.
import { existsSync, statfsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

const MEMORY = "/dev/shm";
const PLENTY = 2 ** 30;

function isPlenty() {
  if (!existsSync(MEMORY)) return false;
  const { bavail, bsize } = statfsSync(MEMORY);
  return bavail * bsize > PLENTY;
}

// Miniflare keeps there what is not to be kept.
if (isPlenty()) process.env.TMPDIR ??= MEMORY;

/** A folder that whoever asks for it removes. */
export const scratchFolder = () => mkdtemp(join(tmpdir(), "edge-logout-"));

/** A folder that is removed with its owner. @param {import("./worker.mjs").Owner} owner */
export async function scratch(owner) {
  const folder = await scratchFolder();
  owner.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}
