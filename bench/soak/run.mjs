// A soak from its first request to its last question.
import { onStop } from "../../dev/lib/stop.mjs";
import { pause } from "../edge/workerd.mjs";
import { Faults, injectFaults } from "./faults.mjs";
import { BOUND_MS, Clock } from "./judge.mjs";
import { Load } from "./load.mjs";
import { Memory } from "./memory.mjs";
import { Mix } from "./mix.mjs";
import { Population } from "./population.mjs";
import { Chance } from "./random.mjs";
import { progress, report } from "./report.mjs";
import { KNOWN_AFTER_MS, Rotation } from "./rotation.mjs";
import { Stage } from "./stage.mjs";
import { Tally } from "./tally.mjs";
import { Mint } from "./tokens.mjs";
import { missingInKv, notRefused, readLog } from "./verify.mjs";

const TELLS_EVERY_MS = 10_000;
const NO_KEY_IS_OLD_MS = KNOWN_AFTER_MS + 500;

/** @param {import("./options.mjs").Options} options @param {string} folder */
async function prepare({ seed, build, connections }, folder) {
  // One stream of chance for what is asked, another one for what goes wrong: neither depends on the other's pace.
  const [chance, mischief] = [new Chance(seed), new Chance(seed ^ 0x5bd1e995)];
  const mint = await new Mint(chance).open();
  const rotation = await new Rotation(mint).open();
  const stage = new Stage(folder, build);
  onStop(() => rotation.close());
  const population = new Population(mint, chance);
  const [faults, tally, memory] = [new Faults(), new Tally(), new Memory(stage, population)];
  const mix = new Mix({ chance, mint, population, rotation, faults });
  const load = new Load({ mix, tally, faults, stage, connections });
  return { chance: mischief, rotation, stage, population, faults, tally, memory, load };
}
/** @typedef {Awaited<ReturnType<typeof prepare>>} Everything */

/** @param {Everything} all @param {number} seconds */
async function underLoad({ chance, rotation, stage, population, faults, tally, memory, load }, seconds) {
  const begun = performance.now();
  let told = begun;
  const tell = setInterval(() => {
    const now = performance.now();
    console.log(progress(tally, memory, population, (now - begun) / 1_000, (now - told) / 1_000));
    told = now;
  }, TELLS_EVERY_MS);
  const isOn = () => load.isOn;
  const end = pause(seconds * 1_000).then(() => load.stop());
  try {
    await Promise.all([
      load.run(),
      end,
      memory.watch(isOn),
      injectFaults({ faults, load, stage, rotation, chance, seconds }),
      rotation.run(isOn, () => population.dropRemovedKeys()),
    ]);
  } finally {
    load.stop();
    clearInterval(tell);
  }
}

/** @param {Everything} all @returns {Promise<string[]>} what was found, in words */
async function verify({ rotation, stage, population, tally }) {
  rotation.publishAll();
  await pause(Math.max(BOUND_MS, NO_KEY_IS_OLD_MS));
  const ended = population.ended();
  const lines = [`${ended.length} were acknowledged, of ${population.sent.length} that were sent`];
  /** @param {string} what @param {string[]} wrong */
  const note = (what, wrong) => {
    for (const line of wrong) tally.violation(`at the end, ${line}`);
    lines.push(`${wrong.length === 0 ? `all ${ended.length}` : `${wrong.length} NOT`} ${what}`);
  };
  note("refused, strong", await notRefused(stage, "here", ended, "strong"));
  note("refused, bounded", await notRefused(stage, "there", ended, "bounded"));
  note("in Workers KV", (await missingInKv(stage, ended)).map((key) => `not in KV: ${key}`));
  await stage.kill();
  await stage.start();
  note("refused, strong, after one more kill and a start from disk", await notRefused(stage, "there", ended, "strong"));
  return lines;
}

/** @param {import("./options.mjs").Options} options @param {string} folder @returns {Promise<number>} an exit code */
export async function soak(options, folder) {
  const all = await prepare(options, folder);
  const { stage, rotation, tally, memory } = all;
  const clock = new Clock();
  try {
    await stage.open(rotation.provider.jwksUrl);
    await underLoad(all, options.seconds);
    // Before the last kill, which begins another life.
    const found = memory.judge();
    for (const { name, isWrong, thirds } of found?.isJudged ? found.rows : []) {
      if (isWrong) tally.violation(`memory is not flat: ${name} ${thirds.map((bytes) => (bytes / 1e6).toFixed(1)).join(", ")} MB`);
    }
    const verified = await verify(all);
    const { failures, unexpected } = await readLog(stage);
    for (const line of unexpected) tally.violation(`logged: ${line}`);
    clock.look();
    console.log(report({ ...all, found, failures, verified }));
  } finally {
    rotation.close();
    await stage.close();
  }
  return conclude(tally, clock);
}

/** @param {Tally} tally @param {Clock} clock */
function conclude(tally, clock) {
  if (clock.slackMs > 5) console.log(`The clock of this machine was set by ${clock.slackMs.toFixed(0)} ms meanwhile.`);
  if (tally.violated === 0) {
    console.log("Nothing was wrong.");
    return 0;
  }
  console.error(`${tally.violated} times something was wrong, such as\n${tally.violations.map((line) => `  - ${line}`).join("\n")}`);
  return 1;
}
