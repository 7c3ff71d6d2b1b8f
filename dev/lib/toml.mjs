// Errors in TOML: the file, line and column, and why it cannot be read.
import { basename } from "node:path";
import { parse } from "smol-toml";
import { Refusal } from "./refusal.mjs";

/**
 * @typedef {object} TomlProblem what smol-toml throws, or wrangler, which counts columns from 0 and wraps it
 * @property {string} message
 * @property {number} [line]
 * @property {number} [column]
 * @property {{ line: number, column: number, lineText: string }} [location]
 */

/** @param {string} text @param {string} file @returns {any} */
export function parseToml(text, file) {
  try {
    return parse(text);
  } catch (error) {
    throw tomlRefusal(/** @type {TomlProblem} */ (error), file, text);
  }
}

/** @param {TomlProblem} problem @param {string} file @param {string} [text] the file's, where it is known */
export function tomlRefusal(problem, file, text = "") {
  const { line, column } = problem.location ? { ...problem.location, column: problem.location.column + 1 } : problem;
  const place = line === undefined ? "" : `:${line}:${column}`;
  const at = problem.location?.lineText ?? text.split("\n")[(line ?? 0) - 1] ?? "";
  const why = problem.message.split("\n")[0].replace(/^Invalid TOML document: /, "");
  return new Refusal(`${basename(file)}${place}: ${why}${hint(why, at)}`);
}

/** A hint for the most common mistake: a list of tables with single brackets. @param {string} why @param {string} line */
function hint(why, line) {
  const table = /^\s*\[([^[\]]+)\]/.exec(line);
  return table && /redefine/.test(why) ? `; for one more entry of a list write [[${table[1]}]]: double brackets` : "";
}
