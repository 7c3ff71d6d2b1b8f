// The Worker as it is shipped, and beside it the rows that its ledger writes, on a socket of its own. Cloudflare bills
// what `rowsWritten` of a cursor says, and every alarm that is set as one row more.
import service, { Ledger as Shipped } from "./index.js";
import { WorkerEntrypoint } from "cloudflare:workers";

export * from "./index.js";

const ALARM = "setAlarm";

/** The rows of what was written, by statement. @type {Map<string, { calls: number, rows: number }>} */
const written = new Map();
/** The cursors that are not added up yet: their rows are only known once they were read. */
const open = [];
/** The names of the objects that were seen. */
const objects = new Set();

function add(statement, rows) {
  const sum = written.get(statement) ?? { calls: 0, rows: 0 };
  written.set(statement, { calls: sum.calls + 1, rows: sum.rows + rows });
}

/** One line, so that the same statement with another number of values is the same. */
const shortened = (statement) => statement.replaceAll(/\s+/g, " ").replaceAll(/(\(\?[^)]*\)|\?)(, ?(\(\?[^)]*\)|\?))+/g, "$1, …").trim();

function addUp() {
  for (const { statement, cursor } of open.splice(0)) if (cursor.rowsWritten > 0) add(statement, cursor.rowsWritten);
}

/** Counts in the runtime's own classes, once for the isolate: whatever the Worker keeps of them is counted as well. */
function countIn(storage) {
  const [sql, alarms] = [storage.sql, storage].map((of) => Object.getPrototypeOf(of));
  const { exec } = sql;
  const { setAlarm } = alarms;
  if (exec.isCounted) return;
  sql.exec = function (statement, ...values) {
    const cursor = exec.call(this, statement, ...values);
    open.push({ statement: shortened(statement), cursor });
    if (open.length > 1_000) addUp();
    return cursor;
  };
  sql.exec.isCounted = true;
  alarms.setAlarm = function (...when) {
    add(ALARM, 1);
    return setAlarm.apply(this, when);
  };
}

export class Ledger extends Shipped {
  constructor(ctx, env) {
    countIn(ctx.storage);
    super(ctx, env);
    objects.add(ctx.id.name);
  }

  /** How many rows it stores, and when it wakes next. */
  async left() {
    const { sql } = this.ctx.storage;
    const names = sql.exec("SELECT name FROM sqlite_master WHERE type = 'table'").toArray().map(({ name }) => name);
    const own = names.filter((name) => !name.startsWith("_cf_") && !name.startsWith("sqlite_"));
    const rows = own.map((name) => sql.exec(`SELECT count(*) AS rows FROM "${name}"`).toArray()[0].rows);
    return { rows: rows.reduce((sum, count) => sum + count, 0), alarm: await this.ctx.storage.getAlarm() };
  }
}

export class Rows extends WorkerEntrypoint {
  async fetch() {
    addUp();
    const left = await Promise.all([...objects].map((name) => this.env.LEDGER.getByName(name).left()));
    return Response.json({ written: Object.fromEntries(written), left });
  }
}

export default service;
