// PHP behind each proxy: `$_SERVER` has none of the client's own X-Auth-* headers.
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { missing } from "../worker/harness/installed.mjs";
import { OVERRIDES, OWN } from "../worker/harness/spellings.mjs";
import { answerTo } from "./harness/cases.mjs";
import { checkFor } from "./harness/behind.mjs";
import { caddy, haproxy, nginx, nginxConfiguration, phpApi } from "./harness/servers.mjs";

/** A header's name as PHP has it. @param {string} name */
const variable = (name) => `HTTP_${name.toUpperCase().replace(/[^A-Z0-9]/g, "_")}`;

/** @typedef {import("./harness/servers.mjs").Around} Around */

const PROXIES = {
  nginx: async (/** @type {Around} */ around) => nginx({ after }, around, await nginxConfiguration()),
  caddy: (/** @type {Around} */ around) => caddy({ after }, around),
  haproxy: (/** @type {Around} */ around) => haproxy({ after }, around),
};

const skip = missing("php-fpm", "haproxy");

if (skip) {
  test("PHP behind the proxies", { skip }, () => {});
} else {
  const around = { api: await phpApi({ after }), way: (await checkFor({ after })).way };

  test("without a proxy PHP reads every spelling as one of ours: the cases below would see it", async () => {
    for (const name of [...OWN, ...OVERRIDES]) {
      const variables = await answerTo(around.api.port, [[name, "spoofed"]]);
      assert.equal(variables[variable(name)], "spoofed", name);
    }
  });

  for (const name of /** @type {(keyof typeof PROXIES)[]} */ (Object.keys(PROXIES))) {
    const without = missing(name);
    if (without) {
      test(`PHP behind ${name}`, { skip: without }, () => {});
      continue;
    }
    const proxy = await PROXIES[name](around);
    describe(`behind ${name}`, () => {
      test("no spelling of a client's header is one of ours", async () => {
        for (const header of OWN) {
          const variables = await answerTo(proxy.port, [[header, "spoofed"]]);
          assert.doesNotMatch(JSON.stringify(variables), /spoofed/, header);
          assert.equal(variables.HTTP_X_AUTH_ISSUER, "worth", header);
          assert.equal(variables.HTTP_X_AUTH_ADMIN, undefined, header);
        }
      });

      test("nothing says something else of the request than was judged", async () => {
        for (const header of OVERRIDES) {
          assert.doesNotMatch(JSON.stringify(await answerTo(proxy.port, [[header, "spoofed"]])), /spoofed/, header);
        }
      });

      test("all of them at once", async () => {
        const variables = await answerTo(proxy.port, [...OWN, ...OVERRIDES].map((header) => [header, "spoofed"]));
        assert.doesNotMatch(JSON.stringify(variables), /spoofed/);
        assert.equal(variables.HTTP_X_AUTH_ISSUER, "worth");
      });
    });
  }
}
