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
