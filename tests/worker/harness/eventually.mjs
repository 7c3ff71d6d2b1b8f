import { setTimeout as sleep } from "node:timers/promises";

const PAUSE_MS = 10;

/**
 * What a look gives once it is no longer undefined or false. For what happens by itself a little later; the time is a
 * limit, not a wait.
 * @template T
 * @param {string} what is waited for
 * @param {() => T | undefined | false | Promise<T | undefined | false>} look
 * @param {number} [withinMs]
 * @returns {Promise<T>}
 */
export async function eventually(what, look, withinMs = 8_000) {
  const deadline = performance.now() + withinMs;
  for (;;) {
    const seen = await look();
    if (seen !== undefined && seen !== false) return seen;
    if (performance.now() > deadline) throw new Error(`Not within ${withinMs} ms: ${what}`);
    await sleep(PAUSE_MS);
  }
}

/** A gate that stays shut until it is opened. */
export function gate() {
  /** @type {() => void} */
  let open = () => {};
  /** @type {Promise<void>} */
  const opened = new Promise((resolve) => (open = resolve));
  return { opened, open };
}

/**
 * Does the same for all, so many at a time, and gives what came of each in their order.
 * @template T, R
 * @param {T[]} all
 * @param {(one: T) => Promise<R>} work
 * @param {number} [width]
 * @returns {Promise<R[]>}
 */
export async function forAll(all, work, width = 8) {
  const results = /** @type {R[]} */ (Array.from({ length: all.length }));
  let next = 0;
  const works = async () => {
    for (let index = next++; index < all.length; index = next++) results[index] = await work(all[index]);
  };
  await Promise.all(Array.from({ length: width }, works));
  return results;
}
