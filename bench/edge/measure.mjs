// Measuring: every cell once in each round, in a process of its own, in an order that changes from round to round.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { seconds as since } from "../../dev/lib/progress.mjs";
import { kvCount, must } from "./asking.mjs";
import { load, writeRequests } from "./load.mjs";
import { watchOthers } from "./machine.mjs";
import { withSubject } from "./subjects.mjs";

/** @typedef {import("./cells.mjs").Cell} Cell */
/** @typedef {import("./workerd.mjs").Workerd} Workerd */
/** @typedef {import("./load.mjs").Run} Run */
/**
 * What one round of a cell gave.
 * @typedef {object} Round
 * @property {number} perSecond requests
 * @property {number} cpu microseconds of the runtime's process for a request, all of its threads together
 * @property {number} p50 milliseconds
 * @property {number} p99 milliseconds
 * @property {number} kvReads for a request
 * @property {number} kvWrites for a request
 * @property {number} others which share of all processors other processes had meanwhile
 */
/** @typedef {{ seconds: number, warmUp: number, folder: string }} Options */

/** Of requests that are good for once, so many are kept back to look whether it worked. */
const KEPT_BACK = 10;
/** How often KV is looked at again once the process rests. */
const TRIES = 30;

/** @param {Cell} cell @param {string} folder */
async function requestFile({ requests }, folder) {
  const file = join(folder, `${requests.name}.requests`);
  if (!existsSync(file)) await writeRequests(file, requests.texts());
  return file;
}

/** @param {Cell} cell @param {Workerd} worker @param {Run} run */
function refuseBad(cell, worker, { refused, broken, requests }) {
  if (refused + broken > 0) throw worker.refusal(`${cell.title}: of ${requests} requests ${refused} were refused and ${broken} broke off`);
  must(requests > 0, `${cell.title}: nothing was answered`);
}

/** Waits for all that follows the answers: an entry of KV for each, at the least, and then nothing more.
 * @param {Workerd} worker @param {number} entries that KV is to have got in all */
async function untilDone(worker, entries) {
  await worker.rest();
  for (let tries = 0; (await kvCount(worker)).writes < entries; tries++) {
    must(tries < TRIES, `Of ${entries} logouts only ${(await kvCount(worker)).writes} came to KV`);
    await worker.rest();
  }
}

/** @param {Cell} cell @param {Workerd} worker @param {Options} options @returns {Promise<Round>} */
async function underLoad(cell, worker, { seconds, warmUp, folder }) {
  await cell.before(worker);
  const file = await requestFile(cell, folder);
  const where = { port: worker.ports.http, file, connections: cell.connections };
  const limit = cell.isOnce ? cell.requests.texts().length - KEPT_BACK : 0;
  const warm = await load({ ...where, sent: 0, seconds: warmUp, limit: Math.floor(limit / 3) });
  refuseBad(cell, worker, warm);
  if (cell.isOnce) await untilDone(worker, warm.requests);
  const others = watchOthers(worker.pid);
  const [kvBefore, cpuBefore] = [await kvCount(worker), worker.cpuSeconds()];
  const run = await load({ ...where, sent: warm.sent, seconds, limit });
  if (cell.isOnce) await untilDone(worker, warm.requests + run.requests);
  const [cpu, kv, othersShare] = [worker.cpuSeconds() - cpuBefore, await kvCount(worker), others()];
  refuseBad(cell, worker, run);
  await cell.after(worker);
  return {
    perSecond: run.requests / run.seconds,
    cpu: (cpu / run.requests) * 1e6,
    p50: run.p50,
    p99: run.p99,
    kvReads: (kv.reads - kvBefore.reads) / run.requests,
    kvWrites: (kv.writes - kvBefore.writes) / run.requests,
    others: othersShare,
  };
}

/** Begins elsewhere in every round, and goes the other way in every second one. @template T @param {T[]} cells @param {number} round @returns {T[]} */
export function orderOf(cells, round) {
  const first = Math.floor((round * cells.length * 0.382) % cells.length);
  const rotated = [...cells.slice(first), ...cells.slice(0, first)];
  return round % 2 ? rotated.reverse() : rotated;
}

/**
 * @param {Cell[]} cells @param {Options & { rounds: number }} options
 * @returns {Promise<Map<string, Round[]>>} by the cell's name
 */
export async function measure(cells, { rounds, ...options }) {
  const results = new Map(cells.map(({ name }) => [name, /** @type {Round[]} */ ([])]));
  const begun = performance.now();
  for (let round = 0; round < rounds; round++) {
    for (const cell of orderOf(cells, round)) {
      const got = await withSubject(cell.subject, options.folder, (worker) => underLoad(cell, worker, options));
      results.get(cell.name)?.push(got);
      console.error(`  round ${round + 1}/${rounds}  ${String(Math.round(got.perSecond)).padStart(6)}/s ${got.cpu.toFixed(1).padStart(7)} us  ${cell.title} (${since(begun)})`);
    }
  }
  return results;
}
