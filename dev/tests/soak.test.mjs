// What `npm run soak` judges by: a soak that calls a wrong answer right would be worth nothing.
import assert from "node:assert/strict";
import { test } from "node:test";
import { parsed } from "../../bench/soak/connection.mjs";
import { Faults } from "../../bench/soak/faults.mjs";
import { wrongVerdict } from "../../bench/soak/judge.mjs";
import { Memory } from "../../bench/soak/memory.mjs";
import { readOptions } from "../../bench/soak/options.mjs";
import { Chance } from "../../bench/soak/random.mjs";
import { Rotation } from "../../bench/soak/rotation.mjs";
import { Tally } from "../../bench/soak/tally.mjs";
import { Mint } from "../../bench/soak/tokens.mjs";
import { Refusal } from "../lib/refusal.mjs";

/** @param {Partial<import("../../bench/soak/tokens.mjs").Subject>} [known] @returns {import("../../bench/soak/tokens.mjs").Subject} */
const subject = (known) => ({ issuer: "worth", token: "t", identifiers: [], state: "live", endedAt: Infinity, endedInLife: -1, ...known });

/** @param {number} begun @param {"here" | "there"} [place] */
const asked = (begun, place = "there") => ({ begun, ended: begun + 5, place, life: 0 });

const ENDED = subject({ state: "ended", endedAt: 1_000, endedIn: "here", endedInLife: 0 });

test("a token is good until its logout is sent, and never after the bound", () => {
  assert.equal(wrongVerdict(subject(), "active", asked(0), 1_000), undefined);
  for (const verdict of ["revoked", "unknown_key", "bad_signature", "undefined"]) assert.match(wrongVerdict(subject(), verdict, asked(0), 1_000) ?? "", /live/);
  for (const state of /** @type {const} */ (["ending", "unsure"])) {
    for (const verdict of ["active", "revoked"]) assert.equal(wrongVerdict(subject({ state }), verdict, asked(0), 0), undefined);
  }
  assert.equal(wrongVerdict(ENDED, "active", asked(999), 0), undefined, "it was asked before");
  assert.equal(wrongVerdict(ENDED, "active", asked(1_999), 1_000), undefined, "within the bound");
  assert.match(wrongVerdict(ENDED, "active", asked(2_001), 1_000) ?? "", /1001\.0 ms after/);
  assert.ok(wrongVerdict(ENDED, "active", asked(1_001), 0), "strong");
  assert.ok(wrongVerdict(ENDED, "active", asked(1_001, "here"), 1_000), "the isolate that has answered the logout");
  assert.equal(wrongVerdict(ENDED, "active", { ...asked(1_001, "here"), life: 1 }, 1_000), undefined, "another life of it");
});

test("a token of a removed key is refused once the set was fetched again", () => {
  const orphan = subject({ key: { jwk: {}, sign: () => Buffer.alloc(0), removedAt: 0 } });
  for (const verdict of ["active", "unknown_key"]) assert.equal(wrongVerdict(orphan, verdict, asked(4_000), 1_000), undefined);
  assert.ok(wrongVerdict(orphan, "active", asked(6_000), 1_000));
  const rotation = new Rotation(new Mint(new Chance(1)));
  rotation.downUntil = 500;
  assert.deepEqual([rotation.excuse(orphan, { begun: 500 }), rotation.excuse(orphan, { begun: 501 }), rotation.excuse(subject(), { begun: 500 })], ["provider down", undefined, undefined]);
});

test("a fault excuses what was under way, and nothing else", () => {
  const faults = new Faults();
  faults.injected = [{ what: "kill", from: 100, to: 100 }, { what: "ledger restart", from: 200, to: 300 }];
  const excuses = [[0, 99], [50, 150], [101, 150], [150, 199], [299, 400], [301, 400]].map(([begun, ended]) => faults.excuse(begun, ended));
  assert.deepEqual(excuses, [undefined, "kill", undefined, undefined, "ledger restart", undefined]);
});

/** @param {(second: number) => number} resident @param {number} [logouts] a second */
function judged(resident, logouts = 0) {
  const stage = /** @type {any} */ ({ lives: 1, at: { here: 0, there: 0 } });
  const memory = new Memory(stage, /** @type {any} */ ({}));
  memory.samples = Array.from({ length: 300 }, (_, second) => ({ at: second * 1_000, life: 1, logouts: second * logouts, resident: resident(second), wasm: [1e6, 1e6] }));
  return memory.judge();
}

test("memory is flat when it no longer grows, but for what is remembered of logouts", () => {
  const isFlat = (/** @type {ReturnType<typeof judged>} */ found) => found?.rows[0].isFlat;
  assert.equal(isFlat(judged((second) => 2e8 + Math.min(second, 90) * 3e6)), true);
  assert.equal(isFlat(judged((second) => 2e8 + second * 1e6)), false);
  assert.equal(isFlat(judged((second) => 2e8 + second * 1e5, 250)), true);
});

test("answers are read as the runtime writes them, also in parts", () => {
  const plain = Buffer.from("HTTP/1.1 401 Unauthorized\r\nContent-Length: 4\r\n\r\nabcd");
  assert.deepEqual([parsed(plain)?.status, parsed(plain)?.text], [401, "abcd"]);
  const chunked = Buffer.from("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n");
  assert.deepEqual([parsed(chunked)?.status, parsed(chunked)?.text], [200, "abc"]);
  for (const whole of [plain, chunked]) {
    for (let length = 0; length < whole.length; length += 1) assert.equal(parsed(whole.subarray(0, length)), undefined);
  }
});

test("the same seed makes the same choices", () => {
  const some = (/** @type {number} */ seed) => {
    const chance = new Chance(seed);
    return [chance.below(1_000), chance.text(8), chance.of([1, 2, 3]), chance.weighted([{ weight: 1, what: "a" }, { weight: 9, what: "b" }])];
  };
  assert.deepEqual(some(7), some(7));
  assert.notDeepEqual(some(7), some(8));
});

test("times are told to within a sixteenth of a power of two", () => {
  const tally = new Tally();
  for (let ms = 1; ms <= 1_000; ms += 1) tally.answered("check", ms);
  const times = tally.kinds.get("check");
  assert.ok(Math.abs((times?.quantile(0.5) ?? 0) / 500 - 1) < 0.05);
  assert.ok(Math.abs((times?.quantile(0.99) ?? 0) / 990 - 1) < 0.05);
});

test("options", () => {
  const { seconds, connections, buildsItself } = readOptions([]);
  assert.deepEqual([seconds, connections, buildsItself], [300, 48, true]);
  assert.deepEqual([readOptions(["--short"]).seconds, readOptions(["--seed", "7"]).seed], [30, 7]);
  for (const args of [["--seconds", "x"], ["--seconds", "1"], ["--fast"]]) assert.throws(() => readOptions(args), Refusal);
});
