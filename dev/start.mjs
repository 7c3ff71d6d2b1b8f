// `npm start -- [--config FILE] [--env NAME]`: from a fresh clone to a Worker that answers on this machine, and
// requests to try it with.
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { build } from "./build.mjs";
import { CONFIG_OPTIONS, CONFIG_USAGE, whichConfig } from "./lib/config-file.mjs";
import { DevServer } from "./lib/dev-server.mjs";
import { Refusal, command } from "./lib/refusal.mjs";
import { isStopping, onStop } from "./lib/stop.mjs";
import { setup } from "./setup.mjs";

const FIRST_ANSWER_WITHIN_MS = 60_000;
const MISCONFIGURED = 500;

function readPort() {
  const text = process.env.PORT || "8787";
  const port = Number(text);
  if (Number.isInteger(port) && port > 0 && port < 65_536) return port;
  throw new Refusal(`PORT has to be a number from 1 to 65535 and is: ${text}`);
}

/** npm that is killed hard cannot pass the signal on: we then have another parent, and end as well. */
function endWithNpm() {
  if (!process.env.npm_lifecycle_event) return;
  const parent = process.ppid;
  setInterval(() => process.ppid === parent || process.kill(process.pid, "SIGTERM"), 1_000).unref();
}

/** A start that was killed a moment ago may not have let go of it yet. */
const PORT_FREE_WITHIN_MS = 2_000;

/** @param {number} port @returns {Promise<string | undefined>} why it cannot be listened on */
function portProblem(port) {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", (/** @type {NodeJS.ErrnoException} */ { code }) => resolve(code ?? "unknown"));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(undefined)));
  });
}

/** Said now rather than after minutes of set-up. @param {number} port */
async function refuseUsedPort(port) {
  const until = Date.now() + PORT_FREE_WITHIN_MS;
  let problem = await portProblem(port);
  while (problem === "EADDRINUSE" && Date.now() < until) {
    await sleep(100);
    problem = await portProblem(port);
  }
  if (problem === undefined) return;
  const why = problem === "EADDRINUSE" ? "is in use" : `cannot be listened on (${problem})`;
  throw new Refusal(`Port ${port} ${why}: stop what uses it, or choose another: PORT=${port + 1} npm start`);
}

function commandLine() {
  try {
    return parseArgs({ options: CONFIG_OPTIONS }).values;
  } catch (error) {
    throw new Refusal(`${/** @type {Error} */ (error).message} Usage: npm start -- ${CONFIG_USAGE}`, 2);
  }
}

/**
 * Waits for the server, and prints requests to try it with.
 * @param {DevServer} server
 * @param {string} origin
 * @param {() => Promise<string>} examples
 */
async function serve(server, origin, examples) {
  const status = await server.answers(`${origin}/healthz`, FIRST_ANSWER_WITHIN_MS);
  if (isStopping()) return;
  if (status === undefined) throw new Refusal(`${server.output.trimEnd()}\nwrangler dev did not start`);
  if (status === MISCONFIGURED) {
    console.error(`${server.output.trimEnd()}\nServing on ${origin}, but the Worker refuses its configuration: it answers every request with 500, and logs each setting`);
  } else {
    console.log(`Ready on ${origin}\n\n${await examples()}`);
  }
  console.error("Ctrl-C stops it. A change below src/, or of the configuration, is served at once.");
  server.show();

  const code = await server.ended;
  if (!isStopping()) throw new Refusal(`wrangler dev stopped (exit code ${code})`, code || 1);
}

async function main() {
  endWithNpm();
  const port = readPort();
  const which = whichConfig(commandLine());
  await refuseUsedPort(port);
  console.error("Setting up (the first time takes a few minutes)");
  await setup();
  await build();

  const { configuredFor } = await import("./lib/configured.mjs"); // needs npm's packages, which set-up has just seen to
  const { exampleRequests } = await import("./lib/examples.mjs");
  const configured = await configuredFor(which);
  const origin = `http://127.0.0.1:${port}`;
  const server = new DevServer(port, which);
  onStop(async () => {
    await server.stop();
    return 0; // being stopped is how this command ends
  });
  try {
    await serve(server, origin, () => exampleRequests(configured, { origin, options: which.ours }));
  } finally {
    if (!isStopping()) await server.stop();
  }
}

await command(main);
