// The Worker's own verdicts on a configuration, on published keys and on a sample token: its code, as wasm in Node.
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { buildCheckTool } from "../build.mjs";
import { CHECK_TOOL } from "./paths.mjs";
import { Refusal } from "./refusal.mjs";

/**
 * @typedef {object} Question
 * @property {Record<string, unknown>} parts the variables and secrets that hold the table, by name
 * @property {Record<string, string | null>} secrets null when one is set and its text is not known here
 * @property {boolean} development whether the development keys are allowed
 * @property {boolean} [deployment] whether everything but development keys is judged as in a deployment
 * @property {boolean} ledger whether the ledger is bound
 */

/**
 * @typedef {object} Tool
 * @property {(question: string) => string} findings
 * @property {(question: string) => string} warnings
 * @property {(question: string) => Promise<string>} judge
 */

/** @returns {Promise<Tool>} */
const load = () => import(pathToFileURL(join(CHECK_TOOL, "index.js")).href);

/**
 * Asks the Worker's code.
 * @param {(tool: Tool) => string | Promise<string>} ask
 * @param {() => Promise<Tool>} loaded
 */
export async function askWorker(ask, loaded = load) {
  try {
    return JSON.parse(await ask(await loaded()));
  } catch (error) {
    // A trap or a broken build: the configuration was not judged.
    throw new Refusal(`The Worker's check of its configuration has failed itself, so nothing is known of it: ${error}`);
  }
}

/**
 * @param {Question} question
 * @returns {Promise<string[]>} what the Worker refuses, in its own words
 */
export async function refusalsOfWorker(question) {
  await buildCheckTool();
  return askWorker(({ findings }) => findings(JSON.stringify(question)));
}

/**
 * @param {Question} question
 * @returns {Promise<string[]>} warnings about settings that are accepted, but probably not meant
 */
export async function warningsOfWorker(question) {
  await buildCheckTool();
  return askWorker(({ warnings }) => warnings(JSON.stringify(question)));
}

/**
 * @typedef {object} Sample
 * @property {boolean} online whether published keys are fetched
 * @property {string} [token] the token to judge
 */

/**
 * @param {Question} question
 * @param {Sample} sample
 * @returns {Promise<import("./sample.mjs").Answer>}
 */
export async function judgedByWorker(question, sample) {
  await buildCheckTool();
  return askWorker(({ judge }) => judge(JSON.stringify({ ...question, ...sample })));
}
