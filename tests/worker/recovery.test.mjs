// After a trap nothing is known of the wasm's memory: the next call begins with a new instance, and works.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { assertActive, assertRevoked, check, logOut, subjects } from "./harness/asking.mjs";
import { eventually } from "./harness/eventually.mjs";
import { writeCall } from "./harness/wire.mjs";
import { start } from "./harness/worker.mjs";

/** The bound, and a little for two clocks. */
const BOUND_MS = 1_100;

/** A trap in the middle of the wasm's work: what it calls throws what the runtime throws at a trap. */
const ENTRY = `
import Service, { Ledger as Real } from "./index.js";

const trap = () => { throw new WebAssembly.RuntimeError("unreachable"); };

/** The next look at the clock is a trap. */
function trapOnce() {
  const { now } = Date;
  Date.now = () => {
    Date.now = now;
    trap();
  };
}

let trapsAlarm = false;

const CALL = Uint8Array.of(${writeCall({}, "Record", [])});

export class Ledger extends Real {
  async alarm() {
    if (!trapsAlarm) return super.alarm();
    trapsAlarm = false;
    // Not in the call itself, but when the wasm goes on after it has waited for KV.
    queueMicrotask(trapOnce);
    return super.alarm();
  }

  async ask(call) {
    if (call !== "trap") return super.ask(call);
    trapOnce();
    return super.ask(CALL);
  }
}

export default {
  async fetch(request, env, context) {
    const { pathname } = new URL(request.url);
    if (pathname === "/trap") {
      const broken = { method: "GET", url: "https://edge.example/check", headers: { get: trap } };
      return Service.fetch(broken, env, context);
    }
    if (pathname === "/trap-alarm") {
      trapsAlarm = true;
      return new Response(null, { status: 204 });
    }
    if (pathname === "/trap-ledger") {
      await env.LEDGER.getByName("shard-0").ask("trap").catch(() => {});
      return new Response(null, { status: 204 });
    }
    return Service.fetch(request, env, context);
  },
};
`;

test("after a trap the Worker and its ledger begin anew, and nothing that was promised is lost", async (t) => {
  const worker = await start(t, { entry: ENTRY });
  const [before, ended, later, last] = await subjects(4);
  assertActive(await check(worker, before), "bounded");
  await logOut(worker, ended);
  for (const [path, status] of /** @type {const} */ ([["/trap", 500], ["/trap-ledger", 204], ["/trap", 500]])) {
    assert.equal((await worker.raw(path)).status, status, path);
    assertRevoked(await check(worker, ended, "strong"));
    assertActive(await check(worker, before, "strong"), "strong");
    // What it had recorded itself is forgotten as well: what is left is the promise.
    await setTimeout(BOUND_MS);
    assertRevoked(await check(worker, ended));
    for (const _again of [1, 2, 3]) assertActive(await check(worker, before), "bounded");
  }
  await logOut(worker, later);
  assertRevoked(await check(worker, later));
  assertActive(await check(worker, last), "bounded");
  assert.ok(worker.logs.filter(({ message }) => message.includes("Reinitializing")).length >= 3);
});

test("a trap while the ledger writes to KV delays what it writes, and nothing more", async (t) => {
  const worker = await start(t, { entry: ENTRY });
  const [ended, later] = await subjects(2);
  assert.equal((await worker.raw("/trap-alarm")).status, 204);
  await logOut(worker, ended);
  await eventually("the trap", () => worker.logs.some(({ message }) => message.includes("Reinitializing")));
  await logOut(worker, later);
  const entries = await worker.stored();
  assert.ok(entries.length >= 2, "both are in KV");
  for (const subject of [ended, later]) assertRevoked(await check(worker, subject, "strong"));
});
