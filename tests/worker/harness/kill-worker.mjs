// The Worker in a process of its own, which can be killed: `node kill-worker.mjs FOLDER` keeps the ledger and KV in the
// folder, prints where it listens, and runs until it is killed.
import { Worker } from "./worker.mjs";

const worker = await new Worker().start({ persistIn: process.argv[2] });
console.log(worker.url?.origin);
