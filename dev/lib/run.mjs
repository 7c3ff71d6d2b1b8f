// Running other programs: quietly with their output kept for the case of failure, or with our terminal.
import { spawn } from "node:child_process";
import { ROOT } from "./paths.mjs";
import { Refusal } from "./refusal.mjs";
import { onStop } from "./stop.mjs";
import { signalGroup, spawnWatched } from "./watched.mjs";

/**
 * @typedef {object} Options
 * @property {string} [cwd]
 * @property {Record<string, string | undefined>} [env] set on top of our own environment
 * @property {string} [input] for its stdin
 * @property {boolean} [show] it uses our terminal and nothing is captured
 * @property {boolean} [watched] it ends with this process, even when that is killed with SIGKILL
 * @property {(line: string) => void} [onLine] called with each line that it prints
 */

/** @param {string} program @param {string[]} args @param {Options} options */
function started(program, args, { cwd = ROOT, env, input, show, watched }) {
  const stdin = input === undefined ? "ignore" : "pipe";
  const all = { cwd, env: { ...process.env, ...env } };
  return watched ? spawnWatched(program, args, { ...all, stdin }) : spawn(program, args, { ...all, stdio: show ? "inherit" : [stdin, "pipe", "pipe"] });
}

/**
 * Runs a program to its end. Never throws for its exit code; a program that cannot be started has code 127.
 * @param {string} program
 * @param {string[]} args
 * @param {Options} [options]
 * @returns {Promise<{ code: number, stdout: string, output: string }>} `output` is stdout and stderr as they came
 */
export function run(program, args, options = {}) {
  return new Promise((resolve) => {
    const child = started(program, args, options);
    const done = onStop((signal) => (options.watched ? signalGroup(child, signal) : child.kill(signal)));
    let stdout = "";
    let output = "";
    let partial = "";
    /** @param {string} text */
    const take = (text) => {
      output += text;
      if (!options.onLine) return;
      const lines = (partial + text).split("\n");
      partial = lines.pop() ?? "";
      lines.forEach(options.onLine);
    };
    child.stdout?.setEncoding("utf8").on("data", (text) => {
      stdout += text;
      take(text);
    });
    child.stderr?.setEncoding("utf8").on("data", take);
    child.stdin?.on("error", () => {}); // it may end before it has read everything
    child.stdin?.end(options.input);
    child.on("error", (error) => {
      done();
      resolve({ code: 127, stdout, output: output + error.message });
    });
    child.on("close", (code) => {
      done();
      resolve({ code: code ?? 1, stdout, output });
    });
  });
}

/**
 * What a program prints on stdout, trimmed, or `undefined` when it fails or is not there.
 * @param {string} program
 * @param {string[]} args
 * @param {Options} [options]
 */
export async function ask(program, args, options) {
  const { code, stdout } = await run(program, args, options);
  return code === 0 ? stdout.trim() : undefined;
}

/**
 * Runs a program that has to succeed: its output is shown when it does not.
 * @param {string} what it is for, for the refusal
 * @param {string} program
 * @param {string[]} args
 * @param {Options} [options]
 */
export async function must(what, program, args, options) {
  const { code, output } = await run(program, args, { ...options, watched: true });
  if (code !== 0) throw new Refusal(`${output.trimEnd()}\n${what} failed (exit code ${code})`);
}
