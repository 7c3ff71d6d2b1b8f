// The chart: SVG by hand, readable on light and on dark pages.
import { thousands } from "./report.mjs";
import { median, ratio } from "./statistics.mjs";

/** @typedef {import("./targets.mjs").Results} Results */

const WIDTH = 860;
const LEFT = 350;
const RIGHT = 740;
const TOP = 84;
const STEP = 21;
/** Between what is compared with each other. */
const GAP = 9;
/** Distinct for the colour-blind as well (Okabe and Ito), and on both grounds. */
const SIDES = /** @type {Record<string, [colour: string, name: string]>} */ ({
  floor: ["#8b949e", "bare"],
  ours: ["#0072b2", "Edge logout"],
  peer: ["#e69f00", "Hono and jose"],
});
const STYLE =
  "text { font: 12px system-ui, sans-serif; fill: #1f2328 } .title { font-weight: 600; font-size: 15px } .small { font-size: 11px } " +
  ".grid { stroke: #8b949e; stroke-opacity: 0.35 } .axis { stroke: #6e7781 } @media (prefers-color-scheme: dark) { text { fill: #e6edf3 } }";

/** @param {string} text */
const escaped = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");

/** @param {string} name @param {Record<string, string | number>} attributes @param {string} [content] */
function element(name, attributes, content = "") {
  const all = Object.entries(attributes).map(([key, value]) => ` ${key}="${typeof value === "number" ? Number(value.toFixed(1)) : escaped(value)}"`);
  return `<${name}${all.join("")}>${content}</${name}>`;
}

/** @param {string} text @param {number} x @param {number} y @param {Record<string, string>} [attributes] */
const label = (text, x, y, attributes = {}) => element("text", { x, y, ...attributes }, escaped(text));

/** Ours begin a group, and their peers end it. @param {{ side: string }[]} rows @param {number} index */
const gapsBefore = (rows, index) => rows.slice(1, index + 1).filter(({ side }, before) => side === "ours" && rows[before].side !== "ours").length;

/** @param {{ title: string, side: string, share: number, perSecond: number }[]} rows */
function chartOf(rows) {
  const widest = Math.max(1, ...rows.map(({ share }) => share));
  const x = (/** @type {number} */ share) => LEFT + (share / widest) * (RIGHT - LEFT);
  const tops = rows.map((_, index) => TOP + index * STEP + GAP * gapsBefore(rows, index));
  const bottom = (tops.at(-1) ?? TOP) + STEP;
  const ticks = [0, 0.25, 0.5, 0.75, 1].map((share) => [
    element("line", { class: share === 0 ? "axis" : "grid", x1: x(share), x2: x(share), y1: TOP - 6, y2: bottom }),
    label(String(share), x(share), TOP - 12, { class: "small", "text-anchor": "middle" }),
  ]);
  const legend = Object.values(SIDES).map(([colour, name], index) => [
    element("rect", { x: LEFT + index * 130, y: 36, width: 12, height: 12, fill: colour }),
    label(name, LEFT + index * 130 + 17, 46, { class: "small" }),
  ]);
  const bars = rows.map(({ title, side, share, perSecond }, index) => {
    const y = tops[index];
    const words = `${title}: ${thousands(perSecond)} requests/s`;
    return [
      label(title, LEFT - 8, y + 13, { "text-anchor": "end" }),
      element("rect", { x: LEFT, y: y + 2, width: Math.max(1, x(share) - LEFT), height: STEP - 6, fill: SIDES[side][0] }, element("title", {}, escaped(words))),
      label(`${share.toFixed(2)}, ${thousands(perSecond)}/s`, x(share) + 6, y + 13, { class: "small" }),
    ];
  });
  const title = "Requests a second, of those of a bare JavaScript Worker";
  const open = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${bottom + 14}" role="img" aria-label="${escaped(title)}"><style>${STYLE}</style>`;
  return [open, label(title, 12, 22, { class: "title" }), ...legend.flat(), ...ticks.flat(), ...bars.flat(), "</svg>"].join("\n") + "\n";
}

/** What answers single requests: a batch is a hundred, and has a floor of its own. @param {Results} results */
export function chart({ cells }) {
  const floor = cells.find(({ name }) => name === "bare-js")?.rounds;
  if (!floor) return undefined;
  const shown = cells.filter(({ name }) => !name.includes("batch"));
  return chartOf(shown.map(({ title, side, rounds }) => {
    const perSecond = rounds.map((round) => round.perSecond);
    return { title, side, perSecond: median(perSecond), share: ratio(perSecond, floor.map((round) => round.perSecond)).median };
  }));
}
