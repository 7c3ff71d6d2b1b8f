// What is said while it runs, and at its end.
const MB = 1e6;

/** @param {number} bytes */
const mb = (bytes) => `${(bytes / MB).toFixed(1)} MB`;

/** @param {string[][]} rows the first one is the heading @returns {string} */
export function table(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows.map((row) => `  ${row.map((text, column) => (column === 0 ? text.padEnd(widths[0]) : text.padStart(widths[column]))).join("  ")}`).join("\n");
}

/** @param {Iterable<[string, number]>} counts @param {string} none */
const counted = (counts, none) => {
  const lines = [...counts].sort(([, one], [, other]) => other - one).map(([what, count]) => `  ${String(count).padStart(8)}  ${what}`);
  return lines.length > 0 ? lines.join("\n") : `  ${none}`;
};

/** @param {import("./tally.mjs").Tally} tally @param {import("./memory.mjs").Memory} memory @param {import("./population.mjs").Population} population @param {number} seconds since the beginning @param {number} last how many seconds this line is about */
export function progress(tally, memory, population, seconds, last) {
  const recent = tally.takeRecent();
  const sample = memory.latest();
  const now = sample ? `resident ${mb(sample.resident)}, wasm ${sample.wasm.map(mb).join(" + ")}` : "";
  return `${String(Math.round(seconds)).padStart(5)} s  ${String(Math.round(recent.count / last)).padStart(6)}/s  p50 ${recent.quantile(0.5).toFixed(1)} ms  p99 ${recent.quantile(0.99).toFixed(1)} ms  logouts ${population.sent.length}  failures injected ${tally.failures}, others ${tally.violated}  ${now}`;
}

/** @param {ReturnType<import("./memory.mjs").Memory["judge"]>} found */
function memoryText(found) {
  if (!found) return "  too short";
  const rows = found.rows.map(({ name, thirds, allowed, isFlat, isWrong }) => [name, ...thirds.map(mb), mb(allowed), isFlat ? "yes" : isWrong ? "NO" : "no (the runtime's)"]);
  const told = found.isJudged ? "" : "\n  (not judged: too short a life)";
  return `${table([["of the last life, medians", "first third", "second", "last", "may grow by", "flat"], ...rows])}${told}\n  over ${Math.round(found.seconds)} s, with ${found.logouts} logouts between the second third and the last`;
}

/**
 * @param {object} all
 * @param {import("./tally.mjs").Tally} all.tally
 * @param {import("./faults.mjs").Faults} all.faults
 * @param {import("./rotation.mjs").Rotation} all.rotation
 * @param {ReturnType<import("./memory.mjs").Memory["judge"]>} all.found of memory
 * @param {Map<string, number>} all.failures as the runtime has logged them
 * @param {string[]} all.verified
 */
export function report({ tally, faults, rotation, found, failures, verified }) {
  const kinds = [...tally.kinds].sort(([one], [other]) => one.localeCompare(other));
  const rows = kinds.map(([kind, times]) => [kind, String(times.count), times.quantile(0.5).toFixed(2), times.quantile(0.99).toFixed(2)]);
  return `
Answered
${table([["kind", "requests", "p50 ms", "p99 ms"], ...rows, ["all", String(tally.requests), "", ""]])}

Injected: ${faults.count("ledger restart")} restarts of the ledger, ${faults.count("kill")} kills of the runtime, ${rotation.keys.length} keys of the provider, ${rotation.outages} outages of it

Failures that this excuses
${counted(tally.excused, "none")}

Failures in the runtime's own log
${counted(failures, "none")}

Memory
${memoryText(found)}

Every logout of the run
${verified.map((line) => `  ${line}`).join("\n")}
`;
}
