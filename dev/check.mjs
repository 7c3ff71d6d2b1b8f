// `npm run check -- [--config FILE] [--env NAME] [--development] [--online] [--token FILE]`: what prevents a deployment
// or, with --development, a local run. `--online` also fetches published keys, and `--token` judges a sample token.
import { parseArgs } from "node:util";
import { CONFIG_OPTIONS, CONFIG_USAGE, whichConfig } from "./lib/config-file.mjs";
import { configuredFor } from "./lib/configured.mjs";
import { developmentKeysIn, hasLedger, missingSecrets, placeholdersIn, secretsNamedBy } from "./lib/deployment.mjs";
import { rerunUnderModernNode } from "./lib/packages.mjs";
import { unreachable } from "./lib/reach.mjs";
import { Refusal, command, isMain } from "./lib/refusal.mjs";
import { missingForRelease, notesOn } from "./lib/release.mjs";
import { SAMPLE_OPTIONS, SAMPLE_USAGE, sampleIsGood } from "./lib/sample.mjs";
import { merged, partsOf, valuesOf } from "./lib/table.mjs";
import { refusalsOfWorker, warningsOfWorker } from "./lib/validity.mjs";
import { readConfig, readDevVars } from "./lib/wrangler-config.mjs";
import { setup } from "./setup.mjs";

/** @typedef {import("./lib/table.mjs").Table} Table */
/** @typedef {import("./lib/config-file.mjs").Which} Which */

/**
 * Everything that speaks against deploying.
 * @param {Which} which
 * @param {Table} config
 * @param {Record<string, string | null>} secrets
 * @param {string} remedyForMissing
 */
export async function findingsForDeployment(which, config, secrets, remedyForMissing) {
  const parts = partsOf(config, secrets);
  const { table, findings } = merged(parts);
  const keys = await developmentKeysIn(parts);
  const missing = missingSecrets(table, secrets, remedyForMissing);
  // The Worker would refuse these two as well. They are told once, here, where there is a remedy to tell.
  const unknown = Object.fromEntries(secretsNamedBy(table).map((name) => [name, null]));
  const question = { parts: valuesOf(parts), secrets: { ...unknown, ...secrets }, development: true, deployment: true, ledger: hasLedger(config) };
  // The Worker's findings about an incomplete table would be wrong.
  const refusals = findings.length > 0 ? findings : await refusalsOfWorker(question);
  return [...refusals, ...missingForRelease(config, which), ...placeholdersIn(config, table), ...keys, ...missing];
}

/** @param {string} heading @param {string[]} findings */
export function refuseIfAny(heading, findings) {
  if (findings.length > 0) throw new Refusal([heading, ...findings.map((finding) => `  - ${finding}`)].join("\n"));
}

function commandLine() {
  try {
    return parseArgs({ options: { ...CONFIG_OPTIONS, development: { type: "boolean" }, ...SAMPLE_OPTIONS } }).values;
  } catch (error) {
    throw new Refusal(`${/** @type {Error} */ (error).message}. Usage: npm run check -- ${CONFIG_USAGE} [--development] ${SAMPLE_USAGE}`, 2);
  }
}

async function main() {
  const { development = false, online, token, ...options } = commandLine();
  const which = whichConfig(options);
  await setup();
  const rerun = await rerunUnderModernNode(process.argv[1]);
  if (rerun !== undefined) return rerun;

  const config = await readConfig(which);
  const sample = { online, token };
  if (development) {
    const { parts, secrets } = await configuredFor(which);
    const question = { parts, secrets, development, ledger: hasLedger(config) };
    refuseIfAny("The Worker refuses its configuration:", await refusalsOfWorker(question));
    for (const warning of await warningsOfWorker(question)) console.error(`Warning: ${warning}`);
    console.log("The configuration is valid for development.");
    return (await sampleIsGood(sample, question)) ? 0 : 1;
  }
  const given = await readDevVars(which);
  const findings = await findingsForDeployment(which, config, given, "add it to .dev.vars");
  for (const note of notesOn(config)) console.error(note);
  const question = { parts: valuesOf(partsOf(config, given)), secrets: given, development: true, deployment: true, ledger: hasLedger(config) };
  for (const warning of await warningsOfWorker(question)) console.error(`Warning: ${warning}`);
  const isGood = await sampleIsGood(sample, question);
  refuseIfAny(`${config.name} cannot be deployed as it is configured in ${which.label}:`, [...findings, ...unreachable(config, which)]);
  console.log(`${config.name} is configured for deployment. \`npm run deploy\` also checks that its secrets are set.`);
  return isGood ? 0 : 1;
}

if (isMain(import.meta.url)) await command(main);
