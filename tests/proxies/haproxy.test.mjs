// HAProxy with a Lua action: the configuration and script of docs/guide/haproxy.md.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { missing } from "../worker/harness/installed.mjs";
import { mint } from "../worker/harness/tokens.mjs";
import { doubts, sceneOf } from "./harness/cases.mjs";
import { replaced } from "./harness/document.mjs";
import { haproxy } from "./harness/servers.mjs";

const skip = missing("haproxy");

if (skip) {
  test("HAProxy", { skip }, () => {});
} else {
  const scene = await sceneOf({ after }, (around) => haproxy({ after }, around), (around) => haproxy({ after }, around, { query: "original=x-original" }));

  test("a script that fails lets nothing pass", async () => {
    const place = 'txn:set_var("txn.edge_logout", "passed")';
    const broken = await haproxy({ after }, scene, { edit: (script) => replaced(script, { [place]: `error("broken") ${place}` }) });
    const before = scene.api.seen.length;
    const response = await broken.get("/orders/1", await mint("worth"));
    assert.deepEqual([response.status, response.headers.get("retry-after"), scene.api.seen.length], [503, "1", before]);
  });

  doubts(scene, { inDoubt: 503, cut: 503 });
}
