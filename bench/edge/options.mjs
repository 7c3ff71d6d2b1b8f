// The command's options.
import { parseArgs } from "node:util";
import { BUILD, inRoot } from "../../dev/lib/paths.mjs";
import { Refusal } from "../../dev/lib/refusal.mjs";

export const USAGE = `npm run bench -- [OPTION]...
  --rounds N     how often every cell is measured (5)
  --seconds N    how long each time (4)
  --quick        one round of one second
  --only REGEX   the cells with such names, and of the rest what REGEX matches: bundle, cold-start, memory, rows;
                 segments (of 2 million revocations, which the ledger must have) only so
  --list         says the cells' names
  --build DIR    measures what is built there, and builds nothing
  --build NAME=DIR   measures another build side by side, for example before=../main/build; can be repeated
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
    const options = { rounds: { type: text }, seconds: { type: text }, only: { type: text }, build: { type: text, multiple: /** @type {const} */ (true) }, out: { type: text }, quick: { type: flag }, list: { type: flag } };
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

/** Names that can stand behind an `@` in a cell's name. */
const BUILD_NAME = /^([a-z][a-z0-9-]*)=(.+)$/;

/** The build that is measured, and others beside it by name. @param {string[]} said */
function builds(said) {
  const plain = said.filter((text) => !BUILD_NAME.test(text));
  if (plain.length > 1) throw new Refusal(`--build takes one folder without a name: ${plain.join(", ")}\n${USAGE}`, 2);
  const beside = said.flatMap((text) => {
    const [, name, folder] = BUILD_NAME.exec(text) ?? [];
    return name ? [{ name, folder }] : [];
  });
  if (new Set(beside.map(({ name }) => name)).size < beside.length) throw new Refusal(`--build: two builds have the same name\n${USAGE}`, 2);
  return { build: plain[0] ?? BUILD, buildsItself: plain.length === 0, beside };
}

/** What is not said. @param {boolean} quick */
const defaults = (quick) => (quick ? { rounds: "1", seconds: "1" } : { rounds: "5", seconds: "4" });

/** @param {string[]} args */
export function readOptions(args) {
  const { build = [], only, quick = false, list = false, ...said } = parsed(args);
  const chosen = pattern(only);
  const chosenBuilds = builds(build);
  const isWhole = !chosen && !quick && chosenBuilds.beside.length === 0;
  const { rounds, seconds, out } = { ...defaults(quick), out: isWhole ? inRoot("bench", "results") : inRoot("target", "bench"), ...said };
  return {
    rounds: count(rounds, "rounds"),
    seconds: count(seconds, "seconds"),
    ...chosenBuilds,
    list,
    isQuick: quick,
    out,
    /** @param {string} name */
    includes: (name) => chosen === undefined || chosen.test(name),
    /** @param {string} name of what is measured only when it is asked for */
    asksFor: (name) => chosen?.test(name) ?? false,
  };
}
