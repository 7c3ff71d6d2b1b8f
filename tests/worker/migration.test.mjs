// The ledger's tables have a version: those of the version before are replaced, and those of a later one are left alone.
import assert from "node:assert/strict";
import { test } from "node:test";
import { assertAnswer } from "./harness/answer.mjs";
import { assertRevoked, check, logOut, subjectOf } from "./harness/asking.mjs";
import { CONTRACTS, WORTH, logout } from "./harness/contracts.mjs";
import { change, rowsOf, shardFiles } from "./harness/database.mjs";
import { scratch } from "./harness/scratch.mjs";
import { start } from "./harness/worker.mjs";

const TABLES = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_cf%' ESCAPE '\\' AND name NOT LIKE 'sqlite%' ORDER BY name";

/** What the tables were before they had a version, with a row in each. */
const WITHOUT_VERSION = `
  CREATE TABLE revocations (
    key TEXT PRIMARY KEY, issuer TEXT NOT NULL, scope TEXT NOT NULL, revoked_at INTEGER NOT NULL, cut_off INTEGER,
    expires_at INTEGER NOT NULL, version INTEGER NOT NULL, in_feed INTEGER NOT NULL, indexed_at INTEGER,
    contested_until INTEGER, failures INTEGER NOT NULL, due_at INTEGER NOT NULL
  ) WITHOUT ROWID;
  CREATE INDEX feed ON revocations (version) WHERE in_feed = 1;
  CREATE INDEX agenda ON revocations (due_at) WHERE in_feed = 1;
  CREATE TABLE head (
    id INTEGER PRIMARY KEY CHECK (id = 1), epoch TEXT NOT NULL, latest INTEGER NOT NULL, trimmed INTEGER NOT NULL,
    swept_at INTEGER NOT NULL, first_expiry INTEGER
  );
  CREATE TABLE untold (
    id INTEGER PRIMARY KEY CHECK (id = 1), shards INTEGER NOT NULL, trimmed INTEGER NOT NULL, until INTEGER NOT NULL
  );
  INSERT INTO revocations VALUES ('v1:worth:session:x', 'worth', 'session', 1, NULL, 9000000000000, 1, 1, NULL, NULL, 0, 1);
  INSERT INTO head VALUES (1, 'epoch', 1, 0, 0, 9000000000000);
  INSERT INTO untold VALUES (1, 1, 0, 9000000000000);`;

/** @param {string} file @returns {string[]} */
const tablesIn = (file) => rowsOf(file, TABLES).map(({ name }) => name);

/** Everything that is stored. @param {string} file */
const dump = (file) => tablesIn(file).map((name) => [name, rowsOf(file, `SELECT * FROM ${name}`)]);

/** The file of a ledger that has recorded something and was stopped. @param {import("./harness/options.mjs").Options & { persistIn: string }} options @param {import("./harness/worker.mjs").Owner} owner */
async function stopped(owner, options) {
  const worker = await start(owner, options);
  const ended = await subjectOf(WORTH);
  await logOut(worker, ended);
  await worker.stored();
  await worker.dispose();
  const [file] = await shardFiles(options.persistIn);
  return { file, ended };
}

test("tables from before versions were noted are replaced", async (t) => {
  const options = { persistIn: await scratch(t) };
  const { file, ended } = await stopped(t, options);
  const [tables, [{ version }]] = [tablesIn(file), rowsOf(file, "SELECT max(version) AS version FROM migrations")];
  change(file, tables.map((name) => `DROP TABLE ${name};`).join("") + WITHOUT_VERSION);
  assert.deepEqual(tablesIn(file), ["head", "revocations", "untold"]);

  const worker = await start(t, options);
  const later = await subjectOf(WORTH);
  await logOut(worker, later);
  // Nothing of the old tables is read. Workers KV has what they had.
  await worker.imported();
  for (const freshness of ["strong", "bounded"]) for (const subject of [ended, later]) assertRevoked(await check(worker, subject, freshness));
  assert.deepEqual(tablesIn(file), tables);
  assert.deepEqual(rowsOf(file, "SELECT version FROM migrations").map((row) => row.version), Array.from({ length: version }, (_, index) => index + 1));
});

test("tables of a later version are refused and not changed: logouts fail, and nothing is active", async (t) => {
  const options = { persistIn: await scratch(t) };
  const { file, ended } = await stopped(t, options);
  change(file, "INSERT INTO migrations VALUES (99); ALTER TABLE log ADD COLUMN later TEXT;");
  const before = dump(file);

  const worker = await start(t, options);
  for (const contract of CONTRACTS) assertAnswer(await logout(worker, contract), contract.refusals.unavailable);
  for (const freshness of ["strong", "bounded"]) {
    for (const subject of [ended, await subjectOf(WORTH)]) {
      const got = await check(worker, subject, freshness);
      assert.deepEqual([got.status, got.json], [503, { error: "temporarily_unavailable", reason: "ledger_failed" }]);
    }
  }
  await worker.dispose();
  assert.deepEqual(dump(file), before);

  // The version that knows them takes over.
  change(file, "DELETE FROM migrations WHERE version = 99; ALTER TABLE log DROP COLUMN later;");
  const again = await start(t, options);
  assertRevoked(await check(again, ended, "strong"));
  await logOut(again, await subjectOf(WORTH));
});
