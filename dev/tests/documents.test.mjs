// The documents: links lead somewhere, the reference knows every setting and reason, and small commands print what it says.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname, join, normalize } from "node:path";
import { test } from "node:test";
import { filesBelow } from "../lib/hash.mjs";
import { ROOT, inRoot } from "../lib/paths.mjs";
import { run } from "../lib/run.mjs";

/** A refusal of a signing key in the configuration, which says so in words. */
const NEVER_LOGGED = ["not_the_issuers"];

/** @param {string} path */
const textOf = (path) => readFile(inRoot(path), "utf8");
const ofDocs = (await filesBelow(ROOT, "docs")).filter((path) => path.endsWith(".md"));
const PAGES = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "bench/soak/README.md", ...ofDocs];

/** A page without its code. @param {string} text */
const prose = (text) => text.replaceAll(/^ *```[^]*?^ *```$/gm, "");

/** The anchors of a page's headings, as the hosts of repositories make them. @param {string} text */
const anchors = (text) =>
  [...prose(text).matchAll(/^#+ (.*)$/gm)].map(([, heading]) => heading.toLowerCase().replaceAll(/[^\p{L}\p{N}_ -]/gu, "").replaceAll(" ", "-"));

/** @param {string} folder @param {RegExp} pattern */
async function namesIn(folder, pattern) {
  const files = (await filesBelow(ROOT, folder)).filter((path) => path.endsWith(".rs"));
  const sources = (await Promise.all(files.map(textOf))).join("\n");
  return [...new Set([...sources.matchAll(pattern)].map(([, name]) => name))];
}

test("every link between the documents leads to a file, and to a heading of it", async () => {
  const broken = [];
  for (const page of PAGES) {
    for (const [, link] of prose(await textOf(page)).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^https?:/.test(link)) continue;
      const [path, anchor] = link.split("#");
      const target = path === "" ? page : normalize(join(dirname(page), path));
      const isThere = existsSync(inRoot(target)) && (anchor === undefined || anchors(await textOf(target)).includes(anchor));
      if (!isThere) broken.push(`${page}: ${link}`);
    }
  }
  assert.deepEqual(broken, []);
});

test("every page is reached from the README", async () => {
  const readme = await textOf("README.md");
  assert.deepEqual(ofDocs.filter((page) => !readme.includes(`](${page})`)), []);
});

test("guides and reference say how they were checked", async () => {
  const pages = ofDocs.filter((page) => !page.startsWith("docs/explanation/"));
  assert.ok(pages.length > 15);
  for (const page of pages) assert.match(await textOf(page), /^How this page was checked: /m, page);
});

test("the reference has every setting that the configuration reads", async () => {
  const settings = await namesIn("src/config", /\b(?:section|table)\s*\.[a-z_]+\(\s*"([a-z_]+)"/g);
  assert.ok(settings.length > 40, String(settings));
  const page = await textOf("docs/reference/configuration.md");
  assert.deepEqual(settings.filter((name) => !new RegExp(`\\b${name}\\b`).test(page)), []);
});

test("the reference has every reason that the code logs or answers", async () => {
  const reasons = await namesIn("src", /(?:=> |refused\(|failed\(|Some\()"([a-z]+(?:_[a-z]+)+)"/g);
  assert.ok(reasons.length > 60, String(reasons));
  const pages = (await Promise.all(["contracts", "endpoints", "log"].map((name) => textOf(`docs/reference/${name}.md`)))).join("\n");
  assert.deepEqual(reasons.filter((name) => !pages.includes(`\`${name}\``)), NEVER_LOGGED);
});

test("the shell function for keys in Workers KV prints what the page says", async () => {
  const blocks = [...(await textOf("docs/reference/storage.md")).matchAll(/^```sh\n([^]*?)^```$/gm)].map(([, code]) => code);
  const keys = blocks.find((code) => code.startsWith("key() {")) ?? assert.fail("there is no such block");
  const { code, stdout } = await run("sh", ["-c", keys]);
  assert.equal(code, 0);
  const [, expected] = /# (v1:worth:token:\S+)/.exec(keys) ?? assert.fail("no key is shown");
  const printed = stdout.trim().split("\n");
  assert.equal(printed[0], expected);
  for (const line of printed) assert.match(line, /^v1:[a-z-]+:(token|session|subject|issuer):[\w-]{43}$/);
});
