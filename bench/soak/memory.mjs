// Memory of the process over its last life, once a second.
//
// Flat does not mean constant: what the Worker remembers grows with every logout of the last minutes, by design, up to
// the 100,000 of docs/guide/operate.md, and so does the database's cache. That is allowed for by the logout; what grows with
// requests or with time is not.
//
// The wasm is judged: it is all that the Worker remembers. What the process has resident is only shown. Most of that is
// the runtime's own: under such a load a bare Worker of one line reaches 590 MB before it stays there, 143 MB with the
// smaller young generation that the soak asks V8 for, and large answers drive it higher while the wasm stays as it is.
import { median } from "../edge/statistics.mjs";
import { pause } from "../edge/workerd.mjs";

const EVERY_MS = 1_000;
/** A shorter life says nothing: memories of tokens and revocations have hardly filled. */
const LEAST_SECONDS = 120;
const PER_LOGOUT_BYTES = 400;
/** What may come on top between the middle third and the last one. */
const RESIDENT = "resident";
const TOLERANCE = { bytes: 8e6, share: 0.05 };

/** @typedef {{ at: number, life: number, logouts: number, resident: number, wasm: number[] }} Sample */

export class Memory {
  /** @type {Sample[]} */
  samples = [];

  /** @param {import("./stage.mjs").Stage} stage @param {import("./population.mjs").Population} population */
  constructor(stage, population) {
    this.stage = stage;
    this.population = population;
  }

  /** @param {() => boolean} isOn */
  async watch(isOn) {
    while (isOn()) {
      await pause(EVERY_MS);
      const { lives: life, runtime } = this.stage;
      try {
        const wasm = await this.stage.wasmBytes();
        const resident = process.platform === "linux" ? runtime.residentBytes() : 0;
        if (this.stage.lives === life) this.samples.push({ at: performance.now(), life, logouts: this.population.sent.length, resident, wasm });
      } catch (error) {
        if (this.stage.lives === life && this.stage.isRunning) throw error; // else it was killed meanwhile
      }
    }
  }

  latest() {
    return this.samples.at(-1);
  }

  /** What was found of the last life's later two thirds; `wrong` where that is not flat. */
  judge() {
    const last = this.samples.filter(({ life }) => life === this.stage.lives);
    const third = Math.floor(last.length / 3);
    if (third < 2) return undefined;
    const [first, middle, end] = [last.slice(0, third), last.slice(third, 2 * third), last.slice(2 * third)];
    const of = (/** @type {Sample[]} */ part, /** @type {(sample: Sample) => number} */ read) => median(part.map(read));
    const thirds = (/** @type {(sample: Sample) => number} */ read) => [first, middle, end].map((part) => of(part, read));
    const logouts = of(end, (sample) => sample.logouts) - of(middle, (sample) => sample.logouts);
    const rows = [
      { name: RESIDENT, thirds: thirds(({ resident }) => resident) },
      ...last[0].wasm.map((_, place) => ({ name: `wasm, ${Object.keys(this.stage.at)[place]}`, thirds: thirds(({ wasm }) => wasm[place]) })),
    ].map(({ name, thirds: found }) => {
      const allowed = Math.max(TOLERANCE.bytes, TOLERANCE.share * found[1]) + PER_LOGOUT_BYTES * logouts;
      const isFlat = found[2] - found[1] <= allowed;
      return { name, thirds: found, allowed, isFlat, isWrong: !isFlat && name !== RESIDENT };
    });
    const seconds = (last[last.length - 1].at - last[0].at) / 1_000;
    return { rows, seconds, logouts, isJudged: seconds >= LEAST_SECONDS };
  }
}
