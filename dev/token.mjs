// `npm run --silent token -- ISSUER [--claims JSON] [--expires-in SECONDS] [--config FILE] [--env NAME]`: one token on
// stdout, and nothing else.
import { parseArgs } from "node:util";
import { CONFIG_OPTIONS, CONFIG_USAGE, whichConfig } from "./lib/config-file.mjs";
import { Refusal, command } from "./lib/refusal.mjs";
import { setup } from "./setup.mjs";

const USAGE = `npm run --silent token -- ISSUER [--claims JSON] [--expires-in SECONDS] ${CONFIG_USAGE}`;

/** A refusal of the command line. @param {string} message */
const usage = (message) => new Refusal(message, 2);

/** @param {string} text */
function parseClaims(text) {
  try {
    const claims = JSON.parse(text);
    if (claims !== null && typeof claims === "object" && !Array.isArray(claims)) return claims;
  } catch {
    // said below
  }
  throw usage(`--claims has to be a JSON object, such as '{"sub":"user-1","jti":null}', and is: ${text}`);
}

/** @param {string} text */
function parseSeconds(text) {
  if (/^-?\d+$/.test(text)) return Number(text);
  throw usage(`--expires-in has to be a whole number of seconds and is: ${text}`);
}

/** `--expires-in -60` is meant as one option with its value, which parseArgs takes for two options. @param {string[]} args */
const joinNegative = (args) => args.join("\0").replace(/(^|\0)--expires-in\0(-\d)/g, "$1--expires-in=$2").split("\0");

/** @param {string[]} args */
function parseCommandLine(args) {
  try {
    return parseArgs({
      args: args.length ? joinNegative(args) : args,
      allowPositionals: true,
      options: { ...CONFIG_OPTIONS, claims: { type: "string", default: "{}" }, "expires-in": { type: "string", default: "3600" } },
    });
  } catch (error) {
    throw usage(`${/** @type {Error} */ (error).message.split("\n")[0]} Usage: ${USAGE}`);
  }
}

await command(async () => {
  const { values, positionals } = parseCommandLine(process.argv.slice(2));
  if (positionals.length !== 1) throw usage(`One issuer has to be named. Usage: ${USAGE}`);
  const options = { claims: parseClaims(values.claims), expiresIn: parseSeconds(values["expires-in"]) };
  const which = whichConfig(values);
  await setup({ packagesOnly: true });
  const { configuredFor } = await import("./lib/configured.mjs"); // needs npm's packages, which set-up has just seen to
  const { mint } = await import("./lib/mint.mjs");
  console.log(await mint(await configuredFor(which), positionals[0], options));
});
