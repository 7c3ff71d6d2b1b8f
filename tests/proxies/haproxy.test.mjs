// HAProxy with a Lua action, by the very configuration and script in docs/proxies.md.
import { after, test } from "node:test";
import { missing } from "../worker/harness/installed.mjs";
import { doubts, sceneOf } from "./harness/cases.mjs";
import { haproxy } from "./harness/servers.mjs";

const skip = missing("haproxy");

if (skip) {
  test("HAProxy", { skip }, () => {});
} else {
  const scene = await sceneOf({ after }, (around) => haproxy({ after }, around), (around) => haproxy({ after }, around, "original=x-original"));
  doubts(scene, { inDoubt: 503, cut: 503 });
}
