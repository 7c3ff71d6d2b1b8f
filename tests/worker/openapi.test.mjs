// /openapi.json as its readers use it: Redocly's linter has no warning, and openapi-typescript makes types of it with
// which wrong programs do not compile.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { TOOLS, inRoot } from "../../dev/lib/paths.mjs";
import { run } from "../../dev/lib/run.mjs";
import { STOREFRONT } from "./harness/contracts.mjs";
import { routeIn } from "./harness/shipped.mjs";
import { start } from "./harness/worker.mjs";

/** @typedef {import("./harness/shipped.mjs").Table} Table */

const PACKAGES = join(TOOLS, "openapi", "node_modules");
const REDOCLY = join(PACKAGES, "@redocly", "cli", "bin", "cli.js");
const OPENAPI_TYPESCRIPT = join(PACKAGES, "openapi-typescript", "bin", "cli.js");
const TSC = inRoot("node_modules", "typescript", "bin", "tsc");
/** The linter must neither report on us nor look for a newer one of itself. */
const OFFLINE = { REDOCLY_TELEMETRY: "off", REDOCLY_SUPPRESS_UPDATE_NOTICE: "true" };

if (!existsSync(REDOCLY)) throw new Error("There are no tools for OpenAPI: run `node dev/setup.mjs --tests`");

/** @type {string} */
let folder;
before(async () => void (folder = await mkdtemp(join(tmpdir(), "edge-logout-openapi-"))));
after(() => rm(folder, { recursive: true, force: true }));

/** A program of npm's, in the folder. @param {string[]} args */
const node = (args) => run(process.execPath, args, { cwd: folder, env: OFFLINE });

/** @param {import("node:test").TestContext} t @param {(table: Table) => void} configure @returns {Promise<any>} */
async function describedAs(t, configure) {
  const worker = await start(t, { configure });
  const { status, json } = await worker.fetch("/openapi.json");
  assert.equal(status, 200);
  return json;
}

/** What Redocly's recommended rules find. @param {string} name @param {unknown} document */
async function findings(name, document) {
  await writeFile(join(folder, name), JSON.stringify(document));
  const { stdout, output } = await node([REDOCLY, "lint", name, "--extends=recommended", "--format=json"]);
  const { totals, problems } = JSON.parse(stdout.slice(stdout.indexOf("{")) || assert.fail(output));
  assert.equal(typeof totals.warnings, "number");
  return problems.map((/** @type {any} */ { ruleId, message, location }) => `${ruleId}: ${message} ${location?.[0]?.pointer}`);
}

const GUARD = { kind: "guard", paths: ["/api/*"], issuers: ["worth"] };
const CONFIGURATIONS = /** @type {Record<string, (table: Table) => void>} */ ({
  shipped: () => {},
  "a contract on paths of every kind": (table) => void (routeIn(table, "worth").paths = ["/a/{b}/c", "/x.y/~z", "/%C3%A4"]),
  "a contract for two shops": (table) => void table.routes.push({ contract: "worth", issuer: "worth", host: "b.example", paths: ["/b/logout"] }),
  "the storefront alone": (table) => void (table.routes = table.routes.filter(({ contract }) => contract === STOREFRONT.name)),
  "guards alone": (table) => void (table.routes = [GUARD]),
});

for (const [title, configure] of Object.entries(CONFIGURATIONS)) {
  test(`Redocly's linter has no warning: ${title}`, async (t) => {
    assert.deepEqual(await findings(`${title.replaceAll(" ", "-")}.json`, await describedAs(t, configure)), []);
  });
}

test("operations are named by contract and path, whatever else is configured before them", async (t) => {
  const names = (/** @type {any} */ document) =>
    Object.fromEntries(Object.entries(document.paths).flatMap(([path, item]) => Object.values(/** @type {any} */ (item)).map(({ operationId }) => [path, operationId])));
  const shipped = names(await describedAs(t, () => {}));
  const reversed = names(await describedAs(t, (table) => void (table.routes = [{ contract: "worth", issuer: "worth", paths: ["/first"] }, ...table.routes.reverse()])));
  assert.deepEqual(reversed, { ...shipped, "/first": "worth.first" });
  assert.equal(shipped["/auth/api/v1/customer/logout"], "worth.auth.api.v1.customer.logout");
  assert.equal(shipped["/api/v1/{store_id}/storefront/auth/logout"], "commerce-engine-storefront.api.v1.:store_id.storefront.auth.logout");
});

/** Every answer of a document: where, with which schema, and which receipt. @param {any} document */
function* answersIn({ paths }) {
  for (const [path, item] of Object.entries(paths)) {
    const [{ responses }] = /** @type {any[]} */ (Object.values(item));
    for (const [status, { content, headers = {} }] of Object.entries(responses)) {
      yield { path, status, schema: content?.["application/json"].schema.$ref, receipt: headers["Revocation-Effective"]?.$ref };
    }
  }
}

test("every answer that has a body has a named type, and every logout its receipt", async (t) => {
  const document = await describedAs(t, () => {});
  for (const { path, status, schema, receipt } of answersIn(document)) {
    const isUntyped = status === "200" && ["/check", "/openapi.json"].includes(path); // no body, and any document
    if (!isUntyped) assert.match(`${schema}`, /^#\/components\/schemas\/\w+$/, `${path} ${status}`);
    const wanted = status === "200" && path.endsWith("/logout") ? "#/components/headers/RevocationEffective" : undefined;
    assert.equal(receipt, wanted, `${path} ${status}`);
  }
  const { pattern, examples } = document.components.headers.RevocationEffective.schema;
  for (const example of [...examples, "eventual=@1795182656"]) assert.match(example, new RegExp(pattern));
});

const USAGE = `
import type { components, paths } from "./types";

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false;
const same = <_ extends true>() => {};
type Answers<P extends keyof paths> = paths[P] extends { post: { responses: infer R } } ? R : never;
type Body<P extends keyof paths, S extends keyof Answers<P>> = Answers<P>[S] extends { content: { "application/json": infer B } } ? B : never;

same<Same<Body<"/customer/logout", 200>, { status: string; message: string }>>();
same<Same<Body<"/customer/logout", 401>, components["schemas"]["WorthError"]>>();
same<Same<Body<"/customer/logout", 405>["errorCode"], "ERR_BAD_REQUEST" | "ERR_UNAUTHORIZED" | "ERR_FORBIDDEN" | "ERR_INTERNAL_SERVER">>();
same<Same<paths["/customer/logout"]["post"]["responses"][200]["headers"]["Revocation-Effective"], string>>();
same<Same<Body<"/v1/account/logout", 503>, { message: string }>>();
same<Same<Body<"/v2/giftcards/customers/logout", 422>["detail"][number]["loc"], (string | number)[]>>();
same<Same<Body<"/api/v1/{store_id}/storefront/pos/auth/logout", 413>["code"], "unauthorized" | "bad_request" | "not_found" | "internal_error">>();
same<Same<Body<"/api/v1/{store_id}/storefront/auth/logout", 200>["content"]["access_token"], string>>();
same<Same<NonNullable<Body<"/batch-check", 200>["verdicts"][number]["ended_by"]>, "issuer" | "subject" | "session" | "token">>();
same<Same<paths["/healthz"]["get"]["responses"][503]["content"]["application/json"]["status"], "ok" | "degraded" | "misconfigured">>();
same<Same<paths["/check"]["get"]["responses"][401]["content"]["application/json"], components["schemas"]["CheckError"]>>();

const request: paths["/batch-check"]["post"]["requestBody"]["content"]["application/json"] = { tokens: ["a"], freshness: "strong" };
export const told = request.tokens;
`;

/** @param {string} name @param {string} text */
async function compiled(name, text) {
  await writeFile(join(folder, name), text);
  return node([TSC, "--noEmit", "--strict", "--ignoreConfig", "--target", "es2023", "--module", "nodenext", "--moduleResolution", "nodenext", "--types", "", name]);
}

test("openapi-typescript makes usable types", async (t) => {
  await writeFile(join(folder, "openapi.json"), JSON.stringify(await describedAs(t, () => {})));
  const made = await node([OPENAPI_TYPESCRIPT, "openapi.json", "--output", "types.ts"]);
  assert.equal(made.code, 0, made.output);
  const good = await compiled("usage.ts", USAGE);
  assert.equal(good.code, 0, good.output);
  for (const [right, wrong] of [["status: string; message: string", "status: number; message: string"], ['freshness: "strong"', 'freshness: "soon"'], ["/v1/account/logout", "/v1/account/login"]]) {
    const bad = await compiled("wrong.ts", USAGE.replace(right, wrong));
    assert.notEqual(bad.code, 0, `${wrong} compiles`);
  }
});
