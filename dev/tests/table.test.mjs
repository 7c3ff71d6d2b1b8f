import assert from "node:assert/strict";
import { test } from "node:test";
import { merged, partsOf } from "../lib/table.mjs";

const worth = { name: "worth" };
const marzipan = { name: "marzipan" };

test("lists of all parts follow each other in the order of the variables' names", () => {
  const vars = {
    EDGE_LOGOUT_ROUTES: { routes: [{ issuer: "worth" }] },
    EDGE_LOGOUT: { issuers: [worth], ledger: { shards: 2 } },
    EDGE_LOGOUT_ISSUERS: { issuers: [marzipan], routes: [{ issuer: "marzipan" }] },
    EDGE_LOGOUT_DEVELOPMENT: "true",
    OTHER: "x",
  };
  const { table, findings } = merged(partsOf({ vars }, {}));
  assert.deepEqual(findings, []);
  assert.deepEqual(table, { issuers: [worth, marzipan], ledger: { shards: 2 }, routes: [{ issuer: "marzipan" }, { issuer: "worth" }] });
});

test("a part may be JSON text, also in a secret, which replaces a variable of its name", () => {
  const vars = { EDGE_LOGOUT: '{"issuers":[{"name":"worth"}]}', EDGE_LOGOUT_2: { issuers: [{ name: "replaced" }] } };
  const parts = partsOf({ vars }, { EDGE_LOGOUT_2: '{"issuers":[{"name":"marzipan"}]}' });
  assert.deepEqual(merged(parts), { table: { issuers: [worth, marzipan] }, findings: [] });
});

test("a setting that two parts have is refused by the names of both", () => {
  const { findings } = merged(partsOf({ vars: { EDGE_LOGOUT: { ledger: {} }, EDGE_LOGOUT_2: { ledger: {} } } }, {}));
  assert.deepEqual(findings, ["vars.EDGE_LOGOUT_2.ledger: is in vars.EDGE_LOGOUT as well: keep one of them"]);
});

test("a part that is no object is refused without being repeated", () => {
  for (const text of ["s3cret", "[1]", "null", '"s3cret"']) {
    const { findings } = merged(partsOf({ vars: {} }, { EDGE_LOGOUT_KEYS: text }));
    assert.deepEqual(findings, ["the secret EDGE_LOGOUT_KEYS: must be a JSON object"]);
  }
});

test("a deployed secret that is a part cannot be judged", () => {
  const { findings } = merged(partsOf({ vars: { EDGE_LOGOUT: {} } }, { EDGE_LOGOUT_KEYS: null }));
  assert.equal(findings.length, 1);
  assert.match(findings[0], /^the secret EDGE_LOGOUT_KEYS: .*--secrets-file FILE$/);
});

test("nothing is no table", () => {
  assert.deepEqual(merged(partsOf({}, { EDGE_LOGOUT_DEVELOPMENT: "true" })), { table: null, findings: [] });
});
