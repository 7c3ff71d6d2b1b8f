// After the load: every logout of the run is asked about once more.
import { DEVELOPMENT_CLIENT_SECRET } from "../../dev/lib/dev-vars.mjs";
import { pause } from "../edge/workerd.mjs";
import { Connection } from "./connection.mjs";
import { bytes, json, told } from "./requests.mjs";
import { OPAQUE, kvKeys } from "./tokens.mjs";

/** @typedef {import("./tokens.mjs").Subject} Subject */

const BATCH = 100;
const AT_ONCE = 8;
const TRIES = 3;
const IN_KV_WITHIN_MS = 90_000;

/** @template T @param {T[]} all @param {number} size */
const slices = (all, size) => Array.from({ length: Math.ceil(all.length / size) }, (_, index) => all.slice(index * size, (index + 1) * size));

/** @param {import("./stage.mjs").Stage} stage @param {import("./config.mjs").Place} place @param {Subject[]} subjects @param {"strong" | "bounded"} freshness @returns {Promise<string[]>} whoever is not refused, and why not */
export async function notRefused(stage, place, subjects, freshness) {
  const batches = [
    ...slices(subjects.filter(({ issuer }) => issuer !== OPAQUE), BATCH),
    ...slices(subjects.filter(({ issuer }) => issuer === OPAQUE), BATCH),
  ];
  /** @type {string[]} */
  const wrong = [];
  const work = async () => {
    const connection = new Connection(stage.at[place]);
    for (let batch = batches.pop(); batch; batch = batches.pop()) wrong.push(...(await askBatch(connection, batch, freshness)));
    connection.close();
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return wrong;
}

/** @param {Connection} connection @param {Subject[]} batch @param {string} freshness */
async function askBatch(connection, batch, freshness) {
  const asked = { tokens: batch.map(({ token }) => token), freshness, ...(batch[0].issuer === OPAQUE && { issuer: OPAQUE }) };
  const request = bytes({ method: "POST", path: "/batch-check", token: DEVELOPMENT_CLIENT_SECRET, body: JSON.stringify(asked) });
  for (let tries = 1; ; tries++) {
    const answer = await connection.ask(request);
    /** @type {any[]} */
    const verdicts = json(answer.text).verdicts ?? [];
    const isTold = answer.status === 200 && verdicts.length === batch.length && verdicts.every(({ status }) => status !== "unknown");
    if (!isTold && tries < TRIES) {
      await pause(500);
      continue;
    }
    if (!isTold) return [`${freshness}: ${told(answer)}`];
    return batch.flatMap(({ issuer, token }, index) =>
      verdicts[index].status === "revoked" ? [] : [`${freshness}: ${issuer} ${JSON.stringify(verdicts[index])} ${token.slice(0, 40)}`],
    );
  }
}

/** Waits until KV has all of them; gives the keys that it still has not. @param {import("./stage.mjs").Stage} stage @param {Subject[]} subjects */
export async function missingInKv(stage, subjects) {
  let keys = subjects.flatMap(kvKeys);
  for (const begun = performance.now(); performance.now() - begun < IN_KV_WITHIN_MS; await pause(500)) {
    keys = await stage.kv.missing(keys);
    if (keys.length === 0) break;
  }
  return keys;
}

/** What the runtime has said that it never may, and why requests have failed. @param {import("./stage.mjs").Stage} stage */
export async function readLog(stage) {
  /** @type {Map<string, number>} */
  const failures = new Map();
  const unexpected = [];
  for await (const line of stage.log()) {
    if (/Critical|Reinitializing|RuntimeError|"event":"ledger_failed"|misconfigured/.test(line)) unexpected.push(line.slice(0, 300));
    const found = /"outcome":"failed".*?"reason":"(\w+)"/.exec(line) ?? /"event":"(index_write_failed|keys_fetch_failed)"/.exec(line);
    if (found) failures.set(found[1], (failures.get(found[1]) ?? 0) + 1);
  }
  return { failures, unexpected };
}
