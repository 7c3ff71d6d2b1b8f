// What is to hold, and what the measured says to it. Where several algorithms or contracts are meant, the worst one counts.
import { BATCH } from "./cells-batch.mjs";
import { PER_SECOND } from "./rows.mjs";
import { spread, ratio } from "./statistics.mjs";
import { ALGORITHMS, ISSUERS } from "./tokens.mjs";

/** @typedef {import("./measure.mjs").Round} Round */
/** @typedef {import("./statistics.mjs").Spread} Spread */
/**
 * @typedef {object} Results
 * @property {Record<string, string | number>} machine
 * @property {{ rounds: number, seconds: number, connections: number, storage: string }} how
 * @property {string[]} [builds] measured beside, each of whose results have its name behind an `@`
 * @property {{ name: string, title: string, side: string, rounds: Round[] }[]} cells
 * @property {{ file: string, raw: number, gzip: number }[]} [bundle]
 * @property {{ name: string, title: string, milliseconds: Spread, each: number[], residentBytes: number }[]} [coldStarts]
 * @property {{ atStart: number, followed: number, full: number }} [memory]
 * @property {{ count: number, more: number }} [segments]
 * @property {import("./rows.mjs").RowsWritten[]} [rows]
 */
/**
 * @typedef {object} Line
 * @property {string} what
 * @property {string} against what it is compared with or limited by
 * @property {string} target empty where there is none
 * @property {string} result
 * @property {boolean} [holds]
 * @property {Record<string, string>} [beside] the results of other builds
 */

const ASYMMETRIC = ALGORITHMS.filter((algorithm) => algorithm !== "HS256");

/** @typedef {{ at: string, value: Spread }} Found */
/** @typedef {(value: number) => boolean} Holds */

/** @param {Spread} value @param {number} digits */
const inWords = ({ median, low, high }, digits) => `${median.toFixed(digits)} (${low.toFixed(digits)} to ${high.toFixed(digits)})`;

/**
 * A line for the worst of what was found; none where nothing was.
 * @param {{ what: string, against: string, least?: number, most?: number, below?: number, unit?: string, digits?: number }} words
 * @param {(Found | undefined)[]} found
 * @param {(at: string) => string} [naming]
 * @returns {Line[]}
 */
function line({ what, against, least, most, below, unit = "x", digits = 2 }, found, naming = (at) => at) {
  const known = found.filter((one) => one !== undefined);
  if (known.length === 0) return [];
  const isMoreWorse = most !== undefined || below !== undefined;
  const sorted = [...known].sort((one, other) => (isMoreWorse ? -1 : 1) * (one.value.median - other.value.median));
  const { at, value } = sorted[0];
  const [target, holds] = verdict({ least, most, below, unit }, value.median);
  const worst = known.length > 1 ? `, ${naming(at)}` : "";
  return [{ what, against, target, holds, result: `${inWords(value, digits)} ${unit}${worst}` }];
}

/** @param {{ least?: number, most?: number, below?: number, unit: string }} limits @param {number} value @returns {[string, boolean | undefined]} */
function verdict({ least, most, below, unit }, value) {
  if (least !== undefined) return [`>= ${least} ${unit}`, value >= least];
  if (most !== undefined) return [`<= ${most} ${unit}`, value <= most];
  if (below !== undefined) return [`< ${below} ${unit}`, value < below];
  return ["", undefined];
}

/** Ways of comparing two cells; `undefined` where one was not measured. @param {Results} results */
function comparing({ cells }) {
  const rounds = (/** @type {string} */ name) => cells.find((cell) => cell.name === name)?.rounds;
  /** @param {"perSecond" | "cpu"} measure @param {string} ours @param {string} theirs @param {string} [at] @returns {Found | undefined} */
  const compare = (measure, ours, theirs, at = "") => {
    const [one, other] = [rounds(ours), rounds(theirs)];
    return one && other && { at, value: ratio(one.map((round) => round[measure]), other.map((round) => round[measure])) };
  };
  /** @param {(one: Round, floor: Round) => number} difference @param {string} ours @param {string} floor @returns {Found | undefined} */
  const over = (difference, ours, floor) => {
    const [one, other] = [rounds(ours), rounds(floor)];
    return one && other && { at: "", value: spread(one.map((round, index) => difference(round, other[index]))) };
  };
  return { compare, over };
}

/** @param {Results} results @returns {Line[]} */
function checkLines(results) {
  const { compare } = comparing(results);
  const warm = (/** @type {"perSecond" | "cpu"} */ measure, /** @type {(algorithm: string) => string} */ theirs) =>
    ALGORITHMS.map((algorithm) => compare(measure, `warm-${algorithm}`, theirs(algorithm), algorithm));
  const cold = (/** @type {string[]} */ algorithms, /** @type {string} */ theirs) =>
    algorithms.map((algorithm) => compare("perSecond", `cold-${algorithm}`, `${theirs}-${algorithm}`, algorithm));
  const warmCheck = "`/check` warm, bounded, any algorithm";
  return [
    ...line({ what: warmCheck, against: "requests/s of bare JavaScript", least: 0.9 }, warm("perSecond", () => "bare-js")),
    ...line({ what: warmCheck, against: "CPU of bare JavaScript", most: 1.25 }, warm("cpu", () => "bare-js")),
    ...line({ what: warmCheck, against: "Hono + jose, no revocation", least: 1.3 }, warm("perSecond", (algorithm) => `hono-jose-${algorithm}`)),
    ...line({ what: warmCheck, against: "Hono + jose + KV read", least: 2.4 }, warm("perSecond", (algorithm) => `hono-jose-kv-${algorithm}`)),
    ...line({ what: "`/check` cold token, bounded, any algorithm", against: "Hono + jose + KV read", least: 1.5 }, cold(ALGORITHMS, "hono-jose-kv")),
    ...line({ what: "`/check` cold token, bounded, HS256", against: "Hono + jose, no revocation", least: 1 }, cold(["HS256"], "hono-jose")),
    ...line({ what: "`/check` cold token, bounded, asymmetric", against: "Hono + jose, no revocation", least: 0.9 }, cold(ASYMMETRIC, "hono-jose")),
    ...line({ what: "`/check` strong, 32 connections", against: "Hono + jose + Durable Object read", least: 2 }, [compare("perSecond", "strong", "hono-jose-ledger")]),
    ...line({ what: "`/check` strong, one connection", against: "Hono + jose + Durable Object read", least: 0.9 }, [compare("perSecond", "strong-one", "hono-jose-ledger-one")]),
    ...line({ what: "`/check` eventual", against: "Hono + jose + KV read" }, [compare("perSecond", "eventual", "hono-jose-kv-HS256")]),
    ...line({ what: "`/check` eventual", against: "Hono + jose + KV bulk read of 3" }, [compare("perSecond", "eventual", "hono-jose-kv-bulk")]),
    ...line({ what: "Guard before a service binding", against: "Hono + jose before the same", least: 0.9 }, [compare("perSecond", "guard", "hono-jose-guard")]),
  ];
}

/** @param {Results} results @returns {Line[]} */
function otherLines(results) {
  const { compare, over } = comparing(results);
  const logouts = (/** @type {"perSecond" | "cpu"} */ measure) =>
    ALGORITHMS.map((algorithm) => compare(measure, `logout-${ISSUERS[algorithm]}`, `hono-jose-ledger-logout-${algorithm}`, ISSUERS[algorithm]));
  const logout = "Logout with ledger and KV, any contract";
  const perToken = { unit: "us a token", digits: 2 };
  const cpu = (/** @type {Round} */ one, /** @type {Round} */ floor) => (one.cpu - floor.cpu) / BATCH;
  const wall = (/** @type {Round} */ one, /** @type {Round} */ floor) => (1e6 / one.perSecond - 1e6 / floor.perSecond) / BATCH;
  return [
    ...line({ what: logout, against: "Hono + jose + Durable Object write + KV put", least: 1 }, logouts("perSecond")),
    ...line({ what: `${logout}, what follows the answers included`, against: "CPU of the same", most: 1.5 }, logouts("cpu")),
    ...line({ what: `Batch check of ${BATCH} warm tokens`, against: "CPU over the floor", below: 3, ...perToken }, [over(cpu, "batch", "bare-batch")]),
    ...line({ what: `Batch check of ${BATCH} warm tokens`, against: "time over the floor, 32 at once", ...perToken }, [over(wall, "batch", "bare-batch")]),
    ...line({ what: "Bare Rust Worker", against: "requests/s of bare JavaScript" }, [compare("perSecond", "bare-rust", "bare-js")]),
  ];
}

/** A single number as what was found. @param {number} value @returns {Found} */
const exactly = (value) => ({ at: "", value: { median: value, low: value, high: value } });

/** @param {Results} results @returns {Line[]} */
function sizeLines({ bundle, memory, segments }) {
  const wasm = bundle?.find(({ file }) => file.endsWith(".wasm"));
  const limits = [
    { what: "Bundle, wasm", against: "raw", below: 300, unit: "KB", value: wasm && wasm.raw / 1000 },
    { what: "Bundle, wasm", against: "gzip -9", below: 120, unit: "KB", value: wasm && wasm.gzip / 1000 },
    { what: "100,000 revocations followed and 10,000 tokens", against: "wasm memory", most: 20, unit: "MB", value: memory && memory.full / 1e6 },
    { what: "2 million revocations in segments", against: "wasm memory, more than without", most: 6, unit: "MB", value: segments && segments.more / 1e6 },
  ];
  return limits.flatMap(({ value, ...words }) =>
    value === undefined ? [] : line(words, [exactly(value)]).map((one) => ({ ...one, result: `${value.toFixed(1)} ${words.unit}` })),
  );
}

/** @param {Results} results @returns {Line[]} */
function startLines({ coldStarts = [] }) {
  const each = (/** @type {string} */ name) => coldStarts.find((start) => start.name === name)?.each;
  /** @param {string} name @param {string} floor */
  const over = (name, floor) => {
    const [ours, theirs] = [each(name), each(floor)];
    return [ours && theirs && { at: "", value: spread(ours.map((value, index) => value - theirs[index])) }];
  };
  const words = { what: "Cold start to the first `/check`", unit: "ms", digits: 1 };
  return [
    ...line({ ...words, against: "over bare JavaScript", most: 15 }, over("ours", "bare-js")),
    ...line({ ...words, against: "over Hono + jose", most: 6 }, over("ours", "hono-jose")),
    ...line({ ...words, what: "Cold start to the first `/check`, eventual", against: "over bare JavaScript" }, over("ours-eventual", "bare-js")),
  ];
}

/** @param {Results} results @returns {Line[]} */
function rowLines({ rows = [] }) {
  const one = rows.find(({ name }) => name === "ours");
  if (!one) return [];
  const [written, stored] = [one.written / one.logouts, one.stored / one.logouts];
  const words = { what: `Rows written for a logout, ${PER_SECOND} a second`, against: "deletions of what is left included", most: 4, unit: "rows" };
  return line(words, [exactly(written + stored)]).map((it) => ({ ...it, result: `${written.toFixed(1)} + ${stored.toFixed(1)} rows` }));
}

/** @param {Results} results @returns {Line[]} */
const lines = (results) => [...checkLines(results), ...otherLines(results), ...rowLines(results), ...sizeLines(results), ...startLines(results)];

/**
 * The results as if only this build had been measured.
 * @template {Record<K, string>} T @template {string} K
 * @param {T[]} all @param {K} key @param {string} build none for the one that is measured @returns {T[]}
 */
function seenBy(all, key, build) {
  const of = (/** @type {T} */ one) => one[key].split("@")[1] ?? "";
  const own = new Set(all.filter((one) => build !== "" && of(one) === build).map((one) => one[key].split("@")[0]));
  const seen = all.filter((one) => of(one) === build || (of(one) === "" && !own.has(one[key])));
  return seen.map((one) => ({ ...one, [key]: one[key].split("@")[0] }));
}

/** @param {Results} results @param {string} build @returns {Results} */
function view(results, build) {
  const { cells, bundle, coldStarts, rows, memory, segments } = results;
  return {
    ...results,
    cells: seenBy(cells, "name", build),
    bundle: bundle && seenBy(bundle, "file", build),
    coldStarts: coldStarts && seenBy(coldStarts, "name", build),
    rows: rows && seenBy(rows, "name", build),
    memory: build === "" ? memory : undefined,
    segments: build === "" ? segments : undefined,
  };
}

/** @param {Results} results @returns {Line[]} */
export function targets(results) {
  const beside = (results.builds ?? []).map((build) => /** @type {const} */ ([build, lines(view(results, build))]));
  const isSame = (/** @type {Line} */ one, /** @type {Line} */ other) => one.what === other.what && one.against === other.against;
  return lines(view(results, "")).map((one) => {
    const found = beside.map(([build, all]) => [build, all.find((other) => isSame(one, other))?.result ?? ""]);
    return found.length === 0 ? one : { ...one, beside: Object.fromEntries(found) };
  });
}
