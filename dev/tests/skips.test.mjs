// `npm test` lists skipped tests, and `.ci/run` allows none.
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { test } from "node:test";
import { modernNode } from "../lib/packages.mjs";
import { ROOT, inRoot } from "../lib/paths.mjs";
import { run } from "../lib/run.mjs";
import { NO_SKIPS, recorder, listOf } from "../lib/skips.mjs";
import { missing } from "../../tests/worker/harness/installed.mjs";

/** Runs a file of tests as `npm test` does. @param {import("node:test").TestContext} t @param {string} text */
async function skipsOf(t, text) {
  const folder = await mkdtemp(join(tmpdir(), "edge-logout-skips-test-"));
  t.after(() => rm(folder, { recursive: true }));
  const file = join(folder, "x.test.mjs");
  await writeFile(file, `import { describe, test } from "node:test";\n${text}`);
  const { args, read } = recorder();
  const { code, output } = await run(modernNode, ["--test", ...args, file], { env: { NODE_TEST_CONTEXT: undefined } });
  assert.equal(code, 0, output);
  return read().map((skip) => ({ ...skip, file: relative(folder, join(ROOT, skip.file)) }));
}

test("every skipped test is named with its reason", async (t) => {
  const skipped = await skipsOf(t, `
    test("runs", () => {});
    test("no reason", { skip: true }, () => {});
    test("Caddy", { skip: "caddy is not installed (Debian package caddy)" }, () => {});
    test("not skipped", { skip: false }, () => {});
    describe("within", () => { test("inner", (t) => t.skip("later")); });
    describe("a suite", { skip: "no redis-server" }, () => { test("never seen", () => {}); });
  `);
  assert.deepEqual(skipped, [
    { file: "x.test.mjs", name: "no reason", reason: "no reason given" },
    { file: "x.test.mjs", name: "Caddy", reason: "caddy is not installed (Debian package caddy)" },
    { file: "x.test.mjs", name: "inner", reason: "later" },
    { file: "x.test.mjs", name: "a suite", reason: "no redis-server" },
  ]);
  assert.equal(listOf(skipped.slice(1, 2)), "  skipped  x.test.mjs: Caddy: caddy is not installed (Debian package caddy)");
});

test("without skips the list is empty", async (t) => {
  assert.equal(listOf(await skipsOf(t, `test("runs", () => {});`)), "");
});

test("what is missing is named with the Debian package that has it", async (t) => {
  const path = process.env.PATH;
  t.after(() => void (process.env.PATH = path));
  const { code, stdout } = await run(modernNode, ["--input-type=module", "-e", `
    import { missing } from "${inRoot("tests/worker/harness/installed.mjs")}";
    console.log(missing("php-fpm"));`], { env: { PATH: "/nowhere" } });
  assert.equal(code, 0);
  const expected = missing("php-fpm") === false ? "false" : "php-fpm is not installed (Debian package php-fpm)";
  assert.equal(stdout.trim(), expected);
});

test("continuous integration installs every program that tests look for, and allows no skip", async () => {
  const script = await readFile(inRoot(".ci/run"), "utf8");
  assert.ok(script.includes(`${NO_SKIPS}=1`));
  const installed = await readFile(inRoot("tests/worker/harness/installed.mjs"), "utf8");
  const packages = [...installed.matchAll(/debian: "([^"]+)"/g)].map(([, name]) => name);
  assert.ok(packages.length >= 6);
  for (const name of packages) assert.match(script, new RegExp(`(^|[ (])${name}([ )]|$)`, "m"), name);
});
