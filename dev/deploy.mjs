// `npm run deploy -- [--config FILE] [wrangler's options]`: the checks, then `wrangler deploy` unless one fails.
// With --dry-run nothing is asked of the network, so nothing is known of the secrets that are set; all else is checked.
import { parseArgs } from "node:util";
import { findingsForDeployment, refuseIfAny } from "./check.mjs";
import { CONFIG_OPTIONS, quoted, whichConfig } from "./lib/config-file.mjs";
import { developmentSecretsIn, permissionsIn, secretsNamedBy } from "./lib/deployment.mjs";
import { rerunUnderModernNode } from "./lib/packages.mjs";
import { ROUTE_OPTIONS, unreachable } from "./lib/reach.mjs";
import { Refusal, command } from "./lib/refusal.mjs";
import { notesOn } from "./lib/release.mjs";
import { run } from "./lib/run.mjs";
import { tableOf } from "./lib/table.mjs";
import { deployedSecrets, readConfig, readSecretsFile } from "./lib/wrangler-config.mjs";
import { wranglerArgs, wranglerEnv, wranglerProgram } from "./lib/wrangler.mjs";
import { setup } from "./setup.mjs";

/** @param {import("./lib/config-file.mjs").Which} which */
const remedy = ({ wranglers }) => `npx wrangler secret put NAME${wranglers.map((word) => ` ${quoted(word)}`).join("")}, or, for a first deployment, pass a file with it by --secrets-file`;

/** The options that matter here. All but --config are passed on to wrangler. @param {string[]} args */
function ours(args) {
  const text = /** @type {const} */ ({ type: "string" });
  const routes = Object.fromEntries(ROUTE_OPTIONS.map((option) => [option, { ...text, multiple: true }]));
  const options = { ...CONFIG_OPTIONS, ...routes, name: text, var: text, "secrets-file": text, "dry-run": /** @type {const} */ ({ type: "boolean" }) };
  const { values, tokens } = parseArgs({ args, strict: false, tokens: true, options });
  const elsewhere = ["name", "var"].find((option) => values[option] !== undefined);
  if (elsewhere) throw new Refusal(`--${elsewhere} cannot be used: the configuration alone decides what is checked and deployed`, 2);
  const given = tokens.filter((token) => token.kind === "option" && token.name === "config");
  const left = given.flatMap((token) => (token.kind === "option" && !token.inlineValue ? [token.index, token.index + 1] : [token.index]));
  return {
    which: whichConfig({ config: values.config?.toString(), env: values.env?.toString() }),
    secretsFile: values["secrets-file"]?.toString(),
    dryRun: values["dry-run"] === true,
    isRouted: ROUTE_OPTIONS.some((option) => values[option] !== undefined),
    passedOn: args.filter((_, index) => !left.includes(index)),
  };
}

async function main() {
  const { which, secretsFile, dryRun, isRouted, passedOn } = ours(process.argv.slice(2));
  await setup();
  const rerun = await rerunUnderModernNode(process.argv[1]);
  if (rerun !== undefined) return rerun;

  const config = await readConfig(which);
  const handed = secretsFile ? await readSecretsFile(secretsFile) : {};
  /** @type {Record<string, string | null>} */
  const set = dryRun ? Object.fromEntries(secretsNamedBy(tableOf(config, handed)).map((name) => [name, null])) : await deployedSecrets(which);
  const secrets = { ...set, ...handed };
  const findings = await findingsForDeployment(which, config, secrets, remedy(which));
  const reach = isRouted ? [] : unreachable(config, which);
  for (const note of notesOn(config)) console.error(note);
  refuseIfAny(`${config.name} is not deployed:`, [...findings, ...reach, ...(await developmentSecretsIn(secrets)), ...permissionsIn(secrets)]);

  const environment = which.env === undefined ? ["--env", ""] : [];
  const args = wranglerArgs(["deploy", "--config", which.file, ...environment, ...passedOn]);
  const { code } = await run(wranglerProgram, args, { show: true, env: wranglerEnv() });
  return code;
}

await command(main);
