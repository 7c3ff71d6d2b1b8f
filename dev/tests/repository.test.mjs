import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { filesBelow } from "../lib/hash.mjs";
import { ROOT, inRoot } from "../lib/paths.mjs";
import { isAtLeast } from "../lib/versions.mjs";

/** @param {string} path */
const json = async (path) => JSON.parse(await readFile(inRoot(path), "utf8"));

test("dependencies have exact versions, and the lock files name no registry", async () => {
  for (const folder of ["", "dev/node24/"]) {
    const { devDependencies = {}, optionalDependencies = {} } = await json(`${folder}package.json`);
    for (const [name, version] of Object.entries({ ...devDependencies, ...optionalDependencies })) {
      assert.match(version, /^\d+\.\d+\.\d+$/, name);
    }
    const { packages } = await json(`${folder}package-lock.json`);
    for (const [name, entry] of Object.entries(packages)) assert.ok(!entry.resolved, name);
  }
});

test("every package that a dependency may need is locked, also those of other platforms", async () => {
  // A registry that lacks a platform's package makes npm write a lock file that \`npm ci\` then refuses.
  const { packages } = await json("package-lock.json");
  for (const [path, entry] of Object.entries(packages)) {
    for (const name of Object.keys(entry.optionalDependencies ?? {})) {
      const places = [`${path}/node_modules/${name}`, `${path.replace(/\/node_modules\/[^/]+$/, "")}/node_modules/${name}`, `node_modules/${name}`];
      assert.ok(places.some((place) => place in packages), `${path} -> ${name}`);
    }
  }
});

test("every native test that docs/explanation/guarantees.md names is there", async () => {
  const files = [...(await filesBelow(ROOT, "tests")), ...(await filesBelow(ROOT, "src"))].filter((file) => file.endsWith(".rs"));
  const sources = (await Promise.all(files.map((file) => readFile(inRoot(file), "utf8")))).join("\n");
  const bullets = (await readFile(inRoot("docs/explanation/guarantees.md"), "utf8")).split("\n").filter((line) => /^(- | {2})/.test(line));
  const named = bullets.flatMap((line) => [...line.matchAll(/`([a-z0-9]+(?:_[a-z0-9]+){3,})`/g)].map(([, name]) => name));
  assert.ok(named.length > 50);
  assert.deepEqual(named.filter((name) => !sources.includes(`fn ${name}(`)), []);
});

test("versions are compared by their numbers", () => {
  assert.ok(isAtLeast("v22.12.0", "22.12.0"));
  assert.ok(isAtLeast("v24.0.0", "22.12.0"));
  assert.ok(isAtLeast("22.13.0", "22.12.9"));
  assert.ok(!isAtLeast("v22.9.0", "22.12.0"));
  assert.ok(!isAtLeast("v20.20.2", "22.12.0"));
});
