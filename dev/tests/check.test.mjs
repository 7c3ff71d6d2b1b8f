import assert from "node:assert/strict";
import { test } from "node:test";
import { run } from "../lib/run.mjs";

const check = (/** @type {string[]} */ ...args) => run(process.execPath, ["dev/check.mjs", ...args]);

test("what is committed is valid for development", { timeout: 300_000 }, async () => {
  const { code, output } = await check("--development");
  assert.equal(code, 0, output);
});

test("what is committed is refused for a deployment: every development key and the placeholder", { timeout: 300_000 }, async () => {
  const { code, output } = await check();
  assert.equal(code, 1);
  const findings = output.split("\n").filter((line) => line.startsWith("  - "));
  assert.equal(findings.filter((line) => line.includes("is a development key")).length, 4, output);
  assert.equal(findings.filter((line) => line.includes("placeholder")).length, 1, output);
  assert.equal(findings.length, 5, output);
});

test("an environment that is not there is refused", async () => {
  const { code, output } = await check("--env", "nowhere");
  assert.equal(code, 2);
  assert.match(output, /wrangler\.toml has no environment `nowhere`\n$/);
});
