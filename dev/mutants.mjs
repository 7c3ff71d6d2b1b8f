// `npm run mutants`: whether the tests notice when the code of revocations is changed. Every change that they do not
// notice is either in dev/mutants.toml, with the reason, or a failure.
import { existsSync } from "node:fs";
import { cp, mkdir, readFile, rm } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { parse } from "smol-toml";
import { ensureCargoMutants } from "./lib/cargo-tools.mjs";
import { filesBelow } from "./lib/hash.mjs";
import { judged, report } from "./lib/mutants.mjs";
import { ROOT, inRoot, toolPath } from "./lib/paths.mjs";
import { seconds, step } from "./lib/progress.mjs";
import { Refusal, command } from "./lib/refusal.mjs";
import { ask, run } from "./lib/run.mjs";

/** @typedef {import("./lib/mutants.mjs").Accepted} Accepted */
/** @typedef {{ files: string[], quick: string[], thorough: string[], accepted?: Accepted[] }} Settings */

const USAGE = `npm run mutants -- [OPTION]...
  --file GLOB   changes these files instead of those in dev/mutants.toml; can be repeated
  --jobs N      how many copies of the project are tested side by side (one a processor)
  --list        says what would be changed, and tests nothing`;

/** Each job has a copy of the project with a target folder of its own, and both are kept: dependencies are compiled once. */
const COPIES = inRoot("target", "mutants");
/** Nobody looks at a mutant in a debugger. */
const ENVIRONMENT = { CARGO_PROFILE_DEV_DEBUG: "0", CARGO_PROFILE_TEST_DEBUG: "0", CARGO_INCREMENTAL: "1" };
/** Exit codes of cargo-mutants: all were noticed, some were missed, some ran out of time, which counts as noticed. */
const DONE = [0, 2, 3];
const TIMES = ["--timeout-multiplier", "3", "--minimum-test-timeout", "30"];

/** @returns {{ file?: string[], jobs: number, list: boolean }} */
function options() {
  try {
    const { values } = parseArgs({ options: { file: { type: "string", multiple: true }, jobs: { type: "string" }, list: { type: "boolean" } } });
    const jobs = Number(values.jobs ?? availableParallelism());
    if (!Number.isInteger(jobs) || jobs < 1) throw new Error("--jobs takes a whole number from 1");
    return { file: values.file, jobs, list: values.list ?? false };
  } catch (error) {
    throw new Refusal(`${/** @type {Error} */ (error).message}\n${USAGE}`, 2);
  }
}

/** Copies a file unless it is the same: cargo compiles again what is newer. @param {string} from @param {string} to */
async function bring(from, to) {
  if (existsSync(to) && (await readFile(from)).equals(await readFile(to))) return;
  await mkdir(dirname(to), { recursive: true });
  await cp(from, to);
}

/** The files of the project, those included that are not committed yet. */
async function projectFiles() {
  const listed = await ask("git", ["ls-files", "--cached", "--others", "--exclude-standard"]);
  if (listed === undefined) throw new Refusal("git is needed, to tell the project's files from others");
  return listed.split("\n").filter((file) => existsSync(inRoot(file)));
}

/** Makes a copy what the project is now. @param {string} copy its folder */
async function prepare(copy) {
  const files = await projectFiles();
  for (const file of files) await bring(inRoot(file), join(copy, file));
  const wanted = new Set(files);
  const folders = new Set(files.filter((file) => file.includes("/")).map((file) => file.split("/")[0]));
  const present = (await Promise.all([...folders].map((folder) => filesBelow(copy, folder)))).flat();
  await Promise.all(present.filter((file) => !wanted.has(file)).map((file) => rm(join(copy, file))));
}

/** @param {string} copy @param {string[]} args @param {(line: string) => void} [onLine] */
async function cargoMutants(copy, args, onLine) {
  const { code, output } = await run(toolPath("cargo-mutants"), ["mutants", "--colors", "never", "--dir", copy, ...args], { cwd: copy, env: { ...ENVIRONMENT, CARGO_TARGET_DIR: join(copy, "target") }, watched: true, onLine });
  if (!DONE.includes(code)) throw new Refusal(`${output.split("\n").slice(-60).join("\n")}\ncargo-mutants failed (exit code ${code})`);
  return output;
}

/** @param {string} out @param {string} file */
const lines = async (out, file) => (existsSync(join(out, "mutants.out", file)) ? (await readFile(join(out, "mutants.out", file), "utf8")).split("\n").filter(Boolean) : []);

/** One share of the mutants: by the quick tests first, and what is left of them by all. @param {number} job @param {number} jobs @param {string[]} files @param {Settings} settings */
async function share(job, jobs, files, { quick, thorough }) {
  const copy = join(COPIES, String(job));
  await prepare(copy);
  const out = join(copy, "out");
  await rm(out, { recursive: true, force: true });
  await mkdir(out, { recursive: true });
  const common = ["--in-place", "--output", out, "--shard", `${job}/${jobs}`, ...files.flatMap((file) => ["--file", file]), ...TIMES];
  const tell = (/** @type {string} */ line) => /^(MISSED|TIMEOUT|ok|FAILED)/.test(line) && console.error(`  ${line}`);
  const begun = performance.now();
  await cargoMutants(copy, [...common, "--", ...quick], tell);
  const [caught, timeouts, unviable] = await Promise.all(["caught.txt", "timeout.txt", "unviable.txt"].map((file) => lines(out, file)));
  const first = { caught: caught.length + timeouts.length, unviable: unviable.length };
  console.error(`  job ${job}: quick tests noticed ${first.caught} (${seconds(begun)})`);
  if ((await lines(out, "missed.txt")).length === 0) return { ...first, missed: [] };
  await cargoMutants(copy, [...common, "--iterate", "--", ...thorough], tell);
  const [later, late] = await Promise.all(["caught.txt", "timeout.txt"].map((file) => lines(out, file)));
  return { ...first, caught: first.caught + later.length + late.length, missed: await lines(out, "missed.txt") };
}

/** @returns {Promise<Settings>} */
const readSettings = async () => /** @type {any} */ (parse(await readFile(inRoot("dev", "mutants.toml"), "utf8")));

await command(async () => {
  const { file, jobs, list } = options();
  const settings = await readSettings();
  const files = file ?? settings.files;
  await ensureCargoMutants();
  if (list) return console.log(await cargoMutants(ROOT, ["--list", ...files.flatMap((one) => ["--file", one])]));
  const begun = performance.now();
  const shares = await step("mutants", () => Promise.all(Array.from({ length: jobs }, (_, job) => share(job, jobs, files, settings))));
  const found = judged(shares, settings.accepted ?? [], file === undefined);
  console.log(report(found, seconds(begun)));
  return found.unexpected.length + found.stale.length === 0 ? 0 : 1;
});
