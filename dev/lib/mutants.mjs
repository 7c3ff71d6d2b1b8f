// What becomes of the mutants that no test has noticed.

/** @typedef {{ mutant: string, reason: string, count?: number }} Accepted */
/** @typedef {{ caught: number, unviable: number, missed: string[] }} Share */
/** @typedef {{ caught: number, unviable: number, accepted: number, unexpected: string[], stale: string[] }} Found */

/** Without its place, which changes with every line above it. @param {string} line `src/a.rs:12:5: replace …` */
export const withoutPlace = (line) => line.replace(/^([^:]+):\d+:\d+: /, "$1: ");

/**
 * @param {Share[]} shares @param {Accepted[]} accepted @param {boolean} isWhole whether all that is accepted could have been found
 * @returns {Found}
 */
export function judged(shares, accepted, isWhole) {
  const left = new Map(accepted.map(({ mutant, count = 1 }) => [mutant, count]));
  const unexpected = shares
    .flatMap(({ missed }) => missed)
    .filter((line) => {
      const name = withoutPlace(line);
      const count = left.get(name) ?? 0;
      left.set(name, count - 1);
      return count < 1;
    });
  const stale = isWhole ? accepted.map(({ mutant }) => mutant).filter((mutant) => (left.get(mutant) ?? 0) > 0) : [];
  const sum = (/** @type {"caught" | "unviable"} */ what) => shares.reduce((total, share) => total + share[what], 0);
  const missed = shares.reduce((total, share) => total + share.missed.length, 0);
  return { caught: sum("caught"), unviable: sum("unviable"), accepted: missed - unexpected.length, unexpected: unexpected.sort(), stale };
}

/** @param {Found} found @param {string} took */
export function report({ caught, unviable, accepted, unexpected, stale }, took) {
  const list = (/** @type {string} */ title, /** @type {string[]} */ all) => (all.length === 0 ? [] : [title, ...all.map((one) => `  ${one}`)]);
  return [
    `${caught} mutants were noticed, ${accepted} are accepted, ${unexpected.length} are not; ${unviable} did not compile (${took})`,
    ...list("Not noticed: a test is missing, or dev/mutants.toml lacks the reason why none can tell:", unexpected),
    ...list("In dev/mutants.toml, and noticed or gone:", stale),
  ].join("\n");
}
