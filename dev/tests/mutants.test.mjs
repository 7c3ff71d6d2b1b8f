// What `npm run mutants` makes of what is left. The run itself takes an hour, and is no test's business.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { parse } from "smol-toml";
import { judged, report, withoutPlace } from "../lib/mutants.mjs";
import { inRoot } from "../lib/paths.mjs";

const LINE = "src/revocation/a.rs:12:5: replace > with >= in A::is_due";
const NAME = "src/revocation/a.rs: replace > with >= in A::is_due";

/** @param {string[]} missed */
const share = (...missed) => ({ caught: 10, unviable: 2, missed });

test("what is accepted is known by its words, wherever it is now", () => {
  assert.equal(withoutPlace(LINE), NAME);
  const found = judged([share(LINE), share()], [{ mutant: NAME, reason: "equal times cannot be" }], true);
  assert.deepEqual(found, { caught: 20, unviable: 4, accepted: 1, unexpected: [], stale: [] });
  assert.match(report(found, "1 s"), /^20 mutants were noticed, 1 are accepted, 0 are not; 4 did not compile \(1 s\)$/);
});

test("one that is accepted once is not accepted twice", () => {
  const again = LINE.replace("12", "14");
  assert.deepEqual(judged([share(LINE, again)], [{ mutant: NAME, reason: "x" }], true).unexpected, [again]);
  assert.deepEqual(judged([share(LINE, again)], [{ mutant: NAME, reason: "x", count: 2 }], true).unexpected, []);
});

test("what is accepted and noticed is to be taken off the list, where all of it was tried", () => {
  const accepted = [{ mutant: NAME, reason: "x" }];
  assert.deepEqual(judged([share()], accepted, true).stale, [NAME]);
  assert.deepEqual(judged([share()], accepted, false).stale, []);
  assert.match(report(judged([share()], accepted, true), "1 s"), /noticed or gone:\n {2}src/);
});

test("every mutant that is accepted has a reason, and no place", async () => {
  const { accepted = [] } = /** @type {any} */ (parse(await readFile(inRoot("dev", "mutants.toml"), "utf8")));
  for (const { mutant, reason } of accepted) {
    assert.equal(withoutPlace(mutant), mutant);
    assert.match(mutant, /^src\/.*\.rs: /);
    assert.ok(reason.length > 10, mutant);
  }
});
