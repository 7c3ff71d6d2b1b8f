import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { unreachable } from "../lib/reach.mjs";
import { RELEASE, missingForRelease, notesOn } from "../lib/release.mjs";
import { whichConfig } from "../lib/config-file.mjs";
import { inRoot } from "../lib/paths.mjs";
import { readConfig } from "../lib/wrangler-config.mjs";

const which = whichConfig({ config: inRoot("tests", "wrangler.toml") });
const staging = { ...which, env: "staging" };
const fine = await readConfig(which);

/** @param {Record<string, unknown>} change */
const problems = (change, of = which) => missingForRelease({ ...fine, ...change }, of);

test("the tests' configuration has all that this release needs", () => {
  assert.deepEqual(problems({}), []);
  assert.deepEqual(notesOn(fine), []);
});

test("the release names every class that the built module exports, and the date of the tests", async () => {
  const exported = /export\s*\{([^}]*)\}\s*;?\s*$/.exec(await readFile(RELEASE.main, "utf8"))?.[1] ?? "";
  const names = exported.split(",").map((name) => name.split(" as ").at(-1)?.trim()).filter((name) => name !== "default");
  assert.deepEqual(names.sort(), [...RELEASE.entrypoints, ...RELEASE.objects.map(({ className }) => className)].sort());
  assert.equal(fine.compatibility_date, RELEASE.compatibilityDate);
});

const CASES = /** @type {Record<string, [Record<string, unknown>, RegExp]>} */ ({
  "another main": [{ main: "/elsewhere/index.js" }, /^main: .*main = "\.\.\/build\/index\.js"$/],
  "bundling": [{ no_bundle: undefined }, /^no_bundle: /],
  "no build": [{ build: {} }, /^build\.command: .*"node dev\/build\.mjs"$/],
  "an old date": [{ compatibility_date: "2024-01-01" }, /^compatibility_date: is 2024-01-01, .* 2026-07-30 or later/],
  "no date": [{ compatibility_date: undefined }, /^compatibility_date: is missing/],
  "no migration": [{ migrations: [] }, /^migrations: none makes the class `Ledger`: .*new_sqlite_classes = \["Ledger"\]/],
  "a class that was deleted again": [{ migrations: [{ tag: "v1", new_sqlite_classes: ["Ledger"] }, { tag: "v2", deleted_classes: ["Ledger"] }] }, /^migrations: none makes/],
  "a class without SQLite": [{ migrations: [{ tag: "v1", new_classes: ["Ledger"] }] }, /^migrations: `Ledger` has to be among new_sqlite_classes/],
  "another class": [{ durable_objects: { bindings: [{ name: "LEDGER", class_name: "Leger" }] } }, /^durable_objects: `LEDGER` has to be of the class `Ledger`/],
  "no binding for the class": [{ durable_objects: { bindings: [] } }, /^durable_objects: `Ledger` has a migration and is not bound.* \[\[durable_objects\.bindings\]\]/],
});
for (const [what, [change, finding]] of Object.entries(CASES)) {
  test(`what a configuration lacks: ${what}`, () => {
    const found = problems(change);
    assert.equal(found.length, 1, found.join("\n"));
    assert.match(found[0], finding);
  });
}

test("an environment's binding is asked for by its own name", () => {
  assert.match(problems({ durable_objects: { bindings: [] } }, staging)[0], /\[\[env\.staging\.durable_objects\.bindings\]\]/);
});

test("a class that was renamed, and one of another Worker, are there", () => {
  assert.deepEqual(problems({ migrations: [{ new_sqlite_classes: ["Old"] }, { renamed_classes: [{ from: "Old", to: "Ledger" }] }] }), []);
  assert.deepEqual(problems({ migrations: [], durable_objects: { bindings: [{ name: "LEDGER", class_name: "Ledger", script_name: "other" }] } }), []);
});

test("a Worker without ledger is allowed, with a note of what it lacks", () => {
  const without = { migrations: [], durable_objects: { bindings: [] } };
  assert.deepEqual(problems(without), []);
  assert.match(notesOn({ ...fine, ...without })[0], /^Nothing is bound as LEDGER: /);
});

test("a Worker without a route is refused with the lines to add", () => {
  const [finding, ...others] = unreachable({ workers_dev: false }, which);
  assert.equal(others.length, 0);
  assert.match(finding, /^the Worker has no route.*tests\/wrangler\.toml/);
  for (const line of ["routes = [{ pattern = ", "custom_domain = true", "workers_dev = true", "[vars]", 'SERVICE_BINDINGS_ONLY = "true"']) assert.ok(finding.includes(line), line);
  assert.equal(unreachable({}, which).length, 1, "workers.dev has to be chosen, not left over");
  assert.match(unreachable({}, staging)[0], /\[env\.staging\.vars\]/);
});

test("a Worker is reached by a route, a domain, workers.dev, or by declared service bindings", () => {
  const reached = [{ routes: ["shop.example/*"] }, { route: "shop.example/*" }, { routes: [{ pattern: "logout.shop.example", custom_domain: true }] }, { workers_dev: true }, { vars: { SERVICE_BINDINGS_ONLY: "true" } }, { vars: { SERVICE_BINDINGS_ONLY: true } }];
  for (const config of reached) assert.deepEqual(unreachable(config, which), [], JSON.stringify(config));
  assert.equal(unreachable({ routes: [], vars: { SERVICE_BINDINGS_ONLY: "false" } }, which).length, 1);
});
