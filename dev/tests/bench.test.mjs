// What `npm run bench` makes of what it has measured. How fast anything is, is no test's business.
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { configText } from "../../bench/edge/capnp.mjs";
import { chart } from "../../bench/edge/chart.mjs";
import { parseRun, requestText } from "../../bench/edge/load.mjs";
import { orderOf } from "../../bench/edge/measure.mjs";
import { readOptions } from "../../bench/edge/options.mjs";
import { cellTable, report, warning } from "../../bench/edge/report.mjs";
import { median, ratio, spread } from "../../bench/edge/statistics.mjs";
import { withSubject } from "../../bench/edge/subjects.mjs";
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
  memory: { atStart: 1e6, followed: 2e7, full: 1.9e7 },
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
    what: "`/check` warm, bounded, any algorithm", against: "requests/s of bare JavaScript", target: ">= 0.9 x", result: "0.70 (0.70 to 0.70) x, ES256", holds: false,
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

/** An object that writes to KV by an entrypoint of its own module, as the ledger may. */
const OWN_ENTRYPOINT = `
import { DurableObject, WorkerEntrypoint } from "cloudflare:workers";
export class KvWriter extends WorkerEntrypoint {
  async put(key, value) { await this.env.REVOCATIONS.put(key, value); }
  fetch() { return new Response("writer"); }
}
export class Ledger extends DurableObject {
  async write(keys) { await Promise.all(keys.map((key) => this.ctx.exports.KvWriter.put(key, "1"))); }
}
export default {
  async fetch(request, env) {
    await env.LEDGER.getByName("shard-0").write(Array.from({ length: 40 }, (_, index) => \`key-\${index}\`));
    return new Response(await env.REVOCATIONS.get("key-39"));
  },
};`;

test("an object can call the entrypoints of its module, in one isolate with the Worker or apart", async () => {
  const folder = await mkdtemp(join(tmpdir(), "bench-test-"));
  const file = join(folder, "index.js");
  try {
    await writeFile(file, OWN_ENTRYPOINT);
    for (const isApart of [false, true]) {
      const entrypoints = [{ socket: "writer", entrypoint: "KvWriter", ...(isApart && { service: "holder" }) }];
      const subject = { files: [file], bindings: { REVOCATIONS: { kv: /** @type {const} */ (true) }, LEDGER: { ledger: "Ledger" } }, ledger: "Ledger", entrypoints, isApart };
      await withSubject(subject, folder, async (worker) => {
        assert.equal(await (await worker.ask("http", "/")).text(), "1");
        assert.equal(await (await worker.ask("writer", "/")).text(), "writer");
        assert.deepEqual(await (await worker.ask("count", "/count")).json(), { reads: 1, writes: 40 });
      });
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test("another build's results stand beside those of the one that is measured", () => {
  const cells = [...RESULTS.cells, cell("warm-HS256@before", "ours", [[10_000, 80], [5_000, 90], [10_000, 80]])];
  const bundle = [...RESULTS.bundle, { file: "index_bg.wasm@before", raw: 100_000, gzip: 50_000 }];
  const rows = /** @type {import("../../bench/edge/rows.mjs").RowsWritten[]} */ ([
    { name: "ours", logouts: 100, seconds: 70, written: 200, byStatement: { setAlarm: { calls: 100, rows: 100 } }, stored: 100 },
    { name: "ours@before", logouts: 100, seconds: 130, written: 2_600, byStatement: {}, stored: 600 },
  ]);
  const results = { ...RESULTS, builds: ["before"], cells, bundle, rows };
  const line = (/** @type {string} */ against) => targets(results).find((one) => one.against === against);
  assert.equal(line("requests/s of bare JavaScript")?.result, "0.70 (0.70 to 0.70) x, ES256");
  assert.equal(line("requests/s of bare JavaScript")?.beside?.before, "0.50 (0.50 to 0.50) x, HS256", "what it does not have is not taken from the other");
  assert.equal(line("raw")?.beside?.before, "100.0 KB");
  const written = line("deletions of what is left included");
  assert.deepEqual([written?.result, written?.holds, written?.beside?.before], ["2.0 + 1.0 rows", true, "26.0 + 6.0 rows"]);
  assert.match(report(results), /\| measured \| before \| holds \|/);
  assert.match(report(results), /`setAlarm` \| 1\.00 \| 1\.00/);
});

test("options: a part of it, or a quick one, does not replace the results of all", () => {
  assert.match(readOptions([]).out, /bench\/results$/);
  for (const args of [["--quick"], ["--only", "warm"]]) assert.match(readOptions(args).out, /target\/bench$/);
  assert.deepEqual([readOptions(["--quick"]).rounds, readOptions(["--rounds", "3"]).rounds], [1, 3]);
  assert.ok(readOptions(["--only", "^warm"]).includes("warm-HS256") && !readOptions(["--only", "^warm"]).includes("memory"));
  const { build, buildsItself, beside, out } = readOptions(["--build", "before=/old/build"]);
  assert.deepEqual([buildsItself, beside], [true, [{ name: "before", folder: "/old/build" }]]);
  assert.match(build, /build$/);
  assert.match(out, /target\/bench$/);
  assert.deepEqual([readOptions(["--build", "/x=y"]).build, readOptions(["--build", "/x=y"]).buildsItself], ["/x=y", false]);
  for (const args of [["--build", "a", "--build", "b"], ["--build", "a=b", "--build", "a=c"], ["--rounds", "0"], ["--seconds", "x"], ["--only", "("], ["--fast"]]) assert.throws(() => readOptions(args), Refusal, args.join(" "));
});

test("tokens are of the size that identity providers give them, and no two are alike", async () => {
  const tokens = await tokensOf("HS256", 20);
  assert.equal(new Set(tokens).size, 20);
  assert.ok(tokens.every((token) => token.length > 350 && token.length < 700));
  assert.deepEqual(Object.keys(claimsOf(tokens[0])).sort(), ["aud", "exp", "iat", "iss", "jti", "sid", "ulid"]);
});
