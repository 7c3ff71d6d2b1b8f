// `wrangler dev` as a child that can be waited for and is certain to be gone afterwards, workerd included.
import { spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { KEEP_SERVING } from "../build.mjs";
import { ROOT, inRoot } from "./paths.mjs";
import { wranglerArgs, wranglerEnv, wranglerProgram } from "./wrangler.mjs";

const PATIENCE_MS = 5_000;

export class DevServer {
  /** What it printed before it was ready: told only when it fails. */
  #output = "";
  #showing = false;
  #child;

  /** @param {number} port */
  constructor(port) {
    const args = ["dev", "--ip", "127.0.0.1", "--port", String(port), "--inspector-port", "0", "--show-interactive-dev-session=false"];
    // A process group of its own: its signals come from us alone, and all that it starts can be ended with it.
    this.#child = spawn(wranglerProgram, wranglerArgs([...args, "--persist-to", ".wrangler/state"]), {
      cwd: ROOT,
      // It needs nothing from the user's configuration, and leaves nothing there.
      env: { ...process.env, ...wranglerEnv(), XDG_CONFIG_HOME: inRoot(".wrangler", "config"), [KEEP_SERVING]: "true" },
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream.setEncoding("utf8").on("data", (text) => this.#take(text));
    }
    /** @type {Promise<number>} its exit code */
    this.ended = new Promise((resolve) => {
      this.#child.on("error", (error) => {
        this.#take(error.message);
        resolve(127);
      });
      this.#child.on("exit", (code) => resolve(code ?? 1));
    });
  }

  /** @param {string} text */
  #take(text) {
    if (this.#showing) process.stderr.write(text);
    else this.#output += text;
  }

  /** From now on its output is shown as it comes. */
  show() {
    this.#showing = true;
  }

  get output() {
    return this.#output;
  }

  /**
   * Whether it answers requests, at all, within a time.
   * @param {string} url
   * @param {number} withinMs
   */
  async answers(url, withinMs) {
    const until = Date.now() + withinMs;
    let ended = false;
    void this.ended.then(() => (ended = true));
    while (!ended && Date.now() < until) {
      const response = await fetch(url, { signal: AbortSignal.timeout(2_000) }).catch(() => undefined);
      if (response) return true;
      await sleep(100);
    }
    return false;
  }

  async stop() {
    this.#signal("SIGTERM");
    await Promise.race([this.ended, sleep(PATIENCE_MS, undefined, { ref: false })]);
    this.#signal("SIGKILL"); // whatever is left of the group
    const until = Date.now() + PATIENCE_MS;
    while (this.#signal(0) && Date.now() < until) await sleep(20);
  }

  /**
   * Signals the group; 0 only asks.
   * @param {NodeJS.Signals | 0} signal
   * @returns {boolean} whether there was anybody to signal
   */
  #signal(signal) {
    const { pid } = this.#child;
    if (pid === undefined) return false;
    try {
      return process.kill(-pid, signal);
    } catch {
      return false; // all of it has ended
    }
  }
}
