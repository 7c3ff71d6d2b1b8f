// `npm run bench:core`: what the core itself costs, in numbers that need no quiet machine: allocations, and instructions
// where valgrind is installed. Fails when anything allocates more than it may (bench/core/cases.rs), or takes a tenth more
// instructions than bench/core/instructions.json has. `-- --record` writes what it has counted there.
import { readFile, writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { inRoot } from "../dev/lib/paths.mjs";
import { step } from "../dev/lib/progress.mjs";
import { Refusal, command } from "../dev/lib/refusal.mjs";
import { ask, run } from "../dev/lib/run.mjs";
import { pinnedToolchain } from "../dev/lib/versions.mjs";
import { setup } from "../dev/setup.mjs";
import { table } from "./soak/report.mjs";

const RECORD = inRoot("bench", "core", "instructions.json");
const TIMES = 20;
const TOLERANCE = 0.1;
/** The function around what is counted. */
const COUNTED = "*measured_work*";

/** @typedef {{ toolchain: string, valgrind: string, instructions: Record<string, number> }} Recorded */

function options() {
  try {
    return parseArgs({ options: { record: { type: "boolean", default: false } } }).values;
  } catch (error) {
    throw new Refusal(`${/** @type {Error} */ (error).message}\nnpm run bench:core [-- --record]`, 2);
  }
}

/** Compiles as for production; gives the program. */
async function program() {
  const args = ["bench", "--locked", "--bench", "core", "--no-run", "--message-format=json"];
  const { code, stdout, output } = await step("compiling the core for its bench", () => run("cargo", args));
  if (code !== 0) throw new Refusal(`${output.trimEnd()}\nThe bench of the core does not compile`);
  const made = stdout.split("\n").filter((line) => line.startsWith("{")).map((line) => JSON.parse(line));
  return String(made.findLast(({ executable, target }) => executable && target.name === "core").executable);
}

/** The instructions of one time, in the mean of several. @param {string} bench @param {string} name */
async function instructions(bench, name) {
  const args = ["--tool=callgrind", "--callgrind-out-file=/dev/null", `--toggle-collect=${COUNTED}`, bench, name, String(TIMES)];
  const { code, output } = await run("valgrind", args);
  const counted = Number(/Collected : (\d+)/.exec(output)?.[1]);
  if (code !== 0 || !(counted > 0)) throw new Refusal(`${output.trimEnd()}\nvalgrind has counted nothing of ${name}`);
  // What was done beforehand, to warm up, is not within the function.
  return Math.round(counted / TIMES);
}

/** @returns {Promise<Recorded>} */
async function recorded() {
  return JSON.parse(await readFile(RECORD, "utf8"));
}

/** @param {Record<string, number>} found @param {Recorded} before */
function compared(found, before) {
  const rows = Object.entries(found).map(([name, count]) => {
    const change = count / before.instructions[name] - 1;
    const remark = Number.isNaN(change) ? "not recorded" : change > TOLERANCE ? "TOO MANY" : change < -TOLERANCE ? "record it" : "";
    return { name, count, change, remark };
  });
  const text = table([
    ["", "instructions", "recorded", "change", ""],
    ...rows.map(({ name, count, change, remark }) => [name, String(count), String(before.instructions[name] ?? "-"), Number.isNaN(change) ? "" : `${(change * 100).toFixed(1)} %`, remark]),
  ]);
  return { text, isFine: rows.every(({ remark }) => remark === "" || remark === "record it") };
}

/** @param {string} bench @param {boolean} record @returns {Promise<boolean>} whether all is well */
async function countInstructions(bench, record) {
  const valgrind = await ask("valgrind", ["--version"]);
  if (valgrind === undefined) {
    console.log("\nInstructions are not counted: there is no valgrind here (on Debian or Ubuntu: apt-get install valgrind)");
    return true;
  }
  /** @type {Record<string, number>} */
  const found = {};
  const names = (await ask(bench, ["--names"]))?.split("\n") ?? [];
  await step("counting instructions", async (tell) => {
    for (const name of names) {
      tell(name);
      found[name] = await instructions(bench, name);
    }
  });
  const { channel: toolchain } = pinnedToolchain();
  if (record) await writeFile(RECORD, `${JSON.stringify({ toolchain, valgrind, instructions: found }, null, 2)}\n`);
  const { text, isFine } = compared(found, await recorded());
  console.log(`\n${text}`);
  return isFine;
}

await command(async () => {
  const { record } = options();
  await setup();
  const bench = await program();
  const { code, stdout } = await run(bench, []);
  console.log(`\n${stdout.trimEnd()}`);
  const isFine = await countInstructions(bench, record);
  return code === 0 && isFine ? 0 : 1;
});
