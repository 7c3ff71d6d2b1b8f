// The functions that `npm run check` uses. The build bundles them with a wasm that has only these exports.
// @ts-expect-error: made by wasm-bindgen
export { findings, judge, warnings } from "./index.js";
