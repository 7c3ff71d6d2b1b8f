// Runs a program for an owner that may be killed, and then ends the program and all that it has started.
//
// Arguments: the program and its own. It leads its own session, so that signals to the owner's process group do not
// reach it. The owner holds the other end of the pipe at descriptor 3, which closes when the owner ends in any way.
import { spawn } from "node:child_process";
import { Socket } from "node:net";

const OWNER = 3;
const NOT_STARTED = 127;

const [program, ...args] = process.argv.slice(2);

/** This process included, which leads the group. */
const endGroup = () => void process.kill(-process.pid, "SIGKILL");

new Socket({ fd: OWNER }).on("close", endGroup).on("error", endGroup).resume();

// The owner signals the group: the program decides when it ends, and this process ends after it.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => {});

spawn(program, args, { stdio: "inherit" })
  .on("error", (error) => {
    console.error(error.message);
    process.exit(NOT_STARTED);
  })
  .on("exit", (code) => process.exit(code ?? 1));
