// Children that do not outlive this process, even when it is killed with SIGKILL.
import { spawn } from "node:child_process";
import { inRoot } from "./paths.mjs";

/**
 * Like `spawn`, in a process group of its own behind a watchdog.
 * @param {string} program
 * @param {string[]} args
 * @param {{ cwd: string, env: NodeJS.ProcessEnv, stdin: "ignore" | "pipe" }} options
 */
export function spawnWatched(program, args, { cwd, env, stdin }) {
  const child = spawn(process.execPath, [inRoot("dev", "lib", "watchdog.mjs"), program, ...args], {
    cwd,
    env,
    stdio: [stdin, "pipe", "pipe", "pipe"],
    detached: true,
  });
  child.stdio[3]?.on("error", () => {}); // the watchdog has ended
  return child;
}

/**
 * Signals a child's group; 0 only asks.
 * @param {import("node:child_process").ChildProcess} child
 * @param {NodeJS.Signals | 0} signal
 * @returns {boolean} whether there was anybody to signal
 */
export function signalGroup({ pid }, signal) {
  if (pid === undefined) return false;
  try {
    return process.kill(-pid, signal);
  } catch {
    return false; // all of it has ended
  }
}
