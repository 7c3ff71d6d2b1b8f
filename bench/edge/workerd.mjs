// A process of the runtime itself, `workerd serve`, with nothing before it.
import { once } from "node:events";
import { spawn } from "node:child_process";
import { openSync, closeSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Refusal } from "../../dev/lib/refusal.mjs";
import { onStop } from "../../dev/lib/stop.mjs";
import { processFields } from "./machine.mjs";

/** The clock in which Linux counts the time of processes. */
const TICKS_PER_SECOND = 100;
const STARTS_WITHIN_MS = 20_000;
const ANSWERS_WITHIN_MS = 15_000;
/** A process rests that has used at most one tick in each of so many such times: an alarm may gather work for a while. */
const REST_MS = 400;
const RESTS_TIMES = 3;
const RESTS_WITHIN_MS = 60_000;

/** @type {string} */
const BINARY = createRequire(import.meta.url)("workerd").default;

/** @param {number} milliseconds */
export const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

export class Workerd {
  /** @type {Record<string, number>} the port of each socket */
  ports = {};
  /** @type {import("node:child_process").ChildProcess | undefined} */
  #child;
  #log = "";

  /** @param {string} folder that holds config.capnp @param {number} sockets how many it has */
  async start(folder, sockets) {
    this.#log = join(folder, "log");
    const log = openSync(this.#log, "w");
    const child = spawn(BINARY, ["serve", "--experimental", "--control-fd=3", "config.capnp"], { cwd: folder, stdio: ["ignore", log, log, "pipe"] });
    closeSync(log);
    this.#child = child;
    this.done = onStop(() => child.kill("SIGKILL"));
    const deadline = setTimeout(() => child.kill("SIGKILL"), STARTS_WITHIN_MS);
    const control = createInterface({ input: /** @type {import("node:stream").Readable} */ (child.stdio[3]) });
    for await (const line of control) {
      const told = JSON.parse(line);
      if (told.event === "listen") this.ports[told.socket] = told.port;
      if (Object.keys(this.ports).length === sockets) break;
    }
    clearTimeout(deadline);
    if (Object.keys(this.ports).length < sockets) throw this.refusal("workerd does not start");
    return this;
  }

  get pid() {
    return Number(this.#child?.pid);
  }

  /** With what it has said last that is no success. @param {string} what */
  refusal(what) {
    const lines = readFileSync(this.#log, "utf8").split("\n").filter((line) => !/"outcome":"(answered|passed|revoked)"/.test(line));
    return new Refusal(`${lines.slice(-15).join("\n")}\n${what}`);
  }

  /** The time of processors that it has used, in seconds. */
  cpuSeconds() {
    const fields = processFields(this.pid);
    return (fields[11] + fields[12]) / TICKS_PER_SECOND;
  }

  /** Its resident memory, in bytes. */
  residentBytes() {
    return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${this.pid}/status`, "utf8"))?.[1]) * 1024;
  }

  /** Waits until it has worked off what its answers have left to do. */
  async rest() {
    const begun = performance.now();
    for (let [quiet, before] = [0, -1]; performance.now() - begun < RESTS_WITHIN_MS; ) {
      const now = this.cpuSeconds();
      quiet = before >= 0 && now - before <= 1.5 / TICKS_PER_SECOND ? quiet + 1 : 0;
      if (quiet === RESTS_TIMES) return;
      before = now;
      await pause(REST_MS);
    }
    throw this.refusal(`workerd does not come to rest within ${RESTS_WITHIN_MS / 1000} s`);
  }

  async stop() {
    const child = this.#child;
    this.done?.();
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    await ended;
  }

  /** @param {string} socket @param {string} path @param {RequestInit} [init] */
  async ask(socket, path, init = {}) {
    try {
      // A connection each: one that was kept during the load may just be closed.
      const headers = { connection: "close", .../** @type {Record<string, string>} */ (init.headers) };
      return await fetch(`http://127.0.0.1:${this.ports[socket]}${path}`, { signal: AbortSignal.timeout(ANSWERS_WITHIN_MS), ...init, headers });
    } catch (error) {
      throw this.refusal(`${init.method ?? "GET"} ${path} was not answered: ${/** @type {Error} */ (error).message}`);
    }
  }
}
