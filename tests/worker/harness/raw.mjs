// Requests that fetch() does not make: headers as given, a body of unknown length, a client that goes away.
import { once } from "node:events";
import { request } from "node:http";
import { connect } from "node:net";
import { buffer, text } from "node:stream/consumers";
import { answer, assertSound } from "./answer.mjs";

/** @typedef {import("./answer.mjs").Answer} Answer */
/** @typedef {import("./worker.mjs").Worker} Worker */

const ANSWER_WITHIN_MS = 15_000;

/**
 * A request with exactly these headers, those of one name as often as they are given. Without a Content-Length the
 * body is chunked.
 * @param {Worker} worker
 * @param {{ method?: string, path: string, headers?: string[][], body?: (string | Uint8Array)[] }} what
 * @returns {Promise<Answer>}
 */
export async function exchange(worker, { method = "POST", path, headers = [], body = [] }) {
  const sent = request(new URL(`${worker.url?.origin}`), {
    method,
    path,
    headers: /** @type {any} */ ([...(headers.some(([name]) => name === "Host") ? [] : [["Host", worker.url?.host]]), ...headers].flat()),
    agent: false,
    signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
  });
  for (const chunk of body) sent.write(chunk);
  sent.end();
  const [response] = /** @type {[import("node:http").IncomingMessage]} */ (await once(sent, "response"));
  sent.on("error", () => {}); // once it has answered, a server need not read the rest of a body
  const got = new Headers(Object.entries(response.headersDistinct).flatMap(([name, values = []]) => values.map((value) => [name, value])));
  const all = assertSound(answer(Number(response.statusCode), got, await text(response)));
  sent.destroy();
  return all;
}

/**
 * Sends a POST and gives the socket, so that it can be broken off.
 * @param {URL | undefined} url
 * @param {string} path
 * @param {string} token
 */
export async function postAndHold(url, path, token) {
  const socket = connect(Number(url?.port), url?.hostname);
  await once(socket, "connect");
  socket.write(`POST ${path} HTTP/1.1\r\nHost: ${url?.host}\r\nAuthorization: Bearer ${token}\r\nContent-Length: 0\r\n\r\n`);
  return socket;
}

/**
 * The same to what need not be the Worker's own answer, and with what came back as it was sent.
 * @param {Worker} worker
 * @param {{ method: string, path: string, headers: string[][] }} what
 */
export async function send(worker, { method, path, headers }) {
  const sent = request(new URL(`${worker.url?.origin}`), { method, path, headers: /** @type {any} */ ([["Host", worker.url?.host], ...headers].flat()), agent: false, signal: AbortSignal.timeout(ANSWER_WITHIN_MS) }).end();
  const [response] = /** @type {[import("node:http").IncomingMessage]} */ (await once(sent, "response"));
  return { status: response.statusCode, headers: response.headers, body: await buffer(response) };
}
