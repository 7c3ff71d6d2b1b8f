import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { parse } from "smol-toml";
import { whichConfig } from "../lib/config-file.mjs";
import { hasLedger, secretsNamedBy } from "../lib/deployment.mjs";
import { developmentKeys } from "../lib/keys.mjs";
import { inRoot } from "../lib/paths.mjs";
import { missingForRelease } from "../lib/release.mjs";
import { run } from "../lib/run.mjs";
import { partsOf, valuesOf } from "../lib/table.mjs";
import { refusalsOfWorker } from "../lib/validity.mjs";
import { readConfig, readDevVars } from "../lib/wrangler-config.mjs";
import { configWith, folder, tableOfReadme, tableOfTests } from "./harness.mjs";

const TESTS = "tests/wrangler.toml";
const ROUTE = 'routes = [{ pattern = "logout.shop.example", custom_domain = true }]';

const check = (/** @type {string[]} */ ...args) => run(process.execPath, ["dev/check.mjs", ...args]);
const dryRun = (/** @type {string[]} */ ...args) => run(process.execPath, ["dev/deploy.mjs", "--dry-run", ...args]);
const findingsIn = (/** @type {string} */ output) => output.split("\n").filter((line) => line.startsWith("  - "));

test("wrangler.toml is valid, whosever table it has", { timeout: 300_000 }, async () => {
  const which = whichConfig({ config: inRoot("wrangler.toml") });
  const config = await readConfig(which);
  const parts = valuesOf(partsOf(config, await readDevVars(which))); // parts of it may be secrets
  const secrets = Object.fromEntries(secretsNamedBy(parts).map((name) => [name, null]));
  assert.deepEqual(await refusalsOfWorker({ parts, secrets, development: true, ledger: hasLedger(config) }), []);
});

const shipped = /** @type {any} */ (parse(await readFile(inRoot("wrangler.toml"), "utf8")));
const isShipped = JSON.stringify(shipped.vars?.EDGE_LOGOUT) === JSON.stringify(/** @type {any} */ (parse(await readFile(inRoot(TESTS), "utf8"))).vars.EDGE_LOGOUT);

test("wrangler.toml as it is shipped has what this release needs, and leaves nothing open or unlimited that costs", { skip: !isShipped && "wrangler.toml is somebody's own" }, async () => {
  const which = whichConfig({ config: inRoot("wrangler.toml") });
  assert.deepEqual(missingForRelease(await readConfig(which), which), []);
  assert.equal(typeof shipped.workers_dev, "boolean");
  assert.equal(typeof shipped.preview_urls, "boolean");
  assert.equal(typeof shipped.observability.head_sampling_rate, "number");
});

test("the tests' table is valid for development, with the secrets that it is given", { timeout: 300_000 }, async (t) => {
  const { code, output } = await check("--development", "--config", await configWith(t, await tableOfTests()));
  assert.equal(code, 0, output);
});

test("development keys are refused for a deployment, in every part of the table, and so is a Worker without a route", { timeout: 300_000 }, async (t) => {
  const [first, ...rest] = (await tableOfTests()).split("[[vars.EDGE_LOGOUT.routes]]");
  const table = [first.replaceAll("vars.EDGE_LOGOUT.", "vars.EDGE_LOGOUT_ISSUERS."), ...rest].join("[[vars.EDGE_LOGOUT.routes]]");
  const { code, output } = await check("--config", await configWith(t, table));
  assert.equal(code, 1);
  const findings = findingsIn(output);
  const published = (await developmentKeys()).filter(({ kty }) => kty !== "oct");
  assert.equal(findings.filter((line) => /vars\.EDGE_LOGOUT_ISSUERS\.issuers.*is a development key/.test(line)).length, published.length, output);
  assert.equal(findings.filter((line) => /the secret .* is not set/.test(line)).length, 2, output);
  assert.equal(findings.filter((line) => line.includes("the Worker has no route")).length, 1, output);
  assert.equal(findings.length, published.length + 3, output);
});

test("README's table can be deployed from another folder, once it has a route", { timeout: 300_000 }, async (t) => {
  const table = await tableOfReadme();
  const { code, output } = await check("--config", await configWith(t, table, ROUTE));
  assert.equal(code, 0, output);
  const unreached = await dryRun("--config", await configWith(t, table));
  assert.equal(unreached.code, 1);
  assert.deepEqual(findingsIn(unreached.output).map((line) => line.slice(4, 24)), ["the Worker has no ro"]);
  const deployed = await dryRun(`--config=${await configWith(t, table, ROUTE)}`);
  assert.equal(deployed.code, 0, deployed.output);
  assert.match(deployed.output, /--dry-run: exiting now/);
  const domain = await dryRun("--domain", "logout.shop.example", "--config", await configWith(t, table));
  assert.equal(domain.code, 0, domain.output);
  const serviceOnly = `${table}\n[vars]\nSERVICE_BINDINGS_ONLY = "true"\n`;
  assert.equal((await dryRun("--config", await configWith(t, serviceOnly))).code, 0);
});

test("what an environment lacks is listed", { timeout: 300_000 }, async (t) => {
  const table = `${await tableOfReadme()}\n[env.staging.vars]\nOTHER = "1"\n`;
  const { code, output } = await check("--env", "staging", "--config", await configWith(t, table, 'compatibility_flags = []'));
  assert.equal(code, 1);
  const findings = findingsIn(output);
  for (const finding of [/is missing/, /\[\[env\.staging\.durable_objects\.bindings\]\]/, /kv_namespaces: there is no `REVOCATIONS`/, /the Worker has no route.*\[env\.staging\]/]) {
    assert.ok(findings.some((line) => finding.test(line)), `${finding} in ${output}`);
  }
});

test("an environment that is not there is refused, and so is a file", async (t) => {
  const { code, output } = await check("--env", "nowhere", "--config", TESTS);
  assert.equal(code, 2);
  assert.match(output, /tests\/wrangler\.toml has no environment `nowhere`\n$/);
  const missing = join(await folder(t), "missing.toml");
  assert.deepEqual(await check("--config", missing), { code: 2, stdout: "", output: `There is no file ${missing}\n` });
});
