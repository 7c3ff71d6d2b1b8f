// Medians, and ratios that are taken within a round: what the machine does meanwhile then meets both sides.

/** @typedef {{ median: number, low: number, high: number }} Spread */

/** @param {number[]} values */
export function median(values) {
  const sorted = [...values].sort((one, other) => one - other);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** @param {number[]} values @returns {Spread} */
export const spread = (values) => ({ median: median(values), low: Math.min(...values), high: Math.max(...values) });

/** The median of the ratios of each round. @param {number[]} ours @param {number[]} theirs @returns {Spread} */
export const ratio = (ours, theirs) => spread(ours.map((value, round) => value / theirs[round]));
