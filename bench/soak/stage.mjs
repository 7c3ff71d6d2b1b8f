// The processes: the runtime with the Worker, which is killed and started again on the same disk, and Workers KV.
import { createReadStream, existsSync } from "node:fs";
import { cp, mkdir, rename, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { createInterface } from "node:readline";
import { onStop } from "../../dev/lib/stop.mjs";
import { modulesIn, standIn } from "../edge/subjects.mjs";
import { Workerd } from "../edge/workerd.mjs";
import { PLACES, soakConfig } from "./config.mjs";
import { Kv } from "./kv.mjs";

const SOCKETS = 2 * PLACES.length;

export class Stage {
  /** Where each location answers at present. @type {Record<import("./config.mjs").Place, { port: number }>} */
  at = { here: { port: 0 }, there: { port: 0 } };
  /** How often it was killed. */
  lives = 0;
  isRunning = false;

  /** @param {string} below @param {string} build */
  constructor(below, build) {
    this.folder = join(below, "worker");
    this.build = build;
    this.runtime = new Workerd();
    this.kv = new Kv();
    onStop(() => rm(below, { recursive: true, force: true }));
  }

  /** @param {string} jwksUrl */
  async open(jwksUrl) {
    await this.kv.open();
    await mkdir(join(this.folder, "disk"), { recursive: true });
    const files = [standIn("soak-main"), standIn("memory-probe"), ...modulesIn(this.build)];
    for (const file of [...files, standIn("cache")]) await cp(file, join(this.folder, basename(file)));
    const config = await soakConfig({ modules: files.map((file) => basename(file)), kvPort: this.kv.port, jwksUrl });
    await writeFile(join(this.folder, "config.capnp"), config);
    await this.start();
    const health = await this.runtime.ask("here", "/healthz");
    if (health.status !== 200) throw this.runtime.refusal(`The Worker is not in order: ${await health.text()}`);
  }

  async start() {
    this.runtime = await new Workerd().start(this.folder, SOCKETS);
    for (const place of PLACES) this.at[place].port = this.runtime.ports[place];
    this.isRunning = true;
  }

  /** Ends the runtime in the middle of whatever it does. */
  async kill() {
    this.isRunning = false;
    await this.runtime.stop();
    await rename(join(this.folder, "log"), join(this.folder, `log-${this.lives}`));
    this.lives += 1;
  }

  /** The ledger's object loses its memory, and every call to it that is under way. */
  async restartLedger() {
    const response = await this.runtime.ask("steering-here", "/restart-ledger");
    if (response.status !== 204) throw this.runtime.refusal("The ledger's object was to be restarted, and was not");
  }

  /** What the Worker's own memory takes in each location. */
  async wasmBytes() {
    const each = PLACES.map(async (place) => {
      const response = await this.runtime.ask(`steering-${place}`, "/memory");
      return Number(/** @type {any} */ (await response.json()).bytes);
    });
    return Promise.all(each);
  }

  /** Every line that the runtime has logged, in all its lives. */
  async *log() {
    const names = ["log", ...Array.from({ length: this.lives }, (_, life) => `log-${life}`)];
    for (const path of names.map((name) => join(this.folder, name)).filter((file) => existsSync(file))) {
      yield* createInterface({ input: createReadStream(path) });
    }
  }

  async close() {
    this.kv.close();
    await this.runtime.stop();
  }
}
