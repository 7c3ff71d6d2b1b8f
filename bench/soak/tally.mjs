// What came of all requests.

const STEPS = 16;
const BUCKETS = 26 * STEPS;
const TOLD_OF_EACH = 5;

/** How long requests took: a sixteenth of a power of two is near enough. */
class Times {
  #counts = new Uint32Array(BUCKETS);
  count = 0;

  /** @param {number} ms */
  add(ms) {
    this.#counts[Math.min(BUCKETS - 1, Math.floor(Math.log2(ms * 1_000 + 1) * STEPS))] += 1;
    this.count += 1;
  }

  /** In milliseconds. @param {number} share of all */
  quantile(share) {
    let left = share * this.count;
    const at = this.#counts.findIndex((count) => (left -= count) < 0);
    return 2 ** ((at + 0.5) / STEPS) / 1_000;
  }
}

export class Tally {
  /** @type {Map<string, Times>} */
  kinds = new Map();
  /** @type {Map<string, number>} failures that something injected excuses, by what it was */
  excused = new Map();
  /** @type {string[]} what must not be */
  violations = [];
  violated = 0;
  recent = new Times();

  /** @param {string} kind @param {number} ms */
  answered(kind, ms) {
    let times = this.kinds.get(kind);
    if (!times) this.kinds.set(kind, (times = new Times()));
    times.add(ms);
    this.recent.add(ms);
  }

  /** @param {string} how @param {string} cause */
  excuse(how, cause) {
    const key = `${cause}: ${how}`;
    this.excused.set(key, (this.excused.get(key) ?? 0) + 1);
  }

  /** @param {string} what */
  violation(what) {
    this.violated += 1;
    if (this.violations.length < TOLD_OF_EACH * 8) this.violations.push(what);
  }

  get requests() {
    return [...this.kinds.values()].reduce((sum, { count }) => sum + count, 0);
  }

  /** Since this was asked last. */
  takeRecent() {
    const { recent } = this;
    this.recent = new Times();
    return recent;
  }

  get failures() {
    return [...this.excused.values()].reduce((sum, count) => sum + count, 0);
  }
}
