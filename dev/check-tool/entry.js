// What `npm run check` uses of the Worker's code; the build bundles it with a wasm that has these exports alone.
// @ts-expect-error: made by wasm-bindgen
export { findings, judge, warnings } from "./index.js";
