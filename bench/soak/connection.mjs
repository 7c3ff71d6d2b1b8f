// One kept connection, one request on it at a time. Node's own client takes longer for a request than the Worker, and
// would not say which requests were under way when the runtime was killed.
import { connect } from "node:net";

/** @typedef {{ status: number, head: string, text: string }} Answer */

const END_OF_HEAD = Buffer.from("\r\n\r\n");
const ANSWERS_WITHIN_MS = 30_000;

/** There was no answer. */
export class Lost extends Error {}

/** @param {Buffer} bytes @returns {{ text: string } | undefined} nothing, as long as it is not whole */
function dechunked(bytes) {
  const parts = [];
  for (let at = 0; ; ) {
    const end = bytes.indexOf("\r\n", at);
    if (end < 0) return undefined;
    const size = Number.parseInt(bytes.toString("latin1", at, end), 16);
    const next = end + 2 + size + 2;
    if (bytes.length < next) return undefined;
    if (size === 0) return { text: Buffer.concat(parts).toString() };
    parts.push(bytes.subarray(end + 2, end + 2 + size));
    at = next;
  }
}

/** @param {Buffer} bytes @returns {Answer | undefined} nothing, as long as it is not whole */
export function parsed(bytes) {
  const end = bytes.indexOf(END_OF_HEAD);
  if (end < 0) return undefined;
  const head = bytes.toString("latin1", 0, end);
  const status = Number(head.slice(9, 12));
  const body = bytes.subarray(end + END_OF_HEAD.length);
  if (/^transfer-encoding: *chunked/im.test(head)) {
    const whole = dechunked(body);
    return whole && { status, head, text: whole.text };
  }
  const length = Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? 0);
  return body.length < length ? undefined : { status, head, text: body.toString("utf8", 0, length) };
}

export class Connection {
  /** @type {import("node:net").Socket | undefined} */
  #socket;
  /** @type {{ resolve: (answer: Answer) => void, reject: (error: Lost) => void } | undefined} */
  #waiting;
  /** @type {Buffer} */
  #bytes = Buffer.alloc(0);

  /** @param {{ port: number }} place whose port may be another one later */
  constructor(place) {
    this.place = place;
  }

  /** @param {Buffer} request @param {{ isLast?: boolean }} [how] `isLast`: the connection is good for no other one @returns {Promise<Answer>} */
  async ask(request, { isLast = false } = {}) {
    const socket = (this.#socket ??= this.#open());
    try {
      const answer = await new Promise((resolve, reject) => {
        this.#waiting = { resolve, reject };
        socket.write(request);
      });
      if (isLast || /^connection: *close/im.test(answer.head)) this.close();
      return answer;
    } catch (error) {
      this.close();
      throw error;
    }
  }

  close() {
    this.#socket?.destroy();
    this.#socket = undefined;
    this.#bytes = Buffer.alloc(0);
  }

  #open() {
    const socket = connect(this.place.port, "127.0.0.1").setNoDelay().setTimeout(ANSWERS_WITHIN_MS);
    const lose = (/** @type {string} */ why) => {
      if (this.#socket !== socket) return;
      this.#socket = undefined;
      this.#bytes = Buffer.alloc(0);
      this.#waiting?.reject(new Lost(why));
    };
    socket.on("timeout", () => lose(`no answer within ${ANSWERS_WITHIN_MS / 1000} s`));
    socket.on("error", (error) => lose(error.message)).on("close", () => lose("closed"));
    socket.on("data", (data) => {
      if (this.#socket !== socket) return;
      this.#bytes = this.#bytes.length ? Buffer.concat([this.#bytes, data]) : data;
      const answer = parsed(this.#bytes);
      if (!answer) return;
      this.#bytes = Buffer.alloc(0);
      this.#waiting?.resolve(answer);
    });
    return socket;
  }
}
