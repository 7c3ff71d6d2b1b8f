// Asking servers elsewhere.

/** A `GET` that can be given up. */
export class Get {
  /** @param {string} url @param {number} limit how many bytes of a body are read */
  constructor(url, limit) {
    this.controller = new AbortController();
    this.answer = get(url, limit, this.controller.signal);
  }

  /** Breaks it off; once it has been answered that does nothing. */
  end() {
    this.controller.abort();
  }
}

/**
 * Status, `Cache-Control`, `Age`, and the body, which is undefined when it has more bytes than that.
 * @param {string} url @param {number} limit @param {AbortSignal} signal
 * @returns {Promise<[status: number, cacheControl: string | null, age: string | null, body: Uint8Array | undefined]>}
 */
async function get(url, limit, signal) {
  // How long an answer counts is decided by what its server says of it, and where it leads by nobody else.
  const response = await fetch(url, { headers: { accept: "application/json" }, redirect: "manual", cache: "no-store", signal });
  const body = await read(response, limit);
  return [response.status, response.headers.get("cache-control"), response.headers.get("age"), body];
}

/** @param {Response} response @param {number} limit */
async function read(response, limit) {
  const chunks = [];
  let length = 0;
  for await (const chunk of response.body ?? []) {
    length += chunk.length;
    if (length > limit) return undefined; // which cancels the rest
    chunks.push(chunk);
  }
  const body = new Uint8Array(length);
  let place = 0;
  for (const chunk of chunks) {
    body.set(chunk, place);
    place += chunk.length;
  }
  return body;
}
