// Who is measured: our Worker as it is shipped, bare ones, and what others write with Hono and jose.
import { build as bundle } from "esbuild";
import { readdirSync } from "node:fs";
import { cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { inRoot } from "../../dev/lib/paths.mjs";
import { COMPATIBILITY_DATE, SECRETS, testTable } from "../../tests/config.mjs";
import { CACHE, KV, configText } from "./capnp.mjs";
import { ALGORITHMS, verification } from "./tokens.mjs";
import { Workerd } from "./workerd.mjs";

/** @typedef {import("./capnp.mjs").Binding} Binding */
/** @typedef {import("./tokens.mjs").Algorithm} Algorithm */
/**
 * @typedef {object} Subject
 * @property {string[]} files its modules; the first one is the Worker's
 * @property {Record<string, Binding>} bindings
 * @property {string} [ledger] the class of its Durable Object
 * @property {boolean} [hasCache]
 * @property {Record<string, string>} [beside] other Workers by name
 * @property {import("./capnp.mjs").Entrypoint[]} [entrypoints] with sockets of their own
 * @property {boolean} [isApart] whether the ledger's object is in an isolate of its own
 */

export const PEERS = /** @type {const} */ (["hono-jose", "hono-jose-kv", "hono-jose-kv-bulk", "hono-jose-ledger", "hono-jose-guard"]);
/** @typedef {(typeof PEERS)[number]} Peer */
/** @typedef {Awaited<ReturnType<typeof prepareSubjects>>} Subjects */

export const UPSTREAM = "upstream";

/** @param {string} name */
export const standIn = (name) => inRoot("bench", "stand-ins", `${name}.js`);

/** What a build has put out: the Worker's module first. @param {string} folder */
export function modulesIn(folder) {
  const modules = readdirSync(folder).filter((file) => /\.(js|mjs|wasm)$/.test(file)).sort();
  return ["index.js", ...modules.filter((file) => file !== "index.js")].map((file) => join(folder, file));
}

/** @param {string} out */
async function bundlePeers(out) {
  await bundle({
    entryPoints: PEERS.map((peer) => inRoot("bench", "peers", `${peer}.js`)),
    outdir: out,
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2023",
    conditions: ["workerd", "worker", "browser"],
    external: ["cloudflare:*"],
    logLevel: "warning",
  });
}

/** Our Worker's variables and secrets.
 * @param {{ routes?: object[] }} [settings] besides those that are shipped
 * @returns {Promise<Record<string, Binding>>} */
async function ownBindings({ routes = [] } = {}) {
  const table = testTable();
  table.check = { stronger_by_query: true }; // what every freshness costs is measured without a client's secret
  table.routes.push(...routes);
  table.ledger = { settling_seconds: 0 }; // the ledger of a new deployment asks KV as well for two minutes
  const secrets = Object.entries(SECRETS).map(([name, text]) => [name, { text }]);
  return { EDGE_LOGOUT: { json: table }, ...Object.fromEntries(secrets), REVOCATIONS: { kv: true }, LEDGER: { ledger: "Ledger" } };
}

/** What the Worker of a kind has bound. @param {Peer} peer @returns {Record<string, Binding>} */
function peerBindings(peer) {
  if (peer === "hono-jose") return {};
  if (peer === "hono-jose-guard") return { UPSTREAM: { service: UPSTREAM } };
  return { REVOCATIONS: { kv: true }, ...(peer === "hono-jose-ledger" && { LEDGER: { ledger: "Ledger" } }) };
}

const GUARD = { kind: "guard", paths: ["/orders/*"], issuers: ["commerce-engine-storefront"], upstream: { service: "UPSTREAM" } };

/** @param {{ folder: string, build: string, bareRust?: string }} where `bareRust`: unless nobody wants to have it measured */
export async function prepareSubjects({ folder, build, bareRust }) {
  await bundlePeers(folder);
  const known = Object.fromEntries(await Promise.all(ALGORITHMS.map(async (algorithm) => [algorithm, await verification(algorithm)])));
  const texts = (/** @type {Record<string, string>} */ all) => Object.fromEntries(Object.entries(all).map(([name, text]) => [name, { text }]));
  const own = { files: modulesIn(build), ledger: "Ledger", hasCache: true };
  const beside = { [UPSTREAM]: standIn("bare") };
  return {
    /** @type {Subject} */
    bareJs: { files: [standIn("bare")], bindings: {} },
    /** @type {Subject} */
    bareRust: { files: bareRust ? modulesIn(bareRust) : [], bindings: {} },
    /** @type {Subject} */
    ours: { ...own, bindings: await ownBindings() },
    /** Beside it, what counts the rows that its ledger writes. @type {Subject} */
    ourRows: { ...own, bindings: await ownBindings(), files: [standIn("rows-main"), ...own.files], entrypoints: [{ socket: "rows", entrypoint: "Rows" }] },
    /** @type {Subject} */
    ourGuard: { ...own, bindings: { ...(await ownBindings({ routes: [GUARD] })), UPSTREAM: { service: UPSTREAM } }, beside },
    /** @param {string} answer @returns {Subject} */
    bareBatch: (answer) => ({ files: [standIn("bare-batch")], bindings: { ANSWER: { text: answer } } }),
    /** @param {Peer} peer @param {Algorithm} algorithm @returns {Subject} */
    peer: (peer, algorithm) => ({
      files: [join(folder, `${peer}.js`)],
      bindings: { ...texts(known[algorithm]), ...peerBindings(peer) },
      ...(peer === "hono-jose-ledger" && { ledger: "Ledger" }),
      ...(peer === "hono-jose-guard" && { beside }),
    }),
  };
}

/** @param {Subject} subject */
const hasKv = (subject) => Object.values(subject.bindings).some((binding) => "kv" in binding);

/** The other Workers by name, with their files. @param {Subject} subject @param {boolean} everything */
const allBeside = (subject, everything) => ({
  ...subject.beside,
  ...((hasKv(subject) || everything) && { [KV]: standIn("kv") }),
  ...((subject.hasCache || everything) && { [CACHE]: standIn("cache") }),
});

/**
 * Lays out a subject's files in a folder of its own. `everything`: with all stand-ins, whether it needs them or not.
 * @param {Subject} subject @param {string} below @param {{ everything?: boolean }} [options]
 */
export async function layOut(subject, below, { everything = false } = {}) {
  const folder = await mkdtemp(join(below, "subject-"));
  const hasCounter = hasKv(subject);
  const hasCache = subject.hasCache === true;
  const beside = allBeside(subject, everything);
  await mkdir(join(folder, "disk"));
  for (const file of subject.files) await cp(file, join(folder, basename(file)));
  for (const [name, file] of Object.entries(beside)) await cp(file, join(folder, `beside-${name}.js`));
  const setup = {
    compatibilityDate: COMPATIBILITY_DATE,
    modules: subject.files.map((file) => ({ name: basename(file), file: basename(file) })),
    bindings: subject.bindings,
    ledger: subject.ledger,
    entrypoints: subject.entrypoints,
    isApart: subject.isApart,
    beside: Object.fromEntries(Object.keys(beside).map((name) => [name, `beside-${name}.js`])),
    hasCache,
    hasCounter,
  };
  await writeFile(join(folder, "config.capnp"), configText(setup));
  return { folder, sockets: 1 + (hasCounter ? 1 : 0) + (subject.entrypoints?.length ?? 0) };
}

/**
 * Runs a subject as long as some work takes; nothing of it is left.
 * @template T
 * @param {Subject} subject @param {string} below @param {(worker: Workerd) => Promise<T>} work
 */
export async function withSubject(subject, below, work) {
  const { folder, sockets } = await layOut(subject, below);
  const worker = new Workerd();
  try {
    return await work(await worker.start(folder, sockets));
  } finally {
    await worker.stop();
    await rm(folder, { recursive: true, force: true });
  }
}
