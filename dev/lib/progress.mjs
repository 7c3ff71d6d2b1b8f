// Progress lines that read well on a terminal and in a log: a line when a step begins, one when it ends, and a sign of
// life in between, since a silent minute looks like a hang.
const SIGN_OF_LIFE_EVERY_MS = 15_000;

/** @param {number} since a time of `performance.now()` */
export const seconds = (since) => `${((performance.now() - since) / 1000).toFixed(1)} s`;

/**
 * @template T
 * @param {string} what
 * @param {(tell: (detail: string) => void) => Promise<T>} work `tell` says what it is doing at the moment
 * @returns {Promise<T>}
 */
export async function step(what, work) {
  const begun = performance.now();
  let detail = "";
  console.error(`  ... ${what}`);
  const timer = setInterval(() => {
    console.error(`  ... ${what} (${Math.round((performance.now() - begun) / 1000)} s${detail && `, ${detail}`})`);
  }, SIGN_OF_LIFE_EVERY_MS);
  try {
    const result = await work((now) => {
      detail = now.trim();
    });
    console.error(`  ok  ${what} (${seconds(begun)})`);
    return result;
  } finally {
    clearInterval(timer);
  }
}
