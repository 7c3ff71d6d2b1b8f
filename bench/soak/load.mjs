// The load: every connection asks again as soon as it has been answered, so that there is always as much under way.
import { Connection, Lost } from "./connection.mjs";
import { PLACES } from "./config.mjs";
import { told } from "./requests.mjs";

/** @typedef {import("./requests.mjs").Job} Job */

export class Load {
  isOn = true;
  #underWay = 0;
  /** @type {Promise<void> | undefined} */
  #gate;
  #open = () => {};
  /** @type {(() => void) | undefined} */
  #whenHeldBack;

  /** @param {{ mix: { next: () => Job }, tally: import("./tally.mjs").Tally, faults: import("./faults.mjs").Faults, stage: import("./stage.mjs").Stage, connections: number }} all */
  constructor({ mix, tally, faults, stage, connections }) {
    this.mix = mix;
    this.tally = tally;
    this.faults = faults;
    this.stage = stage;
    this.connections = connections;
  }

  /** From now on nothing is sent. */
  hold() {
    this.#gate = new Promise((resolve) => (this.#open = resolve));
  }

  /** Once nothing is under way any more. */
  heldBack() {
    return new Promise((resolve) => (this.#underWay === 0 ? resolve(undefined) : (this.#whenHeldBack = () => resolve(undefined))));
  }

  goOn() {
    this.#gate = undefined;
    this.#open();
  }

  stop() {
    this.isOn = false;
  }

  /** Until it is stopped. */
  async run() {
    await Promise.all(Array.from({ length: this.connections }, (_, index) => this.#connection(PLACES[index % PLACES.length])));
  }

  /** @param {import("./config.mjs").Place} place */
  async #connection(place) {
    const connection = new Connection(this.stage.at[place]);
    while (this.isOn) {
      while (this.#gate) await this.#gate; // never where there is none: that would let others in between
      this.#underWay += 1;
      await this.#ask(connection, place, this.mix.next());
      this.#underWay -= 1;
      if (this.#underWay === 0) this.#whenHeldBack?.();
    }
    connection.close();
  }

  /** @param {Connection} connection @param {import("./config.mjs").Place} place @param {Job} job */
  async #ask(connection, place, job) {
    const when = { begun: performance.now(), ended: 0, place, life: this.stage.lives };
    job.sent?.(when);
    try {
      const answer = await connection.ask(job.request, { isLast: job.isLast });
      when.ended = performance.now();
      this.tally.answered(job.kind, when.ended - when.begun);
      if (answer.status >= 500) return this.#failed(job, when, told(answer), job.isFailure?.(answer) ?? false, /"cannot_verify"/.test(answer.text));
      const wrong = job.judge(answer, when);
      if (wrong) this.tally.violation(wrong);
    } catch (error) {
      if (!(error instanceof Lost)) throw error;
      when.ended = performance.now();
      this.#failed(job, when, `no answer (${error.message})`, this.faults.excuse(when.begun, when.ended) === "kill");
    }
  }

  /**
   * @param {Job} job @param {import("./judge.mjs").When} when @param {string} how
   * @param {boolean} isPublished whether it may fail in that form at all
   * @param {boolean} [isAboutKeys] whether it says so itself: then no fault of the ledger excuses it
   */
  #failed(job, when, how, isPublished, isAboutKeys = false) {
    job.failed?.();
    const cause = job.excuse?.(when) ?? (isAboutKeys ? undefined : this.faults.excuse(when.begun, when.ended));
    if (cause && isPublished) return this.tally.excuse(how.startsWith("no answer") ? "no answer" : how.slice(0, 80), cause);
    const why = cause ? `in the form of no failure (${cause})` : "without anything injected";
    return this.tally.violation(`${job.kind} in ${when.place}, ${why}: ${how}, after ${Math.round(when.ended - when.begun)} ms`);
  }
}
