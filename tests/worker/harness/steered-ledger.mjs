// The ledger as a test wants it, one call at a time: the errors that the runtime has, slow answers, none, nonsense, an
// answer that is lost although the work was done; and otherwise the real one.
import { Response } from "miniflare";
import { entryWithLedger, modulesBehind } from "./entry.mjs";
import { readCall } from "./wire.mjs";

/** @typedef {import("./wire.mjs").Kind} Kind */
/** @typedef {{ kind: Kind, shard: string, from: string }} Question */
/**
 * What goes wrong. Without any of it the real ledger answers, once it may.
 * @typedef {object} Fault
 * @property {"retryable" | "overloaded" | "broken"} [error] as the runtime marks its errors; `broken` has no mark
 * @property {string | Uint8Array} [answer] in place of the ledger's; a text is its bytes
 * @property {boolean} [done] the real ledger has done it before it goes wrong
 * @property {boolean} [hang] there is never an answer
 * @property {Promise<unknown>} [until] is waited for
 */
/** @typedef {(question: Question) => Fault | undefined} Rule */

const ENTRY = entryWithLedger(`async (env, shard, call) => {
  const headers = { "x-shard": shard, "x-from": env.LOCATION };
  const steered = await env.STEER.fetch("http://steer.invalid/", { method: "POST", headers, body: call });
  const fault = await steered.json();
  const real = env.LEDGER.getByName(shard);
  if (fault.done) await real.ask(call);
  if (fault.error) throw Object.assign(new Error("ledger: " + fault.error), { [fault.error]: true, remote: false });
  return fault.answer ? Uint8Array.from(fault.answer) : real.ask(call);
}`);

/** The built Worker with a ledger that is steered. */
export const steeredModules = () => modulesBehind(ENTRY);

const NEVER = new Promise(() => {});

export class SteeredLedger {
  /** @type {Question[]} in the order in which they came */
  questions = [];
  /** @type {Partial<Record<Kind, Rule>>} */
  #rules = {};

  /** @param {Kind} kind @param {Rule} rule */
  on(kind, rule) {
    this.#rules[kind] = rule;
    return this;
  }

  /** The same for all that can be asked. @param {Rule} rule */
  onAll(rule) {
    return this.on("Record", rule).on("Sync", rule).on("Confirm", rule).on("Segment", rule);
  }

  heal() {
    this.#rules = {};
  }

  /** As at the beginning. */
  reset() {
    this.heal();
    this.questions.length = 0;
  }

  /** @param {Kind} kind @param {string} [from] a location */
  count(kind, from) {
    return this.questions.filter((question) => question.kind === kind && (from === undefined || question.from === from)).length;
  }

  /** What the Worker asks before every call. */
  answer = async (/** @type {import("miniflare").Request} */ request) => {
    const call = new Uint8Array(await request.arrayBuffer());
    const { kind } = readCall(call);
    const asked = { kind, shard: String(request.headers.get("x-shard")), from: String(request.headers.get("x-from")) };
    this.questions.push(asked);
    const { until, hang, answer, ...fault } = this.#rules[kind]?.(asked) ?? {};
    await until;
    if (hang) await NEVER;
    return Response.json({ ...fault, ...(answer !== undefined && { answer: [...Buffer.from(answer)] }) });
  };
}
