// `npm run fuzz`: hostile inputs for everything that reads what others send, a minute for each target. The targets are
// in fuzz/, in the layout of cargo-fuzz; this needs neither cargo-fuzz nor a nightly compiler.
import { mkdir } from "node:fs/promises";
import { parseArgs } from "node:util";
import { RUSTFLAGS, TARGETS, fuzzerArgs, outcome, report } from "./lib/fuzz.mjs";
import { inRoot } from "./lib/paths.mjs";
import { step } from "./lib/progress.mjs";
import { Refusal, command } from "./lib/refusal.mjs";
import { ask, must, run } from "./lib/run.mjs";

const USAGE = `npm run fuzz -- [TARGET]... [OPTION]
  TARGET       one of ${Object.keys(TARGETS).join(", ")}; all of them if none is named
  --seconds N  how long each target runs (60)`;

const BUILT = inRoot("target", "fuzz");

/** @returns {{ names: string[], time: number }} */
function options() {
  try {
    const { values, positionals } = parseArgs({ options: { seconds: { type: "string" } }, allowPositionals: true });
    const time = Number(values.seconds ?? 60);
    if (!Number.isInteger(time) || time < 1) throw new Error("--seconds takes a whole number from 1");
    const unknown = positionals.find((name) => !(name in TARGETS));
    if (unknown !== undefined) throw new Error(`there is no target \`${unknown}\``);
    return { names: positionals.length === 0 ? Object.keys(TARGETS) : positionals, time };
  } catch (error) {
    throw new Refusal(`${/** @type {Error} */ (error).message}\n${USAGE}`, 2);
  }
}

/** With `--target` the flags are for the targets alone, and not for build scripts. @returns {Promise<string>} where the programs are */
async function build() {
  const host = (await ask("rustc", ["-vV"]))?.match(/^host: (.+)$/m)?.[1];
  if (host === undefined) throw new Refusal("`rustc -vV` names no host: run `npm test` once, which installs Rust");
  await step("compiling the fuzz targets (libFuzzer needs a C++ compiler)", (tell) =>
    must("Compiling the fuzz targets", "cargo", ["build", "--release", "--locked", "--manifest-path", inRoot("fuzz", "Cargo.toml"), "--target", host, "--target-dir", BUILT], {
      env: { RUSTFLAGS },
      onLine: tell,
    }),
  );
  return inRoot("target", "fuzz", host, "release");
}

/** @param {string} programs @param {string} name @param {number} time */
async function fuzz(programs, name, time) {
  const folders = { found: inRoot("target", "fuzz", "corpus", name), seeds: inRoot("fuzz", "corpus", name), artifacts: inRoot("target", "fuzz", "artifacts", name) };
  await Promise.all([folders.found, folders.artifacts].map((folder) => mkdir(folder, { recursive: true })));
  const program = `${programs}/${name}`;
  const result = await step(`${name}, ${time} s`, async (tell) => {
    const { code, output } = await run(program, fuzzerArgs(name, time, folders), { watched: true, onLine: tell });
    return { ...outcome(code, output), output };
  });
  if (result.why === undefined) return result;
  const again = result.input === undefined ? "" : `\nThe input is ${result.input}. To run it again: ${program} ${result.input}`;
  console.error(`${result.output.split("\n").slice(-40).join("\n")}\n${name}: ${result.why}${again}`);
  return result;
}

await command(async () => {
  const { names, time } = options();
  const programs = await build();
  /** @type {Record<string, import("./lib/fuzz.mjs").Outcome>} */
  const outcomes = {};
  for (const name of names) outcomes[name] = await fuzz(programs, name, time);
  console.log(report(outcomes));
  return Object.values(outcomes).every(({ why }) => why === undefined) ? 0 : 1;
});
