// What is soaked: the Worker as it is shipped, in two isolates that are two locations with one ledger, and one more
// issuer, whose keys are fetched.
import { COMPATIBILITY_DATE, SECRETS, testTable } from "../../tests/config.mjs";
import { CACHE, KV, bindingText, list, moduleText, quoted } from "../edge/capnp.mjs";

/** @typedef {import("../edge/capnp.mjs").Binding} Binding */

/** The locations; the ledger is an object of the first one. */
export const PLACES = /** @type {const} */ (["here", "there"]);
/** @typedef {(typeof PLACES)[number]} Place */

export const PROVIDER = { name: "provider", iss: "https://provider.example", audience: "provider-api", path: "/provider/logout" };
/** How long its keys are fresh, at the most. */
export const KEYS_FRESH_SECONDS = 3;
export const ALLOWED_ORIGIN = "https://shop.example";
/**
 * Every request leaves some kilobytes of the runtime's own outside the heap of JavaScript, until V8 next collects its young
 * objects. In the usual 16 MB and more of them that adds up to 600 MB, for a bare Worker of one line as well; in one MB it
 * is little, and what is held for longer can be seen.
 */
const SOON_COLLECTED = "--max-semi-space-size=1";
/** So short that what Workers KV had before is imported within the run. */
const SETTLING_SECONDS = 5;

/** @param {string} jwksUrl */
function table(jwksUrl) {
  const own = testTable();
  own.check = { stronger_by_query: true };
  own.issuers.push({
    name: PROVIDER.name,
    iss: PROVIDER.iss,
    audiences: [PROVIDER.audience],
    algorithms: ["ES256"],
    jwks_url: jwksUrl,
    key_refresh: { least_seconds: 1, most_seconds: KEYS_FRESH_SECONDS, unknown_kid_seconds: 1, serve_stale_seconds: 60 },
  });
  own.routes.push({ contract: "marzipan", issuer: PROVIDER.name, paths: [PROVIDER.path] });
  Object.assign(own.routes.find(({ contract }) => contract === "worth") ?? {}, { cors: { allowed_origins: [ALLOWED_ORIGIN] } });
  own.ledger = { settling_seconds: SETTLING_SECONDS };
  return own;
}

/** @param {string} jwksUrl @returns {Record<string, Binding>} */
function bindings(jwksUrl) {
  const secrets = Object.entries(SECRETS).map(([name, text]) => [name, { text }]);
  return { EDGE_LOGOUT: { json: table(jwksUrl) }, ...Object.fromEntries(secrets), REVOCATIONS: { kv: true } };
}

/** @param {string[]} modules @param {Record<string, Binding>} bound @param {string} cache */
const worker = (modules, bound, cache) => [
  `compatibilityDate = ${quoted(COMPATIBILITY_DATE)}`,
  `modules = ${list(modules.map((name) => moduleText({ name, file: name })))}`,
  `bindings = ${list(Object.entries(bound).map(([name, binding]) => bindingText(name, binding)))}`,
  `cacheApiOutbound = ${quoted(cache)}`,
];

/**
 * The configuration of the runtime. It reaches nothing but this machine.
 * @param {{ modules: string[], kvPort: number, jwksUrl: string }} what `modules`: the first one is the Worker's
 */
export async function soakConfig({ modules, kvPort, jwksUrl }) {
  const bound = bindings(jwksUrl);
  const [here, there] = PLACES;
  const object = [`durableObjectNamespaces = [(className = "Ledger", uniqueKey = "ledger", enableSql = true)]`, `durableObjectStorage = (localDisk = "disk")`];
  const workers = {
    [here]: [...worker(modules, { ...bound, LEDGER: { ledger: "Ledger" } }, `${CACHE}-${here}`), ...object],
    [there]: worker(modules, { ...bound, LEDGER: { ledger: "Ledger", of: here } }, `${CACHE}-${there}`),
  };
  const cache = `compatibilityDate = ${quoted(COMPATIBILITY_DATE)}, modules = [${moduleText({ name: "main.js", file: "cache.js" })}]`;
  const services = [
    ...PLACES.map((place) => `(name = ${quoted(place)}, worker = (${workers[place].join(", ")}))`),
    ...PLACES.map((place) => `(name = ${quoted(`${CACHE}-${place}`)}, worker = (${cache}))`),
    `(name = ${quoted(KV)}, external = (address = "127.0.0.1:${kvPort}", http = ()))`,
    `(name = "disk", disk = (path = "disk", writable = true))`,
    `(name = "internet", network = (allow = ["local"]))`,
  ];
  const sockets = PLACES.flatMap((place) => [
    `(name = ${quoted(place)}, address = "127.0.0.1:0", http = (), service = ${quoted(place)})`,
    `(name = ${quoted(`steering-${place}`)}, address = "127.0.0.1:0", http = (), service = (name = ${quoted(place)}, entrypoint = "Steering"))`,
  ]);
  return capnp(services, sockets);
}

/** @param {string[]} services @param {string[]} sockets */
const capnp = (services, sockets) => `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    ${services.join(",\n    ")}
  ],
  sockets = [
    ${sockets.join(",\n    ")}
  ],
  v8Flags = [${quoted(SOON_COLLECTED)}],
);
`;
