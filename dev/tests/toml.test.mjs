import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Refusal } from "../lib/refusal.mjs";
import { parseToml, tomlRefusal } from "../lib/toml.mjs";

const CASES = [
  ["a text without its end", 'name = "x"\n[vars]\na = "x\nb = 2\n', "wrangler.toml:3:7: control characters are not allowed in strings"],
  ["a list with single brackets", '[vars.EDGE_LOGOUT.issuers]\nname = "a"\n[vars.EDGE_LOGOUT.issuers]\nname = "b"\n', "wrangler.toml:3:2: trying to redefine an already defined table or value; for one more entry of a list write [[vars.EDGE_LOGOUT.issuers]]: double brackets"],
  ["a setting twice", "a = 1\na = 2\n", "wrangler.toml:2:1: trying to redefine an already defined table or value"],
];

for (const [title, text, expected] of CASES) {
  test(`${title} names its file, line and column`, () => {
    assert.throws(() => parseToml(text, "wrangler.toml"), (error) => error instanceof Refusal && error.message === expected);
  });

  test(`${title} names the same where wrangler reads the file`, async (t) => {
    const folder = await mkdtemp(join(tmpdir(), "edge-logout-toml-"));
    t.after(() => rm(folder, { recursive: true }));
    const file = join(folder, "wrangler.toml");
    await writeFile(file, text);
    const { unstable_readConfig: read } = await import("wrangler");
    try {
      read({ config: file });
      assert.fail("it is read");
    } catch (error) {
      assert.equal(tomlRefusal(/** @type {any} */ (error), file).message, expected);
    }
  });
}

test("other problems keep their words", () => {
  assert.equal(tomlRefusal(new Error("no such setting"), "wrangler.toml").message, "wrangler.toml: no such setting");
});
