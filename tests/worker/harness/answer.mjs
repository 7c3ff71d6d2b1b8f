// What came back over HTTP, and what every answer of the Worker has to be.
import assert from "node:assert/strict";

/** @typedef {{ status: number, headers: Headers, text: string, json: any }} Answer `json` is undefined where the text is none */

/** @param {number} status @param {Headers} headers @param {string} text @returns {Answer} */
export function answer(status, headers, text) {
  const isJson = headers.get("content-type") === "application/json" && text !== "";
  return { status, headers, text, json: isJson ? JSON.parse(text) : undefined };
}

/** What holds for every answer, whatever it says. @param {Answer} got @returns {Answer} */
export function assertSound(got) {
  assert.equal(got.headers.get("cache-control"), "no-store");
  if (isPassedCheck(got)) return got;
  assert.equal(got.headers.get("x-content-type-options"), "nosniff");
  assert.match(got.headers.get("x-request-id") ?? "", /^[A-Za-z0-9-]{1,64}$/);
  if (got.text !== "") assert.equal(got.headers.get("content-type"), "application/json", got.text);
  if (got.status === 401) assert.match(got.headers.get("www-authenticate") ?? "", /^Bearer( realm="edge-logout"| error="\w+", error_description="[^"]+")?$/);
  return got;
}

/** A check that is passed says what is known of the token and nothing of the request: no line in the log tells of it
 * either. @param {Answer} got */
const isPassedCheck = ({ status, headers, text }) => status === 200 && headers.has("x-auth-verified") && text === "";

/**
 * @param {Answer} got
 * @param {{ status: number, body: unknown, challenge?: string | null }} wanted `challenge`: the value of WWW-Authenticate
 */
export function assertAnswer(got, { status, body, challenge = null }) {
  assert.deepEqual({ status: got.status, body: got.json }, { status, body }, got.text);
  assert.equal(got.headers.get("www-authenticate"), challenge);
}
