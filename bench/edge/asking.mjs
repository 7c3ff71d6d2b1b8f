// Single requests beside the load: whoever is measured has to answer rightly before and after.
import { Refusal } from "../../dev/lib/refusal.mjs";

/** @typedef {import("./workerd.mjs").Workerd} Workerd */
/** @typedef {{ method?: string, path: string, token?: string, body?: string, headers?: Record<string, string> }} Question */
/** @typedef {{ status: number, headers: Headers, text: string }} Answer */

/** @param {Workerd} worker @param {Question} question @returns {Promise<Answer>} */
export async function asked(worker, { method = "GET", path, token, body, headers = {} }) {
  const all = { ...(token !== undefined && { authorization: `Bearer ${token}` }), ...(body !== undefined && { "content-type": "application/json" }), ...headers };
  const response = await worker.ask("http", path, { method, headers: all, body });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

/** The answer, which has to have this status and whatever else is wanted. @param {Workerd} worker @param {Question} question @param {number} status @param {(answer: Answer) => boolean} [isRight] */
export async function mustAnswer(worker, question, status, isRight = () => true) {
  const answer = await asked(worker, question);
  if (answer.status === status && isRight(answer)) return answer;
  const headers = [...answer.headers].map(([name, value]) => `${name}: ${value}`).join("\n");
  throw worker.refusal(`${question.method ?? "GET"} ${question.path} should have been answered with ${status}, and was with ${answer.status}:\n${headers}\n\n${answer.text.slice(0, 500)}`);
}

/** How often the stand-in for KV was asked; never, where there is none. @param {Workerd} worker @returns {Promise<{ reads: number, writes: number }>} */
export async function kvCount(worker) {
  if (worker.ports.count === undefined) return { reads: 0, writes: 0 };
  return /** @type {any} */ ((await worker.ask("count", "/count")).json());
}

/** @param {boolean} holds @param {string} what */
export function must(holds, what) {
  if (!holds) throw new Refusal(what);
}
