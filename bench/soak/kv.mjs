// The process that is Workers KV.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { onStop } from "../../dev/lib/stop.mjs";

const SERVER = fileURLToPath(new URL("kv-server.mjs", import.meta.url));
const KEYS_A_READ = 1_000;

export class Kv {
  port = 0;

  async open() {
    this.child = spawn(process.execPath, [SERVER], { stdio: ["pipe", "pipe", "inherit"] });
    onStop(() => this.close());
    const [line] = await once(this.child.stdout, "data");
    this.port = Number(String(line));
    return this;
  }

  /** Those of the keys that it does not have. @param {string[]} keys */
  async missing(keys) {
    const missing = [];
    for (let first = 0; first < keys.length; first += KEYS_A_READ) {
      const body = JSON.stringify({ keys: keys.slice(first, first + KEYS_A_READ) });
      const found = /** @type {Record<string, string | null>} */ (await (await fetch(`http://127.0.0.1:${this.port}/bulk/get`, { method: "POST", body })).json());
      missing.push(...Object.keys(found).filter((key) => found[key] === null));
    }
    return missing;
  }

  close() {
    this.child?.kill("SIGKILL");
  }
}
