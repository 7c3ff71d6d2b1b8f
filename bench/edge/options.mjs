// The command's options.
import { parseArgs } from "node:util";
import { BUILD, inRoot } from "../../dev/lib/paths.mjs";
import { Refusal } from "../../dev/lib/refusal.mjs";

export const USAGE = `npm run bench -- [OPTION]...
  --rounds N     how often every cell is measured (5)
  --seconds N    how long each time (4)
  --quick        one round of one second
  --only REGEX   the cells with such names, and of the rest what REGEX matches: bundle, cold-start, memory
  --list         says the cells' names
  --build DIR    measures what is built there, and builds nothing
  --out DIR      where latest.md, latest.json and latest.svg go (bench/results; target/bench unless all is measured)`;

/** @typedef {ReturnType<typeof readOptions>} Options */

/** @param {string} text @param {string} name */
function count(text, name) {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1) throw new Refusal(`--${name} takes a whole number from 1\n${USAGE}`, 2);
  return number;
}

/** @param {string[]} args */
function parsed(args) {
  try {
    const text = /** @type {const} */ ("string");
    const flag = /** @type {const} */ ("boolean");
    const options = { rounds: { type: text }, seconds: { type: text }, only: { type: text }, build: { type: text }, out: { type: text }, quick: { type: flag }, list: { type: flag } };
    return parseArgs({ args, options }).values;
  } catch (error) {
    throw new Refusal(`${/** @type {Error} */ (error).message}\n${USAGE}`, 2);
  }
}

/** @param {string | undefined} text */
function pattern(text) {
  try {
    return text === undefined ? undefined : new RegExp(text);
  } catch (error) {
    throw new Refusal(`--only: ${/** @type {Error} */ (error).message}`, 2);
  }
}

/** What is not said. @param {boolean} quick */
const defaults = (quick) => (quick ? { rounds: "1", seconds: "1" } : { rounds: "5", seconds: "4" });

/** @param {string[]} args */
export function readOptions(args) {
  const { build, only, quick = false, list = false, ...said } = parsed(args);
  const chosen = pattern(only);
  const isWhole = !chosen && !quick;
  const { rounds, seconds, out } = { ...defaults(quick), out: isWhole ? inRoot("bench", "results") : inRoot("target", "bench"), ...said };
  return {
    rounds: count(rounds, "rounds"),
    seconds: count(seconds, "seconds"),
    build: build ?? BUILD,
    buildsItself: build === undefined,
    list,
    out,
    /** @param {string} name */
    includes: (name) => chosen === undefined || chosen.test(name),
  };
}
