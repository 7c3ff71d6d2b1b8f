// The fuzz targets, and what libFuzzer says of a run.

/** The longest input of each target, in bytes: what the Worker would read, or less where longer inputs are only slower. */
export const TARGETS = /** @type {Record<string, number>} */ ({
  token: 2048,
  bearer: 1024,
  json: 1024,
  fastapi: 2048,
  url: 512,
  segment: 2048,
  wire: 2048,
});

/** What cargo-fuzz passes for coverage. All of it is in the stable compiler. */
export const RUSTFLAGS = [
  "--cfg=fuzzing",
  "-Cpasses=sancov-module",
  "-Cllvm-args=-sanitizer-coverage-level=4",
  "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
  "-Cllvm-args=-sanitizer-coverage-pc-table",
  "-Cllvm-args=-sanitizer-coverage-trace-compares",
  "-Cdebug-assertions",
  "-Coverflow-checks",
  "-Copt-level=3",
  "-Ccodegen-units=1",
].join(" ");

/** Each input within this time and memory. A leak ends as too much memory. */
const LIMITS = ["-timeout=5", "-rss_limit_mb=1024"];

/** @typedef {{ executions: number, input?: string, why?: string }} Outcome `input`: the file that has what was found */

/**
 * libFuzzer's arguments: it adds inputs to the first folder.
 * @param {string} target @param {number} time in seconds @param {{ found: string, seeds: string, artifacts: string }} folders
 */
export const fuzzerArgs = (target, time, { found, seeds, artifacts }) => [
  `-max_total_time=${time}`,
  `-max_len=${TARGETS[target]}`,
  ...LIMITS,
  "-print_final_stats=1",
  `-artifact_prefix=${artifacts}/`,
  found,
  seeds,
];

/** @param {number} code @param {string} output @returns {Outcome} */
export function outcome(code, output) {
  const executions = Number(output.match(/^stat::number_of_executed_units:\s*(\d+)$/m)?.[1] ?? 0);
  if (code === 0) return { executions };
  const input = output.match(/Test unit written to (.+)$/m)?.[1];
  const panic = output.match(/panicked at (.+:\n.*)$/m)?.[1].replace("\n", " ");
  const summary = output.match(/^SUMMARY: libFuzzer: (.+)$/m)?.[1];
  return { executions, input, why: panic ?? summary ?? `exit code ${code}` };
}

/** @param {Record<string, Outcome>} outcomes */
export function report(outcomes) {
  const all = Object.entries(outcomes);
  const sum = all.reduce((total, [, { executions }]) => total + executions, 0);
  const line = (/** @type {string} */ name, /** @type {number} */ count) => `  ${name.padEnd(8)} ${count.toLocaleString("en").padStart(15)}`;
  const lines = all.map(([name, { executions, why }]) => line(name, executions) + (why === undefined ? "" : `  FAILED: ${why}`));
  return ["Executions:", ...lines, line("in all", sum)].join("\n");
}
