// `wrangler dev` as a child that can be waited for and is certain to be gone afterwards, workerd included.
import { setTimeout as sleep } from "node:timers/promises";
import { KEEP_SERVING } from "../build.mjs";
import { ROOT, inRoot } from "./paths.mjs";
import { signalGroup, spawnWatched } from "./watched.mjs";
import { wranglerArgs, wranglerEnv, wranglerProgram } from "./wrangler.mjs";

const PATIENCE_MS = 5_000;

export class DevServer {
  /** What it printed before it was ready: told only when it fails. */
  #output = "";
  #showing = false;
  #child;

  /** @param {number} port @param {import("./config-file.mjs").Which} which */
  constructor(port, { file, env }) {
    // Without --infer-origin-from-routes requests keep their Host, which routes of the table may match.
    const serving = ["--ip", "127.0.0.1", "--port", String(port), "--inspector-port", "0", "--infer-origin-from-routes=false"];
    const environment = env === undefined ? [] : ["--env", env];
    const args = ["dev", "--config", file, ...environment, ...serving, "--show-interactive-dev-session=false", "--persist-to", ".wrangler/state"];
    this.#child = spawnWatched(wranglerProgram, wranglerArgs(args), {
      cwd: ROOT,
      // It needs nothing from the user's configuration, and leaves nothing there.
      env: { ...process.env, ...wranglerEnv(), XDG_CONFIG_HOME: inRoot(".wrangler", "config"), [KEEP_SERVING]: "true" },
      stdin: "ignore",
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding("utf8").on("data", (text) => this.#take(text));
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
   * The status of its first answer, if one comes in time.
   * @param {string} url
   * @param {number} withinMs
   * @returns {Promise<number | undefined>}
   */
  async answers(url, withinMs) {
    const until = Date.now() + withinMs;
    let ended = false;
    void this.ended.then(() => (ended = true));
    while (!ended && Date.now() < until) {
      const response = await fetch(url, { signal: AbortSignal.timeout(2_000) }).catch(() => undefined);
      if (response) return response.status;
      await sleep(100);
    }
    return undefined;
  }

  async stop() {
    signalGroup(this.#child, "SIGTERM");
    await Promise.race([this.ended, sleep(PATIENCE_MS, undefined, { ref: false })]);
    signalGroup(this.#child, "SIGKILL"); // whatever is left of the group
    const until = Date.now() + PATIENCE_MS;
    while (signalGroup(this.#child, 0) && Date.now() < until) await sleep(20);
  }
}
