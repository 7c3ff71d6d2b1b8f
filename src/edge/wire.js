// Requests and responses: what is read of the one, how the other is made, and how a request is passed on. As in `glue.js`,
// each is a whole errand in one call, and nothing is decided here.

const encoder = new TextEncoder();

/** Method, URL and, where there is one, `Authorization`, a line each: none of them has line ends. Writing them here takes
 * half the time that the bindings' strings take.
 * @param {Request} request @param {Uint8Array} buffer @returns {number} how many bytes they are or, if there is not room
 * for all, how many are enough */
export function requestLines(request, buffer) {
  const authorization = request.headers.get("authorization");
  const lines = `${request.method}\n${request.url}${authorization === null ? "" : `\n${authorization}`}`;
  const { read, written } = encoder.encodeInto(lines, buffer);
  return read === lines.length ? written : lines.length * 3;
}

/** @param {Request} request @param {string} name */
export const header = (request, name) => request.headers.get(name);

/** The names of its headers, in lower case, one a line. @param {Request} request */
export function headerNames(request) {
  let names = "";
  // Faster than its iterators.
  request.headers.forEach((_value, name) => {
    names += `${name}\n`;
  });
  return names;
}

/** @param {number} status @param {string} head `Name: value`, one a line @param {string} [body] */
export const respond = (status, head, body) => new Response(body ?? null, { status, headers: fields(head) });

/** Without a body. To copy headers and set a few costs half as much as to make all of them.
 * @param {Response} model @param {string} head what is set besides, `Name: value`, one a line */
export function respondLike(model, head) {
  const response = new Response(null, model);
  setFields(response.headers, head);
  return response;
}

/** Keeps the request alive until the promise is settled. Whoever waits for it sees how: it need not fail the invocation.
 * @param {any} context @param {Promise<unknown>} promise */
export const keep = (context, promise) => context.waitUntil(promise.catch(() => {}));

/** What `worker.js` goes on with when the promise is settled.
 * @param {Promise<unknown>} promise @param {number} ticket */
export const pause = (promise, ticket) => ({ promise, ticket });

/** @param {Headers} headers @param {string} head `Name: value`, one a line */
function setFields(headers, head) {
  for (let start = 0; start < head.length; ) {
    const [colon, end] = [head.indexOf(": ", start), head.indexOf("\n", start)];
    headers.set(head.slice(start, colon), head.slice(colon + 2, end));
    start = end + 1;
  }
}

/** As an object: the runtime reads that three times as fast as a list of pairs.
 * @param {string} head `Name: value`, one a line @returns {Record<string, string>} */
function fields(head) {
  // Plain, of one shape for all answers alike: the runtime reads an object without a prototype more slowly.
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

/** @param {number} status @param {string} head @param {string | undefined} body @param {string} line of the log
 * @returns {Failure} */
export const failed = (status, head, body, line) => ({ status, head, body, line });

/** What passes a request on: its body streams, its upgrade stays one.
 * @param {any} env @param {Request} request @param {string | undefined} service a binding
 * @param {string | undefined} url the whole URL, where there is no binding
 * @param {string} dropped names of headers that are not passed on, one a line @param {string} head what is set
 * @param {boolean} hasBody whether the body is passed on @param {Failure} failure */
export const forward = (env, request, service, url, dropped, head, hasBody, failure) => async () => {
  try {
    const answer = await upstream(env, outgoing(request, url, dropped, head, hasBody), service);
    // An answer before the answer, which the runtime takes for the last one, is none.
    if (answer.status === 101 || answer.status >= 200) return answer;
  } catch {
    // What the upstream threw may hold whatever it was asked.
  }
  console.log(failure.line);
  return respond(failure.status, failure.head, failure.body);
};

/** @param {any} env @param {Request} request @param {string | undefined} service @returns {Promise<Response>} */
const upstream = (env, request, service) => (service === undefined ? fetch(request) : env[service].fetch(request));

/** The request for the upstream. Where the upstream sends its clients is for them to see, and no cache could answer one
 * user with what is another's.
 * @param {Request} request @param {string | undefined} url @param {string} dropped @param {string} head
 * @param {boolean} hasBody */
function outgoing(request, url, dropped, head, hasBody) {
  const from = hasBody ? request : new Request(request.url, { method: request.method, headers: request.headers });
  const own = url === undefined ? new Request(from, { redirect: "manual" }) : new Request(new Request(url, from), { redirect: "manual", cache: "no-store" });
  for (const name of dropped.split("\n")) if (name) own.headers.delete(name);
  setFields(own.headers, head);
  return own;
}

/** @param {Promise<Response | (() => Promise<Response>)>} decided what is answered, or what passes the request on */
export const andUpstream = (decided) => decided.then((given) => (typeof given === "function" ? given() : given));
