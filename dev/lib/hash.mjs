// Content hashes, which decide whether something has to be done again. Times of files are not to be trusted: a checkout
// or a restored cache sets them anew.
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";

/**
 * @param {string} folder
 * @param {string[]} paths relative to the folder; one that does not exist counts as such
 */
export async function hashFiles(folder, paths) {
  const hash = createHash("sha256");
  for (const path of [...new Set(paths)].sort()) {
    const file = join(folder, path);
    const content = existsSync(file) ? await readFile(file) : undefined;
    hash.update(`${path}\0${content ? content.length : "none"}\0`);
    if (content) hash.update(content);
  }
  return hash.digest("hex");
}

/**
 * Every file below a folder, relative to `root`.
 * @param {string} root
 * @param {string} folder
 * @returns {Promise<string[]>}
 */
export async function filesBelow(root, folder) {
  const entries = await readdir(join(root, folder), { withFileTypes: true });
  const nested = entries.map((entry) => {
    const path = `${folder}/${entry.name}`;
    return entry.isDirectory() ? filesBelow(root, path) : [path];
  });
  return (await Promise.all(nested)).flat();
}
