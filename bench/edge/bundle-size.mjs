// What a location has to load: the module's size, raw and as it is counted, compressed.
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { gzipSync } from "node:zlib";
import { modulesIn } from "./subjects.mjs";

/** @typedef {{ file: string, raw: number, gzip: number }} Size in bytes */

/** @param {string} folder of a build @returns {Promise<Size[]>} */
export const bundleSizes = (folder) =>
  Promise.all(
    modulesIn(folder).map(async (path) => {
      const content = await readFile(path);
      return { file: basename(path), raw: content.length, gzip: gzipSync(content, { level: 9 }).length };
    }),
  );
