// What `npm run check` uses of the Worker's code; the build bundles it with a wasm that has these exports alone.
export { findings, judge } from "./index.js";
