// From what the compiler gives to what is deployed: bindings, one JavaScript module, and a wasm without anything that
// nobody can reach. Every program here is one that set-up has installed.
import { copyFile, mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { toolPath } from "./paths.mjs";
import { must } from "./run.mjs";

/** What workerd's wasm has and the compiler uses; the optimiser must use nothing else. */
const FEATURES = ["BulkMemory", "BulkMemoryOpt", "MutableGlobals", "NontrappingFPToInt", "SignExt", "ReferenceTypes", "Multivalue"];

/** What only says why it panicked. The code never panics by itself (lints see to it), a trap is logged with its stack
 * all the same, and the texts and the code that writes them are 20 KB that every isolate would load. Also how core
 * writes a number with a fraction, 13 KB: a message of serde needs it that serde_json words otherwise. */
const PANICS =
  /^(core::(panicking|option::(unwrap|expect)_failed|result::unwrap_failed|cell::panic_|slice::.*_fail$|str::slice_error_fail)|std::panicking::(default_hook|panic_with_hook|panic_handler|payload_as_str)|__rustc::(rust_panic|rust_begin_unwind)|alloc::(raw_vec::(handle_error|capacity_overflow)|alloc::handle_alloc_error)|std::alloc::|<f64 as core::fmt::(Display|Debug)>::fmt)/;

/** JavaScript as the bindings' generator writes it, so that the bundler can see what has no effect when it is not used.
 * @param {string} module */
function withoutEffects(module) {
  return module
    .replaceAll("import source ", "import ")
    .replaceAll(/^if \(Symbol\.dispose\) .*$/gm, "")
    .replaceAll("new FinalizationRegistry(", "/* @__PURE__ */ new FinalizationRegistry(");
}

/**
 * Makes `index.js` and `index_bg.wasm` of a compiled crate.
 * @param {object} crate
 * @param {string} crate.wasm what the compiler has made
 * @param {string} crate.entry the module that is loaded, which imports `./index.js`
 * @param {string} crate.into the folder, made anew
 * @param {boolean} [crate.inNode] built for Node: loaded from the disk, and not optimised for size
 */
export async function assemble({ wasm, entry, into, inNode = false }) {
  const staging = `${into}.new`;
  await rm(staging, { recursive: true, force: true });
  await mkdir(staging, { recursive: true });
  const bindings = ["--target", "module", "--no-typescript", "--out-name", "index", "--experimental-reset-state-function"];
  await must("Making the bindings", toolPath("wasm-bindgen"), [wasm, "--out-dir", staging, ...bindings]);
  const module = join(staging, "index.js");
  await writeFile(module, withoutEffects(await readFile(module, "utf8")));
  await writeFile(join(staging, "entry.js"), await readFile(entry));
  const beside = (await readdir(dirname(entry))).filter((file) => file.endsWith(".js") && file !== basename(entry));
  for (const file of beside) await copyFile(join(dirname(entry), file), join(staging, file));
  const { build } = await import("esbuild");
  const bundled = await build({
    entryPoints: [join(staging, "entry.js")],
    bundle: true,
    format: "esm",
    target: "es2022",
    minify: !inNode,
    ...(inNode ? { platform: "node", plugins: [FOR_NODE] } : { external: ["cloudflare:*", "*.wasm"] }),
    write: false,
    logLevel: "silent",
  });
  const script = bundled.outputFiles[0].text;
  const compiled = await optimise(await readFile(join(staging, "index_bg.wasm")), script, inNode);
  await rm(staging, { recursive: true });
  await mkdir(staging);
  await writeFile(join(staging, ".gitignore"), "*\n");
  await writeFile(join(staging, "index.js"), script);
  await writeFile(join(staging, "index_bg.wasm"), compiled);
  await rm(into, { recursive: true, force: true });
  await rename(staging, into);
}

/** Replaces the platform's modules, and reads the wasm from the disk. @type {import("esbuild").Plugin} */
const FOR_NODE = {
  name: "for-node",
  setup(build) {
    build.onResolve({ filter: /^cloudflare:/ }, ({ path }) => ({ path, namespace: "absent" }));
    build.onLoad({ filter: /.*/, namespace: "absent" }, () => ({ contents: "export const connect = undefined;" }));
    build.onResolve({ filter: /\.wasm$/ }, ({ path }) => ({ path, namespace: "wasm" }));
    build.onLoad({ filter: /.*/, namespace: "wasm" }, ({ path }) => ({
      contents: `import { readFileSync } from "node:fs";
        export default new WebAssembly.Module(readFileSync(new URL(${JSON.stringify(path)}, import.meta.url)));`,
    }));
  },
};

/** The Worker's own entry. It has the name of a global function that scripts call. */
const ENTRY = "fetch";

/**
 * Drops what the script never calls, and makes the rest small.
 * @param {Uint8Array} wasm
 * @param {string} script
 * @param {boolean} inNode
 */
async function optimise(wasm, script, inNode) {
  const binaryen = /** @type {any} */ ((await import("binaryen")).default);
  const module = binaryen.readBinary(wasm);
  module.setFeatures(FEATURES.reduce((all, name) => all | binaryen.Features[name], 0));
  const called = new Set(script.match(/[\w$]+/g));
  if (inNode) called.delete(ENTRY);
  const exported = Array.from({ length: module.getNumExports() }, (_, place) => binaryen.getExportInfo(module.getExportByIndex(place)).name);
  for (const name of exported) if (!called.has(name)) module.removeExport(name);
  if (inNode) module.runPasses(["remove-unused-module-elements"]);
  else shrink(binaryen, module);
  const optimised = module.emitBinary();
  module.dispose();
  return optimised;
}

/** @param {any} binaryen @param {any} module */
function shrink(binaryen, module) {
  silence(binaryen, module);
  binaryen.setOptimizeLevel(2);
  binaryen.setShrinkLevel(2);
  binaryen.setDebugInfo(false);
  module.optimize();
  module.runPasses(["strip-debug", "strip-producers", "strip-target-features"]);
  module.optimize();
}

/** Makes plain traps of what says why it panicked. @param {any} binaryen @param {any} module */
function silence(binaryen, module) {
  const functions = Array.from({ length: module.getNumFunctions() }, (_, place) => binaryen.getFunctionInfo(module.getFunctionByIndex(place)));
  for (const { name, module: isImported, params, results } of functions) {
    const spelled = name.replaceAll(/\\([0-9a-f]{2})/g, (/** @type {string} */ _, /** @type {string} */ code) => String.fromCharCode(parseInt(code, 16))).replaceAll(/\[[0-9a-f]{6,}\]/g, "");
    if (isImported || !PANICS.test(spelled)) continue;
    module.removeFunction(name);
    module.addFunction(name, params, results, [], module.unreachable());
  }
}
