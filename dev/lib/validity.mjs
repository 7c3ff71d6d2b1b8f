// Whether the Worker would accept its configuration: the Worker's own code says so, run natively.
import { step } from "./progress.mjs";
import { Refusal } from "./refusal.mjs";
import { run } from "./run.mjs";

/**
 * @param {object} question
 * @param {import("./table.mjs").Table | null} question.config the table EDGE_LOGOUT
 * @param {Record<string, string | null>} question.secrets null: set, and its value is not known here
 * @param {boolean} question.development whether the development keys are allowed
 * @param {boolean} [question.deployment] whether all else is judged as where it is deployed
 * @param {boolean} question.ledger whether the ledger is bound
 * @returns {Promise<string[]>} what the Worker refuses, in its own words
 */
export async function refusalsOfWorker(question) {
  const args = ["run", "--quiet", "--locked", "--example", "check"];
  const { code, stdout, output } = await step("the Worker's own check of its configuration", () =>
    run("cargo", args, { input: JSON.stringify(question) }),
  );
  if (code === 0) return [];
  if (code !== 1) throw new Refusal(`${output.trimEnd()}\nThe Worker's check of its configuration could not be run`);
  return output.replace(stdout, "").split("\n").filter((line) => line.trim());
}
