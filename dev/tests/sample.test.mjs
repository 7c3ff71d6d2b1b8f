// `npm run check -- --online --token`: the Worker's own code against a real server, with the faults of real providers.
import assert from "node:assert/strict";
import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { before, test } from "node:test";
import { FAULTS, identityProvider } from "../../tests/worker/harness/identity-provider.mjs";
import { newKey, publicHalf, tokenOf } from "../../tests/worker/harness/algorithms.mjs";
import { buildCheckTool } from "../build.mjs";
import { mint } from "../../tests/worker/harness/tokens.mjs";
import { run } from "../lib/run.mjs";
import { reportOf } from "../lib/sample.mjs";
import { configWith, tableOfTests } from "./harness.mjs";
import { askWorker, judgedByWorker, refusalsOfWorker } from "../lib/validity.mjs";

before(buildCheckTool, { timeout: 300_000 });

/** A table with one issuer. @param {Record<string, unknown>} keys */
const questionOf = (keys) => ({
  parts: {
    EDGE_LOGOUT: {
      issuers: [{ name: "mine", iss: "https://issuer.example", audiences: ["api"], algorithms: ["ES256"], ...keys }],
      routes: [{ contract: "worth", issuer: "mine" }],
    },
  },
  secrets: {},
  development: true,
  ledger: true,
});

/** @param {Record<string, unknown>} keys @param {import("../lib/validity.mjs").Sample} sample */
async function look(keys, sample) {
  const question = questionOf(keys);
  assert.deepEqual(await refusalsOfWorker(question), []);
  const answer = await judgedByWorker(question, sample);
  return { ...reportOf(answer), answer };
}

test("published keys are named, and those that are not taken with the reason", async (t) => {
  const provider = await identityProvider(t);
  provider.publish(newKey("ES256", "one"), newKey("ES256", "two"));
  provider.keys.push({ ...publicHalf(newKey("ES256", "enc")), use: "enc" }, newKey("HS256", "symmetric"), "text");
  const { lines, failed } = await look({ jwks_url: `${provider.jwksUrl}?api_key=secret` }, { online: true });
  assert.deepEqual(lines, [
    `keys of mine: ${provider.jwksUrl} (status 200): one (ES256), two (ES256); ` +
      "not taken: enc (not for signatures, by its `use` or `key_ops`), symmetric (symmetric or private: such a key must not be published), (no kid) (no JWK)",
  ]);
  assert.equal(failed, false, "what others publish besides is no failure");
  assert.deepEqual(provider.asked, ["/jwks?api_key=secret"]);
});

test("by way of a discovery document both URLs are named", async (t) => {
  const provider = await identityProvider(t);
  provider.publish(newKey("ES256", "one"));
  const { lines, failed } = await look({ discovery_url: provider.discoveryUrl, iss: provider.url }, { online: true });
  assert.deepEqual(lines, [`keys of mine: ${provider.discoveryUrl} (status 200) -> ${provider.jwksUrl} (status 200): one (ES256)`]);
  assert.equal(failed, false);
});

test("a key that the runtime cannot import is a failure, and so is a token of it", async (t) => {
  const provider = await identityProvider(t);
  const key = newKey("ES256", "off");
  provider.publish(key);
  provider.keys = [{ ...publicHalf(key), y: key.x }];
  const { lines, failed } = await look({ jwks_url: provider.jwksUrl }, { online: true, token: tokenOf(key) });
  assert.match(lines[0], /off \(ES256, cannot be imported/);
  assert.match(lines[1], /^token: FAILED: cannot be judged for mine \(cannot_verify\): .*"off"/);
  assert.equal(failed, true);
});

const REPORTED = /** @type {Record<string, RegExp>} */ ({
  bad_status: /answered with status 500$/,
  redirected: /answered with a redirect \(status 302\), which is not followed/,
  html: /answered with HTML or XML \(status 200\)/,
  unreadable: /answered with what is no JWK Set in JSON \(status 200\)$/,
  no_usable_key: /publishes no key that can be used$/,
  too_large: /answered with more than 64 KiB \(status 200\)$/,
  unreachable: /cannot be reached, or broke off \((UND_ERR_SOCKET|ECONNRESET)\)$/,
  timed_out: /did not answer in time/,
});

test("whatever a provider does wrong is said in a line with its URL", { concurrency: 4 }, async (t) => {
  assert.deepEqual(Object.keys(REPORTED).sort(), Object.keys(FAULTS).sort());
  const cases = Object.keys(FAULTS).map((reason) =>
    t.test(reason, async (own) => {
      const provider = await identityProvider(own);
      provider.fault = FAULTS[reason];
      const { lines, failed } = await look({ jwks_url: provider.jwksUrl }, { online: true, token: tokenOf(newKey("ES256")) });
      assert.equal(failed, true);
      assert.equal(lines.length, 2);
      assert.ok(lines[0].startsWith(`keys of mine: FAILED (${reason}): ${provider.jwksUrl} `), lines[0]);
      assert.match(lines[0], REPORTED[reason]);
      assert.match(lines[1], /^token: FAILED: cannot be judged for mine \(keys_fetch_failed\)/);
      assert.deepEqual(provider.asked, ["/jwks"], "no redirect is followed, and nothing is asked twice");
    }),
  );
  await Promise.all(cases);
});

test("a large error page is reported by its status, and an HTML page as HTML", async (t) => {
  const provider = await identityProvider(t);
  const page = `<!doctype html>${"<p>".repeat(50_000)}`;
  provider.fault = (_, response) => void response.writeHead(404, { "content-type": "text/html" }).end(page);
  assert.match((await look({ jwks_url: provider.jwksUrl }, { online: true })).lines[0], /\(bad_status\): .* status 404$/);
});

test("a discovery document of another issuer, or with another `jwks_uri`", async (t) => {
  const provider = await identityProvider(t);
  provider.publish(newKey("ES256"));
  const line = async () => (await look({ discovery_url: provider.discoveryUrl, iss: provider.url }, { online: true })).lines[0];
  provider.discovery = { issuer: "https://evil.example\u001b[2J" };
  assert.ok((await line()).endsWith(`names the issuer "https://evil.example\\u001b[2J", and \`iss\` is "${provider.url}"`), await line());
  provider.discovery = { jwks_uri: "http://id.example/jwks" };
  assert.match(await line(), /\(bad_jwks_uri\): .* names the `jwks_uri` "http:\/\/id\.example\/jwks", which is no https/);
  provider.discovery = { issuer: undefined };
  assert.match(await line(), /\(issuer_mismatch\): .* names no issuer, and/);
  assert.equal(provider.fetches, 0);
});

test("a server that does not listen", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  await new Promise((resolve) => server.close(resolve));
  const { lines } = await look({ jwks_url: `http://127.0.0.1:${port}/jwks` }, { online: true });
  assert.match(lines[0], /\(unreachable\): .* \(ECONNREFUSED\)$/);
});

test("a token is judged with the keys that were fetched; without --online nothing is asked", async (t) => {
  const provider = await identityProvider(t);
  const key = newKey("ES256", "one");
  provider.publish(key);
  const settings = { jwks_url: provider.jwksUrl };
  const online = await look(settings, { online: true, token: `Bearer ${tokenOf(key, { sid: "s-1" })}\n` });
  assert.match(online.lines[1], /^token: good for mine: key one, expires .* UTC, session "s-1" \(`sid`\), no subject \(`sub` is absent\)/);
  assert.equal(online.failed, false);
  assert.equal(provider.fetches, 1);
  const other = await look(settings, { online: true, token: tokenOf({ ...newKey("ES256", "one") }) });
  assert.match(other.lines[1], /refused for mine \(bad_signature\): expected a signature by "one" \(ES256\)/);
  const offline = await look(settings, { online: false, token: tokenOf(key) });
  assert.deepEqual(offline.lines, [
    `token: FAILED: cannot be judged for mine (keys_not_fetched): expected keys from ${provider.jwksUrl}; found none: only --online fetches them`,
  ]);
  assert.equal(provider.fetches, 2, "not offline");
  const shown = JSON.stringify([online.answer, other.answer, offline.answer]);
  assert.ok(!shown.includes(tokenOf(key).split(".")[0]), "never the token");
});

test("a tool that fails itself says so, and nothing of the configuration", async () => {
  const broken = /** @type {any} */ ({ findings: () => { throw new Error("unreachable"); } });
  const failed = { message: /^The Worker's check of its configuration has failed itself, so nothing is known of it: Error: unreachable/, exitCode: 1 };
  await assert.rejects(askWorker(({ findings }) => findings(""), async () => broken), failed);
  await assert.rejects(askWorker(({ judge }) => judge("[]")), { message: /failed itself.*the question is no JSON object/ });
  await assert.rejects(askWorker(({ findings }) => findings(""), async () => import(String(new URL("nowhere/index.js", import.meta.url)))), { message: /failed itself/ });
});

/** A `cargo` that notes what it was asked for. @param {import("node:test").TestContext} t */
async function watchedCargo(t) {
  const folder = await mkdtemp(join(tmpdir(), "edge-logout-"));
  t.after(() => rm(folder, { recursive: true }));
  const { stdout } = await run("which", ["cargo"]);
  await writeFile(join(folder, "cargo"), `#!/bin/sh\necho "$@" >> "${folder}/asked"\nexec "${stdout.trim()}" "$@"\n`);
  await chmod(join(folder, "cargo"), 0o755);
  return { path: folder + delimiter + process.env.PATH, asked: async () => (await readFile(join(folder, "asked"), "utf8")).trim().split("\n") };
}

/** The command itself, for the tests' table, with a token on its standard input. @param {string} config @param {string} input @param {Record<string, string>} env */
const check = (config, input, env = {}) => run(process.execPath, ["dev/check.mjs", "--config", config, "--development", "--online", "--token", "-"], { input, env });

test("the command judges a token from standard input or a file, and compiles nothing natively", async (t) => {
  const cargo = await watchedCargo(t);
  const config = await configWith(t, await tableOfTests());
  const good = await check(config, await mint("worth"), { PATH: cargo.path });
  assert.equal(good.code, 0, good.output);
  assert.match(good.stdout, /^keys: no issuer has .*$/m);
  assert.match(good.stdout, /^token: good for worth: /m);
  for (const asked of await cargo.asked()) assert.match(asked, /^(fmt|clippy) --version$/);
  const bad = await check(config, await mint("worth", { claims: { aud: "other" } }));
  assert.equal(bad.code, 1, bad.output);
  assert.match(bad.stdout, /refused for worth \(wrong_audience\): expected `aud` "worth-customers"; found `aud` "other"$/m);
  const none = await run(process.execPath, ["dev/check.mjs", "--config", config, "--development", "--token", "/nowhere/token"]);
  assert.equal(none.code, 2);
  assert.match(none.output, /The token cannot be read: ENOENT/);
});

test("the Worker that is deployed has nothing of it", async () => {
  assert.ok(!(await readFile("build/index_bg.wasm")).includes("header.payload.signature"), "no text of its explanations");
  assert.ok((await readFile(".tools/check/index_bg.wasm")).includes("header.payload.signature"));
});
