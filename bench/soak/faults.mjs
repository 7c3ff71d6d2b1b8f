// What is made to go wrong, and which failures that excuses.
import { pause } from "../edge/workerd.mjs";

/** How long after the ledger's object was restarted failures are its fault. Tries included, a request takes 3 seconds. */
const AFTER_RESTART_MS = 1_000;
/** When the runtime is killed, as shares of the run: early, since it is a new process whose memory is watched then. */
const KILLS = { short: [0.2], long: [0.1, 0.2] };
const LONG_SECONDS = 120;
const RESTARTS_EVERY_MS = { least: 3_000, most: 8_000 };

/** @typedef {{ what: "ledger restart" | "kill", from: number, to: number }} Fault */

export class Faults {
  /** @type {Fault[]} */
  injected = [];

  /**
   * Why a request may have failed that was under way then. A kill excuses those alone that were under way in that moment:
   * none is sent before the runtime is back.
   * @param {number} begun @param {number} ended
   */
  excuse(begun, ended) {
    return this.injected.findLast(({ from, to }) => begun <= to && ended >= from)?.what;
  }

  /** @param {Fault["what"]} what */
  count(what) {
    return this.injected.filter((fault) => fault.what === what).length;
  }

  /** @param {import("./stage.mjs").Stage} stage */
  async restartLedger(stage) {
    const fault = { what: /** @type {const} */ ("ledger restart"), from: performance.now(), to: Infinity };
    this.injected.push(fault);
    await stage.restartLedger();
    fault.to = performance.now() + AFTER_RESTART_MS;
  }

  /** @param {import("./load.mjs").Load} load @param {import("./stage.mjs").Stage} stage */
  async kill(load, stage) {
    load.hold();
    const now = performance.now();
    this.injected.push({ what: "kill", from: now, to: now });
    await stage.kill();
    await load.heldBack();
    await stage.start();
    load.goOn();
  }
}

/**
 * Lets things go wrong until the load stops.
 * @param {{ faults: Faults, load: import("./load.mjs").Load, stage: import("./stage.mjs").Stage, rotation: import("./rotation.mjs").Rotation, chance: import("./random.mjs").Chance, seconds: number }} all
 */
export async function injectFaults({ faults, load, stage, rotation, chance, seconds }) {
  const begun = performance.now();
  const kills = KILLS[seconds < LONG_SECONDS ? "short" : "long"].map((share) => begun + share * seconds * 1_000);
  while (load.isOn) {
    const { least, most } = RESTARTS_EVERY_MS;
    await pause(least + chance.below(most - least));
    if (!load.isOn) return;
    // An isolate that starts while the provider is down has no keys, and that is no failure of its own.
    if (kills.length > 0 && performance.now() > kills[0] && rotation.isUp) {
      kills.shift();
      await faults.kill(load, stage);
    } else {
      await faults.restartLedger(stage);
    }
  }
}
