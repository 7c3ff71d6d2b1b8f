// Load: wrk on one thread, which sends prebuilt requests in turn over connections that are kept.
import { writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { Refusal } from "../../dev/lib/refusal.mjs";
import { ask, run } from "../../dev/lib/run.mjs";

const SCRIPT = fileURLToPath(new URL("rotate.lua", import.meta.url));
export const CONNECTIONS = 32;

/**
 * What came of a run.
 * @typedef {object} Run
 * @property {number} requests answered
 * @property {number} seconds
 * @property {number} refused answers that are no success
 * @property {number} broken connections and answers that never came
 * @property {number} p50 milliseconds
 * @property {number} p99 milliseconds
 * @property {number} sent requests of the file so far, those of earlier runs included
 */

export async function wrkVersion() {
  const { code, output } = await run("wrk", ["-v"]);
  if (code === 127) throw new Refusal("wrk is missing, with which the load is made. On Debian or Ubuntu: apt-get install wrk.");
  return /wrk \S+/.exec(output)?.[0] ?? "wrk";
}

export async function refuseUnfitPlatform() {
  if (process.platform !== "linux") throw new Refusal("What a process costs is read from /proc, so this runs on Linux only");
  if ((await ask("getconf", ["CLK_TCK"])) !== "100") throw new Refusal("This Linux does not count the time of processes in hundredths of a second");
}

/** @param {{ method?: string, path: string, token?: string, body?: string }} what */
export function requestText({ method = "GET", path, token, body }) {
  const headers = [
    "Host: api.example",
    "User-Agent: bench",
    "Accept: */*",
    ...(token === undefined ? [] : [`Authorization: Bearer ${token}`]),
    ...(body === undefined ? [] : ["Content-Type: application/json"]),
    ...(method === "POST" ? [`Content-Length: ${Buffer.byteLength(body ?? "")}`] : []),
  ];
  return `${method} ${path} HTTP/1.1\r\n${headers.join("\r\n")}\r\n\r\n${body ?? ""}`;
}

/** @param {string} file @param {string[]} requests */
export const writeRequests = (file, requests) => writeFile(file, requests.map((text) => `${Buffer.byteLength(text)}\n${text}`).join(""));

/** @param {string} output of wrk @returns {Run} */
export function parseRun(output) {
  const line = output.trimEnd().split("\n").at(-1) ?? "";
  if (!line.startsWith("{")) throw new Refusal(`${output}\nwrk did not run to its end`);
  const { requests, microseconds, refused, broken, p50, p99, sent } = JSON.parse(line);
  return { requests, seconds: microseconds / 1e6, refused, broken, p50: p50 / 1000, p99: p99 / 1000, sent };
}

/**
 * @param {{ port: number, file: string, sent: number, seconds: number, limit?: number, connections?: number }} what `limit`: ends before more are sent
 * @returns {Promise<Run>}
 */
export async function load({ port, file, sent, seconds, limit = 0, connections = CONNECTIONS }) {
  const { output } = await run("wrk", ["-t1", `-c${connections}`, `-d${seconds}s`, "--timeout", "10s", "-s", SCRIPT, `http://127.0.0.1:${port}/`, "--", file, String(sent), String(limit)]);
  return parseRun(output);
}
