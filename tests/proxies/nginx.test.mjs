// nginx with `auth_request`, by the very configuration in docs/proxies.md.
import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { fakeKv, start } from "../worker/harness/worker.mjs";
import { mint } from "../worker/harness/tokens.mjs";
import { api, wayToCheck } from "./harness/behind.mjs";
import { bodies, doubts, rules, through, tokens, withRules } from "./harness/cases.mjs";
import { codeBlock, replaced } from "./harness/document.mjs";
import { freePort, isMissing, serve, temporaryFolder } from "./harness/program.mjs";

const DOCUMENT = "docs/proxies.md";
const LOCATION = /^ {8}location = \/_check \{\n.*?^ {8}\}\n/ms;

/** What a nginx that is nobody's service writes goes where it may. @param {string} folder */
const ownPaths = (folder) =>
  ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) => `    ${name}_temp_path ${folder}/${name};\n`).join("");

/** @param {string} configuration @param {{ api: { port: number }, way: { port: number } }} around */
async function nginx(configuration, around) {
  const [folder, port] = [await temporaryFolder({ after }), await freePort()];
  await mkdir(join(folder, "logs"));
  const text = replaced(configuration, {
    "server logout.example:443;": `server 127.0.0.1:${around.way.port};`,
    "server 127.0.0.1:9000;": `server 127.0.0.1:${around.api.port};`,
    "listen 8080;": `listen 127.0.0.1:${port};`,
    "https://check/": "http://check/", // the Worker has no certificate here
    "http {\n": `http {\n    access_log off;\n${ownPaths(folder)}`,
  });
  await writeFile(join(folder, "nginx.conf"), text);
  const directives = `daemon off; pid ${folder}/nginx.pid; error_log stderr warn;`;
  await serve({ after }, "nginx", ["-p", folder, "-c", join(folder, "nginx.conf"), "-e", "stderr", "-g", directives], { port });
  return through(port);
}

/** @returns {Promise<import("./harness/cases.mjs").Scene>} */
async function scenery() {
  const kv = await fakeKv({ after });
  const worker = await start({ after }, { namespaces: { REVOCATIONS: kv }, configure: withRules });
  const around = { api: await api({ after }), way: await wayToCheck({ after }, worker.url) };
  const whole = await codeBlock(DOCUMENT, "nginx", "worker_processes");
  const byRule = await codeBlock(DOCUMENT, "nginx", "original=x-original");
  assert.match(whole, LOCATION);
  return { ...around, kv, worker, proxy: await nginx(whole, around), byRule: await nginx(whole.replace(LOCATION, byRule), around) };
}

const missing = await isMissing("nginx", ["nginx-light", "nginx"]);

if (missing) {
  test("nginx", { skip: missing }, () => {});
} else {
  const scene = await scenery();
  tokens(scene);
  bodies(scene);
  rules(scene);

  test("the check itself is not to be reached by clients", async () => {
    const response = await scene.proxy.get("/_check", await mint("worth"));
    assert.equal(response.status, 404);
  });

  doubts(scene, { inDoubt: 503, cut: 503 });
}
