// The service's own pages: whether it is well, and what it offers.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, test } from "node:test";
import { Validator } from "@seriousme/openapi-schema-validator";
import { inRoot } from "../../dev/lib/paths.mjs";
import { assertAnswer } from "./harness/answer.mjs";
import { CONTRACTS, STOREFRONT, logout } from "./harness/contracts.mjs";
import { eventually } from "./harness/eventually.mjs";
import { routeIn } from "./harness/shipped.mjs";
import { start } from "./harness/worker.mjs";

const worker = await start({ after });
const version = /^version = "(.+)"$/m.exec(await readFile(inRoot("Cargo.toml"), "utf8"))?.[1];

/** @param {Record<string, string>} bindings */
const healthy = (bindings) => ({ status: 200, body: { status: "ok", version, configuration: "ok", bindings } });

test("/healthz says version, configuration and bindings", async () => {
  assertAnswer(await worker.fetch("/healthz"), healthy({ LEDGER: "ok", REVOCATIONS: "ok" }));
});

test("/healthz says that there is no ledger, which is no fault, and so does the log", async (t) => {
  const lacking = await start(t, { ledger: "missing" });
  assertAnswer(await lacking.fetch("/healthz"), healthy({ LEDGER: "absent", REVOCATIONS: "ok" }));
  const [line] = await eventually("a warning", () => lacking.events("ledger_absent").length > 0 && lacking.events("ledger_absent"));
  assert.deepEqual(Object.keys(line), ["event", "reason"]);
  assert.ok(lacking.logs.some(({ level, message }) => level === "warn" && message.includes("ledger_absent")));
});

test("/healthz knows a user directory's binding", async (t) => {
  const configure = (/** @type {import("./harness/shipped.mjs").Table} */ table) => void (routeIn(table, STOREFRONT.name).user_directory = "USERS");
  const complete = await start(t, { configure, namespaces: { USERS: "simulator" } });
  assertAnswer(await complete.fetch("/healthz"), healthy({ LEDGER: "ok", REVOCATIONS: "ok", USERS: "ok" }));
  const lacking = await start(t, { configure });
  assertAnswer(await lacking.fetch("/healthz"), {
    status: 503,
    body: { status: "degraded", version, configuration: "ok", bindings: { LEDGER: "ok", REVOCATIONS: "ok", USERS: "missing" } },
  });
});

test("without KV, /healthz is 503, and the ledger records logouts all the same", async (t) => {
  const lacking = await start(t, { namespaces: { REVOCATIONS: "missing" } });
  const got = await lacking.fetch("/healthz");
  assertAnswer(got, { status: 503, body: { status: "degraded", version, configuration: "ok", bindings: { LEDGER: "ok", REVOCATIONS: "missing" } } });
  const asked = await lacking.fetch("/healthz", { method: "HEAD" });
  assert.deepEqual([asked.status, asked.text], [503, ""]);
  for (const contract of CONTRACTS) contract.assertSuccess(await logout(lacking, contract));
});

test("without KV and without a ledger, every logout is its contract's failure", async (t) => {
  const lacking = await start(t, { ledger: "missing", namespaces: { REVOCATIONS: "missing" } });
  for (const contract of CONTRACTS) assertAnswer(await logout(lacking, contract), contract.refusals.unavailable);
});

test("/openapi.json is valid OpenAPI 3.1 and has every path", async () => {
  const { status, json } = await worker.fetch("/openapi.json");
  assert.equal(status, 200);
  const validator = new Validator();
  const { valid, errors } = await validator.validate(structuredClone(json));
  assert.ok(valid, JSON.stringify(errors, null, 2));
  assert.equal(validator.version, "3.1");
  assert.equal(json.info.version, version);

  const paths = CONTRACTS.flatMap((contract) => contract.paths.map((path) => path.replace("my-store", "{store_id}")));
  assert.deepEqual(Object.keys(json.paths).sort(), [...paths, "/batch-check", "/check", "/healthz", "/openapi.json", "/readyz"].sort());
  const operations = paths.map((path) => json.paths[path].post);
  assert.equal(new Set(operations.map(({ operationId }) => operationId)).size, paths.length);
});

test("/openapi.json describes what the contracts answer", async () => {
  const { json } = await worker.fetch("/openapi.json");
  for (const contract of CONTRACTS) {
    for (const path of contract.paths) {
      const operation = json.paths[path.replace("my-store", "{store_id}")].post;
      assert.deepEqual(operation.security, [{ bearerAuth: [] }]);
      const answered = ["200", ...Object.values(contract.refusals).map(({ status }) => String(status))];
      for (const status of answered) assert.ok(status in operation.responses, `${path}: ${status}`);
      const parameters = operation.parameters.filter((/** @type {{ in: string }} */ parameter) => parameter.in === "path");
      assert.equal(parameters.length, path.includes("my-store") ? 1 : 0);
    }
  }
  assert.deepEqual(json.components.securitySchemes.bearerAuth, { type: "http", scheme: "bearer", bearerFormat: "JWT" });
});

test("/openapi.json is of the paths that are configured", async (t) => {
  const moved = await start(t, { configure: (table) => void (routeIn(table, STOREFRONT.name).paths = ["/{shop}/{lang}/bye"]) });
  const { json } = await moved.fetch("/openapi.json");
  assert.ok((await new Validator().validate(structuredClone(json))).valid);
  const names = json.paths["/{shop}/{lang}/bye"].post.parameters.map((/** @type {{ name: string }} */ { name }) => name);
  assert.deepEqual(names.sort(), ["lang", "shop"]);
  assert.ok(!("/auth/logout" in json.paths));
});
