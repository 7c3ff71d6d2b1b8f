// What `npm run fuzz` makes of libFuzzer's words. The run itself takes minutes, and is no test's business.
import assert from "node:assert/strict";
import { readFile, readdir } from "node:fs/promises";
import { test } from "node:test";
import { parse } from "smol-toml";
import { TARGETS, fuzzerArgs, outcome, report } from "../lib/fuzz.mjs";
import { inRoot } from "../lib/paths.mjs";

const STATS = "stat::number_of_executed_units: 1234567\nstat::average_exec_per_sec:     41152\n";
const CRASH = `
thread '<unnamed>' panicked at src/a.rs:12:5:
index out of bounds
==1== ERROR: libFuzzer: deadly signal
SUMMARY: libFuzzer: deadly signal
artifact_prefix='/tmp/'; Test unit written to /tmp/crash-0a1b
${STATS}`;

test("every target is a program, a file and a folder of seeds", async () => {
  const names = Object.keys(TARGETS).sort();
  const manifest = /** @type {any} */ (parse(await readFile(inRoot("fuzz", "Cargo.toml"), "utf8")));
  assert.deepEqual(manifest.bin.map((/** @type {{ name: string }} */ { name }) => name).sort(), names);
  assert.deepEqual((await readdir(inRoot("fuzz", "fuzz_targets"))).sort(), names.map((name) => `${name}.rs`));
  assert.deepEqual((await readdir(inRoot("fuzz", "corpus"))).sort(), names);
});

test("a run tells how often it has executed", () => {
  assert.deepEqual(outcome(0, STATS), { executions: 1_234_567 });
});

test("a crash is told with its panic and its input, anything else by what libFuzzer calls it", () => {
  assert.deepEqual(outcome(77, CRASH), { executions: 1_234_567, input: "/tmp/crash-0a1b", why: "src/a.rs:12:5: index out of bounds" });
  const slow = "SUMMARY: libFuzzer: timeout\nartifact_prefix='/tmp/'; Test unit written to /tmp/timeout-0a1b\n";
  assert.deepEqual(outcome(70, slow), { executions: 0, input: "/tmp/timeout-0a1b", why: "timeout" });
  assert.deepEqual(outcome(127, "no such file"), { executions: 0, input: undefined, why: "exit code 127" });
});

test("new inputs never become seeds", () => {
  const args = fuzzerArgs("wire", 60, { found: "/target/corpus", seeds: "/seeds", artifacts: "/target/artifacts" });
  assert.deepEqual(args.slice(-3), ["-artifact_prefix=/target/artifacts/", "/target/corpus", "/seeds"]);
});

test("the report sums up", () => {
  const text = report({ token: { executions: 1_000 }, wire: { executions: 2_500, why: "timeout" } });
  assert.match(text, /token +1,000\n +wire +2,500 {2}FAILED: timeout\n +in all +3,500$/);
});
