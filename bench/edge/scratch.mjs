// A folder for what need not outlive the run: in memory where there is plenty, since a ledger waits for the disk at every
// write, and no two disks are alike.
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

/** @template T @param {(folder: string, kind: "memory" | "disk") => Promise<T>} work */
export async function withScratch(work) {
  const kind = isPlenty() ? "memory" : "disk";
  const folder = await mkdtemp(join(kind === "memory" ? MEMORY : tmpdir(), "edge-logout-bench-"));
  try {
    return await work(folder, kind);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
