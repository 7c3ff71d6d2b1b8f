// The configuration of `workerd serve`: a Worker with what is bound to it, as Cap'n Proto text.

/** @typedef {{ text: string } | { json: unknown } | { kv: true } | { ledger: string, of?: string } | { service: string }} Binding `of`: the Worker whose class it is, where that is another one */
/** @typedef {{ name: string, file: string }} Module its file in the folder of the configuration */
/**
 * @typedef {object} Setup
 * @property {string} compatibilityDate
 * @property {Module[]} modules the first one is the Worker's
 * @property {Record<string, Binding>} bindings
 * @property {string} [ledger] the class of its Durable Object
 * @property {Record<string, string>} beside other Workers by name, with their file
 * @property {boolean} hasCache
 * @property {boolean} hasCounter whether the stand-in for KV tells on a socket of its own how often it was asked
 * @property {Entrypoint[]} [entrypoints] further sockets, each for an entrypoint of its own
 * @property {boolean} [isApart] whether the ledger's object is in an isolate of its own
 */
/** @typedef {{ socket: string, entrypoint: string, service?: string }} Entrypoint of the Worker unless it says another service */

export const KV = "kv";
export const CACHE = "cache";
/** The Worker that holds the ledger's object where that is apart. */
export const HOLDER = "holder";

/** Cap'n Proto knows the same escapes for what stands in our texts. @param {string} text */
export const quoted = (text) => JSON.stringify(text);

/** @param {string} name @param {Binding} binding */
export function bindingText(name, binding) {
  const value = () => {
    if ("text" in binding) return `text = ${quoted(binding.text)}`;
    if ("json" in binding) return `json = ${quoted(JSON.stringify(binding.json))}`;
    if ("kv" in binding) return `kvNamespace = ${quoted(KV)}`;
    if ("ledger" in binding) return `durableObjectNamespace = ${binding.of ? `(className = ${quoted(binding.ledger)}, serviceName = ${quoted(binding.of)})` : quoted(binding.ledger)}`;
    return `service = ${quoted(binding.service)}`;
  };
  return `(name = ${quoted(name)}, ${value()})`;
}

/** @param {Module} module */
export const moduleText = ({ name, file }) => `(name = ${quoted(name)}, ${name.endsWith(".wasm") ? "wasm" : "esModule"} = embed ${quoted(file)})`;

/** @param {string[]} entries */
export const list = (entries) => `[${entries.join(", ")}]`;

/** @param {Setup} setup @param {boolean} hasObject whether the ledger's object lives in it */
function mainWorker({ compatibilityDate, modules, bindings, ledger, hasCache }, hasObject) {
  const namespace = ledger && hasObject && `(className = ${quoted(ledger)}, uniqueKey = "ledger", enableSql = true)`;
  const elsewhere = (/** @type {Binding} */ binding) => ("ledger" in binding && !hasObject ? { ...binding, of: HOLDER } : binding);
  return [
    `compatibilityDate = ${quoted(compatibilityDate)}`,
    `modules = ${list(modules.map(moduleText))}`,
    `bindings = ${list(Object.entries(bindings).map(([name, binding]) => bindingText(name, elsewhere(binding))))}`,
    ...(hasCache ? [`cacheApiOutbound = ${quoted(CACHE)}`] : []),
    ...(namespace ? [`durableObjectNamespaces = [${namespace}]`, `durableObjectStorage = (localDisk = "disk")`] : []),
  ].join(", ");
}

/** @param {Setup} setup */
export function configText(setup) {
  const beside = Object.entries(setup.beside).map(([name, file]) => {
    const module = moduleText({ name: "main.js", file });
    return `(name = ${quoted(name)}, worker = (compatibilityDate = ${quoted(setup.compatibilityDate)}, modules = [${module}]))`;
  });
  const services = [
    `(name = "main", worker = (${mainWorker(setup, !setup.isApart)}))`,
    ...(setup.isApart ? [`(name = ${quoted(HOLDER)}, worker = (${mainWorker(setup, true)}))`] : []),
    ...beside,
    ...(setup.ledger ? [`(name = "disk", disk = (path = "disk", writable = true))`] : []),
  ];
  const sockets = [
    `(name = "http", address = "127.0.0.1:0", http = (), service = "main")`,
    ...(setup.hasCounter ? [`(name = "count", address = "127.0.0.1:0", http = (), service = ${quoted(KV)})`] : []),
    ...(setup.entrypoints ?? []).map(
      ({ socket, entrypoint, service = "main" }) =>
        `(name = ${quoted(socket)}, address = "127.0.0.1:0", http = (), service = (name = ${quoted(service)}, entrypoint = ${quoted(entrypoint)}))`,
    ),
  ];
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    ${services.join(",\n    ")}
  ],
  sockets = [
    ${sockets.join(",\n    ")}
  ],
);
`;
}
