// `npm start`: from a fresh clone to a Worker that answers on this machine, with requests to try it.
import { createServer } from "node:net";
import { build } from "./build.mjs";
import { DevServer } from "./lib/dev-server.mjs";
import { Refusal, command } from "./lib/refusal.mjs";
import { isStopping, onStop } from "./lib/stop.mjs";
import { setup } from "./setup.mjs";

const FIRST_ANSWER_WITHIN_MS = 60_000;

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

/** Said now rather than after minutes of set-up. @param {number} port */
function refuseUsedPort(port) {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", (/** @type {NodeJS.ErrnoException} */ error) => {
      const why = error.code === "EADDRINUSE" ? "is in use" : `cannot be listened on (${error.code})`;
      reject(new Refusal(`Port ${port} ${why}: stop what uses it, or choose another: PORT=${port + 1} npm start`));
    });
    server.listen(port, "127.0.0.1", () => server.close(resolve));
  });
}

async function main() {
  endWithNpm();
  const port = readPort();
  await refuseUsedPort(port);
  console.error("Setting up (the first time takes a few minutes)");
  await setup();
  await build();

  const { exampleRequests } = await import("./lib/examples.mjs"); // needs npm's packages, which set-up has just seen to
  const origin = `http://127.0.0.1:${port}`;
  const server = new DevServer(port);
  onStop(async () => {
    await server.stop();
    return 0; // being stopped is how this command ends
  });
  if (!(await server.answers(`${origin}/healthz`, FIRST_ANSWER_WITHIN_MS))) {
    if (isStopping()) return;
    await server.stop();
    throw new Refusal(`${server.output.trimEnd()}\nwrangler dev did not start`);
  }
  console.log(`Ready on ${origin}\n\n${await exampleRequests(origin)}`);
  console.error("Ctrl-C stops it. A change below src/ is built and served at once.");
  server.show();

  const code = await server.ended;
  if (isStopping()) return;
  await server.stop();
  throw new Refusal(`wrangler dev ended by itself (exit code ${code})`, code || 1);
}

await command(main);
