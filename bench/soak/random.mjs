// Chance that can be repeated: the same seed makes the same choices in the same order.

export class Chance {
  #state;

  /** @param {number} seed */
  constructor(seed) {
    this.#state = seed >>> 0;
  }

  /** From 0 to 1, without 1 (Mulberry32). */
  next() {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** @param {number} count */
  below(count) {
    return Math.floor(this.next() * count);
  }

  /** @template T @param {T[]} from @returns {T} */
  of(from) {
    return from[this.below(from.length)];
  }

  /** One of several, as often as its weight says. @template T @param {{ weight: number, what: T }[]} from @returns {T} */
  weighted(from) {
    let left = this.next() * from.reduce((sum, { weight }) => sum + weight, 0);
    return (from.find(({ weight }) => (left -= weight) < 0) ?? from[0]).what;
  }

  /** As many letters and digits. @param {number} length */
  text(length) {
    return Array.from({ length }, () => this.below(36).toString(36)).join("");
  }
}
