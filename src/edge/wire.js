// Reads requests, creates responses and forwards requests. As in `glue.js`, each function combines several runtime calls,
// and this file contains no decisions.

const encoder = new TextEncoder();

/** Writes method, URL and, if present, `Authorization` to a buffer, one per line. None of them contains a line break. This
 * is faster than passing strings.
 * @param {Request} request @param {Uint8Array} buffer @returns {number} the number of bytes written or, if the buffer is
 * too short, a sufficient size */
export function requestLines(request, buffer) {
  const authorization = request.headers.get("authorization");
  const lines = `${request.method}\n${request.url}${authorization === null ? "" : `\n${authorization}`}`;
  const { read, written } = encoder.encodeInto(lines, buffer);
  return read === lines.length ? written : lines.length * 3;
}

/** @param {Request} request @param {string} name */
export const header = (request, name) => request.headers.get(name);

/** The names of all headers in lower case, one per line. @param {Request} request */
export function headerNames(request) {
  let names = "";
  // Faster than the iterators of `Headers`.
  request.headers.forEach((_value, name) => {
    names += `${name}\n`;
  });
  return names;
}

/** Creates a response. @param {number} status @param {string} head `Name: value`, one per line @param {string} [body] */
export const respond = (status, head, body) => new Response(body ?? null, { status, headers: fields(head) });

/** Creates a response without a body from a template. Copying headers is faster than setting all of them.
 * @param {Response} template @param {string} head further headers: `Name: value`, one per line */
export function respondLike(template, head) {
  const response = new Response(null, template);
  setFields(response.headers, head);
  return response;
}

/** Keeps the request alive until a promise is settled. Its caller handles a rejection, so that is not reported twice.
 * @param {any} context @param {Promise<unknown>} promise */
export const keep = (context, promise) => context.waitUntil(promise.catch(() => {}));

/** The result of `fetch` for a paused request: `worker.js` resumes it when the promise is settled.
 * @param {Promise<unknown>} promise @param {number} ticket */
export const pause = (promise, ticket) => ({ promise, ticket });

/** @param {Headers} headers @param {string} head `Name: value`, one per line */
function setFields(headers, head) {
  for (let start = 0; start < head.length; ) {
    const [colon, end] = [head.indexOf(": ", start), head.indexOf("\n", start)];
    headers.set(head.slice(start, colon), head.slice(colon + 2, end));
    start = end + 1;
  }
}

/** Headers as an object, which the runtime reads faster than a list of pairs.
 * @param {string} head `Name: value`, one per line @returns {Record<string, string>} */
function fields(head) {
  // A plain object: the runtime reads an object without a prototype more slowly.
  const all = /** @type {Record<string, string>} */ ({});
  for (let start = 0; start < head.length; ) {
    const [colon, end] = [head.indexOf(": ", start), head.indexOf("\n", start)];
    const [name, value] = [head.slice(start, colon), head.slice(colon + 2, end)];
    all[name] = Object.hasOwn(all, name) ? `${all[name]}, ${value}` : value;
    start = end + 1;
  }
  return all;
}

/** @typedef {{ status: number, head: string, body: string | undefined, line: string }} Failure */

/** The response to a failed upstream request, and its log line.
 * @param {number} status @param {string} head @param {string | undefined} body @param {string} line
 * @returns {Failure} */
export const failed = (status, head, body, line) => ({ status, head, body, line });

/** Returns a function that forwards a request, with a streamed body and WebSocket upgrades.
 * @param {any} env @param {Request} request @param {string | undefined} service the name of a service binding
  * @param {string | undefined} url the full URL if there is no binding
  * @param {string} dropped names of headers to remove, one per line @param {string} head headers to set
  * @param {boolean} hasBody whether to forward the body @param {Failure} failure */
export const forward = (env, request, service, url, dropped, head, hasBody, failure) => async () => {
  try {
    const answer = await upstream(env, outgoing(request, url, dropped, head, hasBody), service);
    // The runtime returns an interim response (1xx) as the final one. Treat it as a failure.
    if (answer.status === 101 || answer.status >= 200) return answer;
  } catch {
    // Do not log the error: it may contain request data.
  }
  console.log(failure.line);
  return respond(failure.status, failure.head, failure.body);
};

/** @param {any} env @param {Request} request @param {string | undefined} service @returns {Promise<Response>} */
const upstream = (env, request, service) => (service === undefined ? fetch(request) : env[service].fetch(request));

/** The request to the upstream. Redirects are returned to the client. The cache is off, since responses belong to a user.
 * @param {Request} request @param {string | undefined} url @param {string} dropped @param {string} head
 * @param {boolean} hasBody */
function outgoing(request, url, dropped, head, hasBody) {
  const from = hasBody ? request : new Request(request.url, { method: request.method, headers: request.headers });
  const upstreamRequest = url === undefined ? new Request(from, { redirect: "manual" }) : new Request(new Request(url, from), { redirect: "manual", cache: "no-store" });
  for (const name of dropped.split("\n")) if (name) upstreamRequest.headers.delete(name);
  setFields(upstreamRequest.headers, head);
  return upstreamRequest;
}

/** @param {Promise<Response | (() => Promise<Response>)>} decided the response, or the function that forwards the request */
export const andUpstream = (decided) => decided.then((given) => (typeof given === "function" ? given() : given));
