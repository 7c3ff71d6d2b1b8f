// `npm run deploy [-- wrangler's options]`: the checks, each finding named, and only then `wrangler deploy`.
// With --dry-run nothing is asked of the network, so nothing is known of the secrets that are set; all else is checked.
import { parseArgs } from "node:util";
import { findingsForDeployment, refuseIfAny, tableOf } from "./check.mjs";
import { developmentSecretsIn, permissionsIn, secretsNamedBy } from "./lib/deployment.mjs";
import { rerunUnderModernNode } from "./lib/packages.mjs";
import { Refusal, command } from "./lib/refusal.mjs";
import { run } from "./lib/run.mjs";
import { deployedSecrets, readConfig, readSecretsFile } from "./lib/wrangler-config.mjs";
import { wranglerArgs, wranglerEnv, wranglerProgram } from "./lib/wrangler.mjs";
import { setup } from "./setup.mjs";

const REMEDY = "npx wrangler secret put NAME, or hand a file with it to a first deployment with --secrets-file";

/** The options that matter to us; all of them go on to wrangler. @param {string[]} args */
function ours(args) {
  const { values } = parseArgs({
    args,
    strict: false,
    options: {
      env: { type: "string", short: "e" },
      config: { type: "string", short: "c" },
      name: { type: "string" },
      var: { type: "string" },
      "secrets-file": { type: "string" },
      "dry-run": { type: "boolean" },
    },
  });
  const elsewhere = ["config", "name", "var"].find((option) => values[option] !== undefined);
  if (elsewhere) throw new Refusal(`--${elsewhere} is not for this: what is checked and deployed is wrangler.toml`, 2);
  return {
    env: /** @type {string | undefined} */ (values.env),
    secretsFile: /** @type {string | undefined} */ (values["secrets-file"]),
    dryRun: values["dry-run"] === true,
  };
}

async function main() {
  const args = process.argv.slice(2);
  const { env, secretsFile, dryRun } = ours(args);
  await setup();
  const rerun = await rerunUnderModernNode(process.argv[1]);
  if (rerun !== undefined) return rerun;

  const config = await readConfig(env);
  /** @type {Record<string, string | null>} */
  const set = dryRun ? Object.fromEntries(secretsNamedBy(tableOf(config)).map((name) => [name, null])) : await deployedSecrets(env);
  const secrets = { ...set, ...(secretsFile ? await readSecretsFile(secretsFile) : {}) };
  const findings = await findingsForDeployment(config, secrets, REMEDY);
  refuseIfAny(`${config.name} is not deployed:`, [...findings, ...(await developmentSecretsIn(secrets)), ...permissionsIn(secrets)]);

  const environment = env === undefined ? ["--env", ""] : [];
  const { code } = await run(wranglerProgram, wranglerArgs(["deploy", ...environment, ...args]), { show: true, env: wranglerEnv() });
  return code;
}

await command(main);
