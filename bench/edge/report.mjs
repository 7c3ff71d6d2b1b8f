// The report: what was to hold, and everything that was measured, as Markdown.
import { ratio, spread } from "./statistics.mjs";
import { targets } from "./targets.mjs";

/** @typedef {import("./targets.mjs").Results} Results */
/** @typedef {import("./statistics.mjs").Spread} Spread */

/** The share of the machine that others may have. */
const BUSY = 0.05;

/** @param {number} value */
export const thousands = (value) => Math.round(value).toLocaleString("en-US");

/** @param {string[]} head @param {string[][]} rows */
function table(head, rows) {
  if (rows.length === 0) return "";
  const lines = [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`);
  return `${lines.join("\n")}\n`;
}

/** @param {boolean | undefined} holds */
const verdict = (holds) => (holds === undefined ? "" : holds ? "yes" : "**no**");

/** @param {Results} results */
export function targetTable(results) {
  const builds = results.builds ?? [];
  const rows = targets(results).map(({ what, against, target, result, holds, beside = {} }) => [
    what, against, target, result, ...builds.map((build) => beside[build]), verdict(holds),
  ]);
  return table(["what", "against", "target", "measured", ...builds, "holds"], rows);
}

/** @param {Spread} value @param {(value: number) => string} inWords */
const range = ({ median, low, high }, inWords) => `${inWords(median)} (${inWords(low)}–${inWords(high)})`;

/** @param {number} value */
const oneDigit = (value) => value.toFixed(1);

/** @param {Results} results */
export function cellTable({ cells }) {
  const floor = cells.find(({ name }) => name === "bare-js")?.rounds;
  const rows = cells.map(({ title, side, rounds }) => {
    const of = (/** @type {keyof import("./measure.mjs").Round} */ measure) => rounds.map((round) => round[measure]);
    const against = (/** @type {"perSecond" | "cpu"} */ measure) => (floor ? ratio(of(measure), floor.map((round) => round[measure])).median.toFixed(2) : "");
    const kv = spread(of("kvReads")).median + spread(of("kvWrites")).median;
    return [
      side === "ours" ? `**${title}**` : title,
      range(spread(of("perSecond")), thousands),
      against("perSecond"),
      range(spread(of("cpu")), oneDigit),
      against("cpu"),
      spread(of("p50")).median.toFixed(1),
      spread(of("p99")).median.toFixed(1),
      kv.toFixed(2),
    ];
  });
  return table(["Worker", "requests/s", "of bare JS", "CPU us", "of bare JS", "p50 ms", "p99 ms", "KV"], rows);
}

/** @param {Results} results */
function otherTables({ bundle = [], coldStarts = [], memory, rows = [] }) {
  const bare = coldStarts[0]?.milliseconds.median ?? 0;
  return [
    table(["started", "ms to the first answer", "over bare JS", "resident MB"], coldStarts.map(({ title, milliseconds, residentBytes }) => [
      title, range(milliseconds, oneDigit), oneDigit(milliseconds.median - bare), oneDigit(residentBytes / 1e6),
    ])),
    table(["file", "bytes", "gzip -9"], bundle.map(({ file, raw, gzip }) => [file, thousands(raw), thousands(gzip)])),
    memory ? table(["wasm memory", "MB"], [["at the start", oneDigit(memory.atStart / 1e6)], ["100,000 revocations followed", oneDigit(memory.followed / 1e6)], ["and 10,000 tokens known", oneDigit(memory.full / 1e6)]]) : "",
    ...rows.map(rowTable),
  ].filter(Boolean);
}

/** Where the rows go. @param {import("./rows.mjs").RowsWritten} one */
function rowTable({ name, logouts, seconds, written, byStatement, stored }) {
  const sorted = Object.entries(byStatement).sort(([, one], [, other]) => other.rows - one.rows);
  const perLogout = (/** @type {number} */ value) => (value / logouts).toFixed(2);
  return table([`rows written, ${name}, for one of ${thousands(logouts)} logouts`, "rows", "calls"], [
    ...sorted.map(([statement, { rows, calls }]) => [`\`${statement.slice(0, 90)}\``, perLogout(rows), perLogout(calls)]),
    [`all, until nothing was due any more after ${Math.round(seconds)} s`, perLogout(written), ""],
    ["stored still, and one row each when it is deleted", perLogout(stored), ""],
  ]);
}

/** How much of the machine others had while it was measured; nothing where that is next to nothing. @param {Results} results */
export function warning({ cells }) {
  const all = cells.flatMap(({ rounds }) => rounds.map(({ others }) => others));
  if (all.length === 0 || spread(all).median < BUSY) return "";
  const { median, high } = spread(all);
  return `Other processes had ${Math.round(median * 100)} % of the machine meanwhile (the median; at most ${Math.round(high * 100)} %): these figures are worth little, their ratios somewhat more.`;
}

/** @param {Results} results */
export function report(results) {
  const { machine, how } = results;
  return [
    "# What a request costs\n",
    `Measured by \`npm run bench\` with ${Object.entries(machine).map(([what, value]) => `${what} ${value}`).join(", ")}.\n`,
    `Every Worker runs in \`workerd serve\` by itself, with ${how.connections} connections that are kept, ${how.rounds} rounds of ${how.seconds} s that alternate between all of them, each in a fresh process after a second of warming up. ` +
      "Given is the median of the rounds (least–most); ratios are medians of the ratios within each round. CPU is the time of the runtime's process, all threads, for one request. " +
      `Warm: 256 tokens in rotation; cold: 15,000, more than are remembered. Every ledger stores on a ${how.storage === "memory" ? "file system in memory" : "disk"}. KV, counted in operations a request, is a stand-in in the memory of the same process, for all alike: this says nothing of how long Cloudflare's takes. ` +
      "The peers verify a token anew every time, as they are written; what they are compared with is in the same algorithm.\n",
    warning(results) && `${warning(results)}\n`,
    targetTable(results),
    cellTable(results),
    ...otherTables(results),
  ].filter(Boolean).join("\n");
}
