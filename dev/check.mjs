// `npm run check [-- --env NAME] [-- --development]`: what is wrong with the configuration before it is deployed, or,
// with --development, before it is run here. `--online` and `--token FILE` look at published keys and at a sample token.
import { parseArgs } from "node:util";
import { developmentKeysIn, hasLedger, missingSecrets, placeholdersIn, secretsNamedBy } from "./lib/deployment.mjs";
import { rerunUnderModernNode } from "./lib/packages.mjs";
import { Refusal, command, isMain } from "./lib/refusal.mjs";
import { SAMPLE_OPTIONS, SAMPLE_USAGE, sampleIsGood } from "./lib/sample.mjs";
import { refusalsOfWorker } from "./lib/validity.mjs";
import { readConfig, readDevVars } from "./lib/wrangler-config.mjs";
import { setup } from "./setup.mjs";

/** @typedef {import("./lib/deployment.mjs").Table} Table */

/** @param {Table} config @returns {Table | null} */
export const tableOf = (config) => config.vars?.EDGE_LOGOUT ?? null;

/**
 * Everything that speaks against deploying.
 * @param {Table} config
 * @param {Record<string, string | null>} secrets
 * @param {string} remedyForMissing
 */
export async function findingsForDeployment(config, secrets, remedyForMissing) {
  const table = tableOf(config);
  const keys = await developmentKeysIn(table);
  const missing = missingSecrets(table, secrets, remedyForMissing);
  // The Worker would refuse these two as well. They are told once, here, where there is a remedy to tell.
  const unknown = Object.fromEntries(secretsNamedBy(table).map((name) => [name, null]));
  const question = { config: table, secrets: { ...unknown, ...secrets }, development: true, deployment: true, ledger: hasLedger(config) };
  const refusals = await refusalsOfWorker(question);
  return [...refusals, ...placeholdersIn(config), ...keys, ...missing];
}

/** @param {string} heading @param {string[]} findings */
export function refuseIfAny(heading, findings) {
  if (findings.length > 0) throw new Refusal([heading, ...findings.map((finding) => `  - ${finding}`)].join("\n"));
}

function commandLine() {
  try {
    return parseArgs({ options: { env: { type: "string", short: "e" }, development: { type: "boolean" }, ...SAMPLE_OPTIONS } }).values;
  } catch (error) {
    throw new Refusal(`${/** @type {Error} */ (error).message}. Usage: npm run check [-- --env NAME] [-- --development] ${SAMPLE_USAGE}`, 2);
  }
}

async function main() {
  const { env, development = false, ...sample } = commandLine();
  await setup();
  const rerun = await rerunUnderModernNode(process.argv[1]);
  if (rerun !== undefined) return rerun;

  const config = await readConfig(env);
  const secrets = await readDevVars(env);
  if (development) {
    refuseIfAny("The Worker refuses its configuration:", await refusalsOfWorker({ config: tableOf(config), secrets, development, ledger: hasLedger(config) }));
    console.log("The configuration is valid for development.");
    return (await sampleIsGood(sample, { config: tableOf(config), secrets, development, ledger: hasLedger(config) })) ? 0 : 1;
  }
  const isGood = await sampleIsGood(sample, { config: tableOf(config), secrets, development: true, deployment: true, ledger: hasLedger(config) });
  const findings = await findingsForDeployment(config, secrets, "add it to .dev.vars");
  refuseIfAny(`${config.name} cannot be deployed as it is configured:`, findings);
  console.log(`${config.name} is configured for deployment. \`npm run deploy\` also looks whether its secrets are set.`);
  return isGood ? 0 : 1;
}

if (isMain(import.meta.url)) await command(main);
