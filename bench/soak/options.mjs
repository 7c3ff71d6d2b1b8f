// The command's options.
import { randomInt } from "node:crypto";
import { parseArgs } from "node:util";
import { BUILD } from "../../dev/lib/paths.mjs";
import { Refusal } from "../../dev/lib/refusal.mjs";

export const USAGE = `npm run soak -- [OPTION]...
  --seconds N       how long the load lasts (300)
  --short           30 seconds, and whatever else lets it end within a minute
  --connections N   how many requests are under way at a time (48)
  --seed N          whose chances are repeated: each run says its own
  --build DIR       soaks what is built there, and builds nothing`;

const SHORT_SECONDS = 30;
const LEAST_SECONDS = 20;

/** @typedef {ReturnType<typeof readOptions>} Options */

/** @param {string[]} args */
function parsed(args) {
  try {
    const text = /** @type {const} */ ("string");
    const options = { seconds: { type: text }, connections: { type: text }, seed: { type: text }, build: { type: text }, short: { type: /** @type {const} */ ("boolean") } };
    return parseArgs({ args, options }).values;
  } catch (error) {
    throw new Refusal(`${/** @type {Error} */ (error).message}\n${USAGE}`, 2);
  }
}

/** @param {string} name @param {string | undefined} text @param {number} least @param {number} otherwise */
function number(name, text, least, otherwise) {
  const value = text === undefined ? otherwise : Number(text);
  if (Number.isInteger(value) && value >= least) return value;
  throw new Refusal(`--${name} takes a whole number from ${least}\n${USAGE}`, 2);
}

/** @param {string[]} args */
export function readOptions(args) {
  const { short = false, seconds, connections, seed, build } = parsed(args);
  return {
    seconds: number("seconds", seconds, LEAST_SECONDS, short ? SHORT_SECONDS : 300),
    connections: number("connections", connections, 2, 48),
    seed: number("seed", seed, 0, randomInt(2 ** 31)),
    build: build ?? BUILD,
    buildsItself: build === undefined,
  };
}
