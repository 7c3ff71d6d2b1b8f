// A stream of checks of many tokens in one place while they are logged out in another, and what came of it.
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { check, logOut } from "./asking.mjs";
import { forAll } from "./eventually.mjs";

/** @typedef {import("./asking.mjs").Subject} Subject */
/** @typedef {import("./worker.mjs").Worker} Worker */
/** @typedef {{ begun: number, ended: number, status: number, body: any }} Check in the time of performance.now() */
/** @typedef {{ subject: Subject, begun?: number, loggedOut?: number, checks: Check[] }} Record `loggedOut`: when the answer was here */

/** The Worker's clock has whole milliseconds, this one has fractions: as much as two readings of it may be off. */
export const CLOCK_MS = 2;

const CHECKERS = 6;
const LOGGERS_OUT = 3;

/** @param {Worker} worker @param {Record} record @param {string} freshness */
export async function checkOnce(worker, record, freshness) {
  const begun = performance.now();
  const { status, json } = await check(worker, record.subject, freshness);
  record.checks.push({ begun, ended: performance.now(), status, body: json });
}

/**
 * @param {{ here: Worker, there: Worker, subjects: Subject[], freshness: string, lastsMs: number, afterwardsMs: number }} what
 * @returns {Promise<Record[]>}
 */
export async function stream({ here, there, subjects, freshness, lastsMs, afterwardsMs }) {
  /** @type {Record[]} */
  const records = subjects.map((subject) => ({ subject, checks: [] }));
  const waiting = [...records];
  const logsOut = async () => {
    for (let record = waiting.shift(); record; record = waiting.shift()) {
      record.begun = performance.now();
      await logOut(here, record.subject);
      record.loggedOut = performance.now();
      await sleep((lastsMs * LOGGERS_OUT) / records.length);
    }
  };
  // Mostly those that are being logged out or were just now: there is something to see.
  const isHot = (/** @type {Record} */ { begun, loggedOut = Infinity }) => begun !== undefined && performance.now() < loggedOut + afterwardsMs;
  const checks = async (/** @type {number} */ ends) => {
    for (let turn = 0; performance.now() < ends; turn++) {
      const hot = turn % 8 === 0 ? records : records.filter(isHot);
      await (hot.length > 0 ? checkOnce(there, hot[Math.floor(Math.random() * hot.length)], freshness) : sleep(1));
    }
  };
  // What was checked before is what hides: every token is known there as active.
  await forAll(records, (record) => checkOnce(there, record, freshness));
  for (const { checks: [{ status, body }] } of records) assert.equal(status, 200, JSON.stringify(body));
  const ends = performance.now() + lastsMs + afterwardsMs;
  await Promise.all([...Array.from({ length: LOGGERS_OUT }, logsOut), ...Array.from({ length: CHECKERS }, () => checks(ends))]);
  return records;
}

/** No check that began later than that after its logout was answered says active, nor any after one that refused. @param {Record[]} records @param {number} boundMs */
export function assertNeverActiveAfter(records, boundMs) {
  for (const { subject, loggedOut = Infinity, checks } of records) {
    const refused = checks.find(({ status }) => status !== 200)?.ended ?? Infinity;
    for (const { begun, status, body } of checks) {
      const told = `${subject.contract.name}: a check that began ${begun - loggedOut} ms after the logout, ${begun - refused} ms after a refusal`;
      assert.ok(status === 200 || (status === 401 && body.reason === "revoked"), `${told}: ${status} ${JSON.stringify(body)}`);
      if (begun > loggedOut + boundMs + CLOCK_MS || begun > refused) assert.equal(status, 401, told);
    }
  }
}

/** How long after logouts the last checks began that said active: that is staleness, as far as checks were there to see it. @param {Record[]} records */
export function staleness(records) {
  const ages = records.map(({ loggedOut = 0, checks }) => Math.max(0, ...checks.filter(({ status }) => status === 200).map(({ begun }) => begun - loggedOut)));
  ages.sort((one, other) => one - other);
  const at = (/** @type {number} */ share) => Math.round(ages[Math.min(ages.length - 1, Math.floor(ages.length * share))]);
  const checks = records.reduce((sum, record) => sum + record.checks.length, 0);
  return `${records.length} logouts, ${checks} checks; staleness p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, max ${at(1)} ms`;
}
