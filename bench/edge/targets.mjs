// What is to hold, and what the measured says to it. Where several algorithms or contracts are meant, the worst one counts.
import { BATCH } from "./cells-batch.mjs";
import { spread, ratio } from "./statistics.mjs";
import { ALGORITHMS, ISSUERS } from "./tokens.mjs";

/** @typedef {import("./measure.mjs").Round} Round */
/** @typedef {import("./statistics.mjs").Spread} Spread */
/**
 * @typedef {object} Results
 * @property {Record<string, string | number>} machine
 * @property {{ rounds: number, seconds: number, connections: number, storage: string }} how
 * @property {{ name: string, title: string, side: string, rounds: Round[] }[]} cells
 * @property {{ file: string, raw: number, gzip: number }[]} [bundle]
 * @property {{ name: string, title: string, milliseconds: Spread, each: number[], residentBytes: number }[]} [coldStarts]
 * @property {{ atStart: number, followed: number, full: number }} [memory]
 */
/**
 * @typedef {object} Line
 * @property {string} what
 * @property {string} against what it is compared with or limited by
 * @property {string} target empty where there is none
 * @property {string} result
 * @property {boolean} [holds]
 */

const ASYMMETRIC = ALGORITHMS.filter((algorithm) => algorithm !== "HS256");

/** @typedef {{ at: string, value: Spread }} Found */
/** @typedef {(value: number) => boolean} Holds */

/** @param {Spread} value @param {number} digits */
const inWords = ({ median, low, high }, digits) => `${median.toFixed(digits)} (${low.toFixed(digits)} to ${high.toFixed(digits)})`;

/**
 * A line for the worst of what was found; none where nothing was.
 * @param {{ what: string, against: string, least?: number, most?: number, below?: number, isCost?: boolean, unit?: string, digits?: number }} words
 * @param {(Found | undefined)[]} found
 * @param {(at: string) => string} [naming]
 * @returns {Line[]}
 */
function line({ what, against, least, most, below, isCost = false, unit = "x", digits = 2 }, found, naming = (at) => at) {
  const known = found.filter((one) => one !== undefined);
  if (known.length === 0) return [];
  const isMoreWorse = isCost || most !== undefined || below !== undefined;
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
  const cold = (/** @type {string[]} */ algorithms, /** @type {string} */ theirs, ours = "cold") =>
    algorithms.map((algorithm) => compare("perSecond", `${ours}-${algorithm}`, `${theirs}-${algorithm}`, algorithm));
  const warmCheck = "`/check` warm, bounded, any algorithm";
  return [
    ...line({ what: warmCheck, against: "requests/s of bare JavaScript", least: 0.8 }, warm("perSecond", () => "bare-js")),
    ...line({ what: warmCheck, against: "CPU of bare JavaScript", most: 1.25 }, warm("cpu", () => "bare-js")),
    ...line({ what: warmCheck, against: "Hono + jose, no revocation", least: 1.3 }, warm("perSecond", (algorithm) => `hono-jose-${algorithm}`)),
    ...line({ what: warmCheck, against: "Hono + jose + KV read", least: 2.4 }, warm("perSecond", (algorithm) => `hono-jose-kv-${algorithm}`)),
    ...line({ what: "`/check` cold token, sole writer, HS256", against: "Hono + jose, no revocation", least: 1.2 }, cold(["HS256"], "hono-jose")),
    ...line({ what: "`/check` cold token, sole writer, asymmetric", against: "Hono + jose, no revocation", least: 1 }, cold(ASYMMETRIC, "hono-jose")),
    ...line({ what: "`/check` cold token, sole writer, any algorithm", against: "Hono + jose + KV read" }, cold(ALGORITHMS, "hono-jose-kv")),
    ...line({ what: "`/check` cold token, any algorithm", against: "Hono + jose + KV read" }, cold(ALGORITHMS, "hono-jose-kv", "cold-kv")),
    ...line({ what: "`/check` strong", against: "Hono + jose + Durable Object read", least: 1 }, [compare("perSecond", "strong", "hono-jose-ledger")]),
    ...line({ what: "`/check` eventual", against: "Hono + jose + KV read" }, [compare("perSecond", "eventual", "hono-jose-kv-HS256")]),
    ...line({ what: "`/check` eventual", against: "Hono + jose + KV bulk read of 3" }, [compare("perSecond", "eventual", "hono-jose-kv-bulk")]),
    ...line({ what: "Guard before a service binding", against: "Hono + jose before the same" }, [compare("perSecond", "guard", "hono-jose-guard")]),
  ];
}

/** @param {Results} results @returns {Line[]} */
function otherLines(results) {
  const { compare, over } = comparing(results);
  const logouts = (/** @type {"perSecond" | "cpu"} */ measure) =>
    ALGORITHMS.map((algorithm) => compare(measure, `logout-${ISSUERS[algorithm]}`, `hono-jose-ledger-logout-${algorithm}`, ISSUERS[algorithm]));
  const logout = "Logout with ledger and KV, sole writer, any contract";
  const perToken = { unit: "us a token", digits: 2 };
  const cpu = (/** @type {Round} */ one, /** @type {Round} */ floor) => (one.cpu - floor.cpu) / BATCH;
  const wall = (/** @type {Round} */ one, /** @type {Round} */ floor) => (1e6 / one.perSecond - 1e6 / floor.perSecond) / BATCH;
  return [
    ...line({ what: logout, against: "Hono + jose + Durable Object write + KV put", least: 1 }, logouts("perSecond")),
    ...line({ what: `${logout}, what follows the answers included`, against: "CPU of the same", isCost: true }, logouts("cpu")),
    ...line({ what: `Batch check of ${BATCH} warm tokens`, against: "CPU over the floor", below: 3, ...perToken }, [over(cpu, "batch", "bare-batch")]),
    ...line({ what: `Batch check of ${BATCH} warm tokens`, against: "time over the floor, 32 at once", ...perToken }, [over(wall, "batch", "bare-batch")]),
    ...line({ what: "Bare Rust Worker", against: "requests/s of bare JavaScript" }, [compare("perSecond", "bare-rust", "bare-js")]),
  ];
}

/** A single number as what was found. @param {number} value @returns {Found} */
const exactly = (value) => ({ at: "", value: { median: value, low: value, high: value } });

/** @param {Results} results @returns {Line[]} */
function sizeLines({ bundle, memory }) {
  const wasm = bundle?.find(({ file }) => file.endsWith(".wasm"));
  const limits = [
    { what: "Bundle, wasm", against: "raw", below: 300, unit: "KB", value: wasm && wasm.raw / 1000 },
    { what: "Bundle, wasm", against: "gzip -9", below: 120, unit: "KB", value: wasm && wasm.gzip / 1000 },
    { what: "100,000 followed revocations and 10,000 tokens", against: "wasm memory", below: 32, unit: "MB", value: memory && memory.full / 1e6 },
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
    ...line({ ...words, against: "over bare JavaScript", most: 10 }, over("ours", "bare-js")),
    ...line({ ...words, against: "over Hono + jose", most: 6 }, over("ours", "hono-jose")),
    ...line({ ...words, what: "Cold start to the first `/check`, eventual", against: "over bare JavaScript" }, over("ours-eventual", "bare-js")),
  ];
}

/** @param {Results} results @returns {Line[]} */
export const targets = (results) => [...checkLines(results), ...otherLines(results), ...sizeLines(results), ...startLines(results)];
