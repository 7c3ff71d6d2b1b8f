// Caddy with `forward_auth`, by the very configuration in docs/guide/caddy.md.
import { after, test } from "node:test";
import { missing } from "../worker/harness/installed.mjs";
import { doubts, sceneOf } from "./harness/cases.mjs";
import { caddy } from "./harness/servers.mjs";

const skip = missing("caddy");

if (skip) {
  test("Caddy", { skip }, () => {});
} else {
  const scene = await sceneOf({ after }, (around) => caddy({ after }, around), (around) => caddy({ after }, around, "original=x-forwarded"));
  doubts(scene, { inDoubt: 503, cut: 502 });
}
