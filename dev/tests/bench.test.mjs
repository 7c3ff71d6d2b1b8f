// What `npm run bench` makes of what it has measured. How fast anything is, is no test's business.
import assert from "node:assert/strict";
import { test } from "node:test";
import { configText } from "../../bench/edge/capnp.mjs";
import { chart } from "../../bench/edge/chart.mjs";
import { parseRun, requestText } from "../../bench/edge/load.mjs";
import { orderOf } from "../../bench/edge/measure.mjs";
import { readOptions } from "../../bench/edge/options.mjs";
import { cellTable, report, warning } from "../../bench/edge/report.mjs";
import { median, ratio, spread } from "../../bench/edge/statistics.mjs";
import { targets } from "../../bench/edge/targets.mjs";
import { claimsOf, tokensOf } from "../../bench/edge/tokens.mjs";
import { Refusal } from "../lib/refusal.mjs";

const SUMMARY = `Running 1s test @ http://127.0.0.1:8080/
  1 threads and 32 connections
Requests/sec:  20000.00
`;

/** @param {number} perSecond @param {number} cpu */
const round = (perSecond, cpu) => ({ perSecond, cpu, p50: 1, p99: 2, kvReads: 0, kvWrites: 0, others: 0.01 });

/** @param {string} name @param {string} side @param {[number, number][]} rounds */
const cell = (name, side, rounds) => ({ name, title: `Of ${name} & <others>`, side, rounds: rounds.map(([perSecond, cpu]) => round(perSecond, cpu)) });

const RESULTS = {
  machine: { workerd: "1.0" },
  how: { rounds: 3, seconds: 4, connections: 32, storage: "memory" },
  cells: [
    cell("bare-js", "floor", [[20_000, 50], [10_000, 60], [20_000, 50]]),
    cell("warm-HS256", "ours", [[18_000, 55], [9_000, 66], [16_000, 60]]),
    cell("warm-ES256", "ours", [[14_000, 70], [7_000, 84], [14_000, 70]]),
    cell("hono-jose-HS256", "peer", [[10_000, 90], [5_000, 99], [10_000, 90]]),
    cell("batch", "ours", [[2_000, 400], [2_000, 400], [2_000, 400]]),
    cell("bare-batch", "floor", [[10_000, 200], [10_000, 200], [10_000, 200]]),
  ],
  bundle: [{ file: "index_bg.wasm", raw: 299_999, gzip: 120_001 }],
  coldStarts: [
    { name: "bare-js", title: "bare", milliseconds: spread([20, 22]), each: [20, 22], residentBytes: 1e6 },
    { name: "ours", title: "ours", milliseconds: spread([29, 33]), each: [29, 33], residentBytes: 1e6 },
  ],
  memory: { atStart: 1e6, followed: 2e7, full: 3.1e7 },
};

test("medians and ratios are those of the rounds", () => {
  assert.equal(median([3, 1, 2]), 2);
  assert.equal(median([4, 1, 2, 3]), 2.5);
  // The second round was slow for both: that is not taken for a difference between them.
  assert.deepEqual(ratio([10, 5, 12], [20, 10, 20]), { median: 0.5, low: 0.5, high: 0.6 });
});

test("what wrk says is read, and a run that broke off is refused", () => {
  const line = '{"requests":20000,"microseconds":1000000,"refused":1,"broken":2,"p50":1500,"p99":9000,"sent":20033}';
  assert.deepEqual(parseRun(`${SUMMARY}\n${line}\n`), { requests: 20_000, seconds: 1, refused: 1, broken: 2, p50: 1.5, p99: 9, sent: 20_033 });
  assert.throws(() => parseRun(`${SUMMARY}unable to connect to 127.0.0.1`), (error) => error instanceof Refusal && /unable to connect/.test(error.message));
});

test("a request's length is that of its bytes", () => {
  const text = requestText({ method: "POST", path: "/x", token: "t", body: "ü" });
  assert.match(text, /^POST \/x HTTP\/1\.1\r\nHost: .*\r\nContent-Length: 2\r\n\r\nü$/s);
  assert.ok(!requestText({ path: "/x" }).includes("Content-Length"));
});

test("every round measures every cell, in an order of its own", () => {
  const cells = ["a", "b", "c", "d", "e"];
  const orders = [0, 1, 2, 3].map((number) => orderOf(cells, number));
  for (const order of orders) assert.deepEqual([...order].sort(), cells);
  assert.equal(new Set(orders.map(String)).size, 4);
});

test("targets are met or missed by the worst of what they speak of", () => {
  const lines = targets(RESULTS);
  const found = (/** @type {string} */ against) => lines.find((line) => line.against === against);
  assert.deepEqual(found("requests/s of bare JavaScript"), {
    what: "`/check` warm, bounded, any algorithm", against: "requests/s of bare JavaScript", target: ">= 0.8 x", result: "0.70 (0.70 to 0.70) x, ES256", holds: false,
  });
  assert.equal(found("CPU of bare JavaScript")?.holds, false);
  assert.equal(found("Hono + jose, no revocation")?.holds, true, "compared where both were measured");
  assert.equal(found("Hono + jose + KV read"), undefined, "and left out where nothing was");
  assert.equal(found("CPU over the floor")?.result, "2.00 (2.00 to 2.00) us a token");
  assert.deepEqual([found("raw")?.holds, found("gzip -9")?.holds, found("wasm memory")?.holds], [true, false, true]);
  assert.deepEqual([found("over bare JavaScript")?.result, found("over bare JavaScript")?.holds], ["10.0 (9.0 to 11.0) ms", true]);
});

test("whoever measures on a busy machine is told so", () => {
  assert.equal(warning(RESULTS), "");
  const busy = RESULTS.cells.map((one) => ({ ...one, rounds: one.rounds.map((of) => ({ ...of, others: 0.3 })) }));
  assert.match(warning({ ...RESULTS, cells: busy }), /Other processes had 30 % of the machine/);
  assert.match(report({ ...RESULTS, cells: busy }), /Other processes/);
});

test("the report has every cell, and the chart is well-formed", () => {
  for (const { title } of RESULTS.cells) assert.ok(report(RESULTS).includes(title));
  assert.match(cellTable(RESULTS), /\*\*Of warm-HS256 .* 16,000 \(9,000–18,000\) \| 0\.90 \|/);
  const image = String(chart(RESULTS));
  assert.match(image, /^<svg [^>]*viewBox[^]*<\/svg>\n$/);
  assert.equal(image.match(/&(?!amp;|lt;|quot;)/), null);
  assert.equal(image.split("<text").length, image.split("</text>").length);
  assert.ok(!image.includes("Of batch") && !image.includes("NaN"));
  assert.equal(chart({ ...RESULTS, cells: [] }), undefined);
});

test("a configuration binds what it is told to, and its texts are quoted", () => {
  const setup = { compatibilityDate: "2026-07-30", modules: [{ name: "index.js", file: "index.js" }, { name: "x.wasm", file: "x.wasm" }], beside: { kv: "kv.js" }, hasCache: false, hasCounter: true };
  const text = configText({ ...setup, bindings: { TABLE: { json: { a: '"' } }, REVOCATIONS: { kv: true }, LEDGER: { ledger: "Ledger" } }, ledger: "Ledger" });
  assert.ok(text.includes(String.raw`(name = "TABLE", json = "{\"a\":\"\\\"\"}")`));
  for (const part of ['wasm = embed "x.wasm"', 'kvNamespace = "kv"', "enableSql = true", 'localDisk = "disk"', 'name = "count"']) assert.ok(text.includes(part), part);
  assert.ok(!configText({ ...setup, hasCounter: false, bindings: {} }).includes("durableObject"));
});

test("options: a part of it, or a quick one, does not replace the results of all", () => {
  assert.match(readOptions([]).out, /bench\/results$/);
  for (const args of [["--quick"], ["--only", "warm"]]) assert.match(readOptions(args).out, /target\/bench$/);
  assert.deepEqual([readOptions(["--quick"]).rounds, readOptions(["--rounds", "3"]).rounds], [1, 3]);
  assert.ok(readOptions(["--only", "^warm"]).includes("warm-HS256") && !readOptions(["--only", "^warm"]).includes("memory"));
  for (const args of [["--rounds", "0"], ["--seconds", "x"], ["--only", "("], ["--fast"]]) assert.throws(() => readOptions(args), Refusal, args.join(" "));
});

test("tokens are of the size that identity providers give them, and no two are alike", async () => {
  const tokens = await tokensOf("HS256", 20);
  assert.equal(new Set(tokens).size, 20);
  assert.ok(tokens.every((token) => token.length > 350 && token.length < 700));
  assert.deepEqual(Object.keys(claimsOf(tokens[0])).sort(), ["aud", "exp", "iat", "iss", "jti", "sid", "ulid"]);
});
