// What has to happen before this process ends because somebody stops it: nothing that it started may outlive it.
import { constants } from "node:os";

/** @type {Set<(signal: NodeJS.Signals) => unknown>} */
const duties = new Set();
let stopping = false;

/**
 * @param {(signal: NodeJS.Signals) => unknown} duty may be asynchronous; a number that it answers is the exit code
 * @returns {() => void} takes it back
 */
export function onStop(duty) {
  duties.add(duty);
  return () => void duties.delete(duty);
}

export const isStopping = () => stopping;

for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM", "SIGHUP"])) {
  process.on(signal, async () => {
    if (stopping) return;
    stopping = true;
    const answers = await Promise.all([...duties].map((duty) => duty(signal)));
    const code = answers.find((answer) => typeof answer === "number");
    process.exit(typeof code === "number" ? code : 128 + constants.signals[signal]);
  });
}
