// Skipped tests. node:test counts them as passed, so they are recorded here, listed at the end of `npm test`, and a
// failure in continuous integration.
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { ROOT } from "./paths.mjs";

/** @typedef {{ file: string, name: string, reason: string }} Skip */

/** With "1" a skipped test is a failure. Set by `.ci/run`, which installs what all tests need. */
export const NO_SKIPS = "EDGE_LOGOUT_NO_SKIPS";

/**
 * A reporter for node:test: one line of JSON for each skipped test.
 * @param {AsyncIterable<{ type: string, data: any }>} events
 */
export default async function* skips(events) {
  for await (const { type, data } of events) {
    if (type !== "test:pass" || data.skip === undefined || data.skip === false) continue;
    const reason = data.skip === true || data.skip === "" ? "no reason given" : String(data.skip);
    yield `${JSON.stringify({ file: data.file === undefined ? "" : relative(ROOT, data.file), name: data.name, reason })}\n`;
  }
}

/**
 * Arguments with which a run of node:test records its skipped tests in a file, and a function that reads them.
 * @returns {{ args: string[], read: () => Skip[] }}
 */
export function recorder() {
  const folder = mkdtempSync(join(tmpdir(), "edge-logout-skips-"));
  const file = join(folder, "skips.jsonl");
  const self = fileURLToPath(import.meta.url);
  return {
    args: ["--test-reporter=spec", "--test-reporter-destination=stdout", `--test-reporter=${self}`, `--test-reporter-destination=${file}`],
    read: () => {
      // A run that fails to start writes nothing.
      const lines = existsSync(file) ? readFileSync(file, "utf8").split("\n").filter(Boolean) : [];
      rmSync(folder, { recursive: true });
      return lines.map((line) => JSON.parse(line));
    },
  };
}

/** The lines of the summary about them. @param {Skip[]} skipped */
export const listOf = (skipped) => skipped.map(({ file, name, reason }) => `  skipped  ${file}: ${name}: ${reason}`).join("\n");
