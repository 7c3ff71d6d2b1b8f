// nginx with `auth_request`, by the very configuration in docs/guide/nginx.md.
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { missing } from "../worker/harness/installed.mjs";
import { mint } from "../worker/harness/tokens.mjs";
import { answerTo, clientHeaders, doubts, sceneOf } from "./harness/cases.mjs";
import { nginx, nginxByRule, nginxConfiguration, nginxWithModule } from "./harness/servers.mjs";

const skip = missing("nginx");
const skipModule = missing("nginx", "nginx's headers-more module");

if (skip) {
  test("nginx", { skip }, () => {});
} else {
  const scene = await sceneOf({ after }, async (around) => nginx({ after }, around, await nginxConfiguration()), async (around) => nginx({ after }, around, await nginxByRule()));

  test("a header that is not listed does not arrive", async () => {
    const seen = await answerTo(scene.proxy.port, [["X-Shop", "a"]]);
    assert.equal(seen.headers["x-shop"], undefined);
  });

  test("the check itself is not to be reached by clients", async () => {
    const response = await scene.proxy.get("/_check", await mint("worth"));
    assert.equal(response.status, 404);
  });

  if (skipModule) {
    test("nginx with the headers-more module", { skip: skipModule }, () => {});
  } else {
    const proxy = await nginx({ after }, scene, await nginxWithModule());
    describe("with the headers-more module", () => {
      clientHeaders({ ...scene, proxy });

      test("every other header arrives", async () => {
        const seen = await answerTo(proxy.port, [["X-Shop", "a"]]);
        assert.deepEqual(seen.headers["x-shop"], ["a"]);
      });
    });
  }

  doubts(scene, { inDoubt: 503, cut: 503 });
}
