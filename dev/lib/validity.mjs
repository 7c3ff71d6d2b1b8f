// What the Worker's own code says of a configuration, of published keys and of a sample token. It is the Worker's wasm,
// run in Node.
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { buildCheckTool } from "../build.mjs";
import { CHECK_TOOL } from "./paths.mjs";
import { Refusal } from "./refusal.mjs";

/**
 * @typedef {object} Question
 * @property {Record<string, unknown>} parts the variables and secrets that hold the table, by name
 * @property {Record<string, string | null>} secrets null: set, and its value is not known here
 * @property {boolean} development whether the development keys are allowed
 * @property {boolean} [deployment] whether all else is judged as where it is deployed
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
    // A trap or an artefact that is broken: nothing is known of the configuration then, neither good nor bad.
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
 * @returns {Promise<string[]>} what the Worker takes and its deployer may not have meant
 */
export async function warningsOfWorker(question) {
  await buildCheckTool();
  return askWorker(({ warnings }) => warnings(JSON.stringify(question)));
}

/**
 * @typedef {object} Sample
 * @property {boolean} online whether published keys are fetched
 * @property {string} [token] to be judged
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
