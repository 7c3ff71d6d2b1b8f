// Caddy with `forward_auth`, by the very configuration in docs/proxies.md.
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { fakeKv, start } from "../worker/harness/worker.mjs";
import { mint } from "../worker/harness/tokens.mjs";
import { api, wayToCheck } from "./harness/behind.mjs";
import { bodies, doubts, rules, through, tokens, withRules } from "./harness/cases.mjs";
import { codeBlock, replaced } from "./harness/document.mjs";
import { freePort, isMissing, serve, temporaryFolder } from "./harness/program.mjs";

/** @param {string} uri @param {{ api: { port: number }, way: { port: number } }} around */
async function caddy(uri, around) {
  const [folder, port] = [await temporaryFolder({ after }), await freePort()];
  const text = replaced(await codeBlock("docs/proxies.md", "caddyfile", "forward_auth"), {
    "api.example {": `http://127.0.0.1:${port} {`,
    "https://logout.example": `http://127.0.0.1:${around.way.port}`,
    "127.0.0.1:9000": `127.0.0.1:${around.api.port}`,
    "/check?issuer=worth": uri,
  });
  const file = join(folder, "Caddyfile");
  await writeFile(file, `{\n\tadmin off\n\tauto_https off\n}\n\n${text}`);
  const env = { HOME: folder, XDG_CONFIG_HOME: folder, XDG_DATA_HOME: folder };
  await serve({ after }, "caddy", ["run", "--config", file, "--adapter", "caddyfile"], { port, env });
  return through(port);
}

const missing = await isMissing("caddy");

if (missing) {
  test("caddy", { skip: missing }, () => {});
} else {
  const kv = await fakeKv({ after });
  const worker = await start({ after }, { namespaces: { REVOCATIONS: kv }, configure: withRules });
  const around = { api: await api({ after }), way: await wayToCheck({ after }, worker.url) };
  const proxy = await caddy("/check?issuer=worth", around);
  const byRule = await caddy("/check?original=x-forwarded", around);
  const scene = { ...around, kv, worker, proxy, byRule };
  tokens(scene);
  bodies(scene);
  rules(scene);

  test("nothing that begins with X-Auth- is a client's", async () => {
    const response = await proxy.get("/orders/1", await mint("worth"), { headers: { "X-Auth-Other": "spoofed" } });
    assert.deepEqual([response.status, /spoofed/.test(await response.text())], [200, false]);
  });

  doubts(scene, { inDoubt: 503, cut: 502 });
}
