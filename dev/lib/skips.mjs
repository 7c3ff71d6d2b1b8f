// Tests that are skipped, which pass for node:test: what is skipped is written down here, told at the end of `npm test`,
// and a failure where everything has to run.
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { ROOT } from "./paths.mjs";

/** @typedef {{ file: string, name: string, reason: string }} Skip */

/** Set where a skipped test is a failure: `.ci/run` installs what all of them need. */
export const NO_SKIPS = "EDGE_LOGOUT_NO_SKIPS";

/**
 * A reporter for node:test: a line of JSON for each test that is skipped.
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
 * Where a run of node:test writes its skips: the arguments that it takes, and what it has written.
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

/** What the summary says of them. @param {Skip[]} skipped */
export const told = (skipped) => skipped.map(({ file, name, reason }) => `  skipped  ${file}: ${name}: ${reason}`).join("\n");
