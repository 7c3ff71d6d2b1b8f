// What this release needs in a deployer's configuration, apart from the table. Add what a new release needs here.
import { dirname, relative } from "node:path";
import { inRoot } from "./paths.mjs";

/** @typedef {import("./table.mjs").Table} Table */

export const RELEASE = Object.freeze({
  main: inRoot("build", "index.js"),
  buildScript: "dev/build.mjs",
  /** The oldest date that the tests run with. */
  compatibilityDate: "2026-07-30",
  namespaces: ["REVOCATIONS"],
  /** Entrypoints for service bindings. They need nothing of this configuration. */
  entrypoints: ["Internal"],
  /** Durable Objects. Each is optional; one that is bound must match all of this. */
  objects: [{ binding: "LEDGER", className: "Ledger", tag: "v1", without: "logouts are kept in Workers KV alone, and only `eventual` can be promised (docs/reference/configuration.md)" }],
});

/** @param {Table} config @param {string} file @returns {string[]} */
function buildProblems(config, file) {
  const path = relative(dirname(file), RELEASE.main);
  const problems = [];
  if (config.main !== RELEASE.main) problems.push(`main: has to be what this release builds: main = "${path}"`);
  if (config.no_bundle !== true) problems.push("no_bundle: has to be true, since the build makes the one module and its wasm: no_bundle = true");
  if (!String(config.build?.command).includes(RELEASE.buildScript)) problems.push(`build.command: has to run this release's build: command = "node ${RELEASE.buildScript}"`);
  return problems;
}

/** @param {Table} config @returns {string[]} */
function dateProblems({ compatibility_date: date }) {
  if (typeof date === "string" && date >= RELEASE.compatibilityDate) return [];
  return [`compatibility_date: is ${date ?? "missing"}, and this release needs ${RELEASE.compatibilityDate} or later: compatibility_date = "${RELEASE.compatibilityDate}"`];
}

/** The classes that exist after all migrations, and whether they use SQLite. @param {Table[]} migrations */
function classesAfter(migrations) {
  /** @type {Map<string, boolean>} */
  const classes = new Map();
  for (const migration of migrations) {
    const of = (/** @type {string} */ kind) => /** @type {any[]} */ (migration[`${kind}_classes`] ?? []);
    of("new_sqlite").forEach((name) => classes.set(name, true));
    of("new").forEach((name) => classes.set(name, false));
    of("renamed").forEach(({ from, to }) => classes.set(to, classes.get(from) ?? true));
    of("transferred").forEach(({ to }) => classes.set(to, true));
    [...of("renamed").map(({ from }) => from), ...of("deleted")].forEach((name) => classes.delete(name));
  }
  return classes;
}

/** @param {string} tag @param {string} className */
const migrationLines = (tag, className) => `[[migrations]] tag = "${tag}", new_sqlite_classes = ["${className}"]`;

/** @param {Table} config @param {string | undefined} env @returns {string[]} */
function objectProblems(config, env) {
  const classes = classesAfter(config.migrations ?? []);
  const bindings = /** @type {Table[]} */ (config.durable_objects?.bindings ?? []);
  return RELEASE.objects.flatMap(({ binding, className, tag }) => {
    const bound = bindings.find(({ name }) => name === binding);
    const table = `[[${env ? `env.${env}.` : ""}durable_objects.bindings]]`;
    if (!bound) return classes.has(className) ? [`durable_objects: \`${className}\` has a migration and is not bound, and an environment does not inherit the others' bindings: ${table} name = "${binding}", class_name = "${className}"`] : [];
    if (bound.script_name) return []; // another Worker's, with migrations of its own
    if (bound.class_name !== className) return [`durable_objects: \`${binding}\` has to be of the class \`${className}\`: class_name = "${className}"`];
    if (!classes.has(className)) return [`migrations: none makes the class \`${className}\`: ${migrationLines(tag, className)}`];
    return classes.get(className) ? [] : [`migrations: \`${className}\` has to be among new_sqlite_classes, and a class cannot be changed once it is deployed: ${migrationLines(tag, className)}`];
  });
}

/**
 * What a configuration lacks for this release.
 * @param {Table} config
 * @param {import("./config-file.mjs").Which} which
 * @returns {string[]}
 */
export const missingForRelease = (config, { file, env }) => [...buildProblems(config, file), ...dateProblems(config), ...objectProblems(config, env)];

/** Notes on what is allowed, but perhaps not meant. @param {Table} config @returns {string[]} */
export function notesOn(config) {
  const bound = new Set((config.durable_objects?.bindings ?? []).map((/** @type {Table} */ { name }) => name));
  return RELEASE.objects.filter(({ binding }) => !bound.has(binding)).map(({ binding, without }) => `Nothing is bound as ${binding}: ${without}`);
}
