// Cold start: from the start of the runtime's process to its first answer, with everything in the disk's cache.
import { once } from "node:events";
import { rm } from "node:fs/promises";
import { connect } from "node:net";
import { must } from "./asking.mjs";
import { requestText } from "./load.mjs";
import { spread } from "./statistics.mjs";
import { layOut } from "./subjects.mjs";
import { Workerd } from "./workerd.mjs";

/** One more is made first, and not counted. */
const STARTS = 9;

/** @typedef {import("./subjects.mjs").Subject} Subject */
/** @typedef {{ name: string, title: string, subject: Subject, path: string, isOurs?: boolean }} Start */
/** @typedef {Omit<Start, "subject"> & { milliseconds: import("./statistics.mjs").Spread, each: number[], residentBytes: number }} Started */

/** @param {import("./subjects.mjs").Subjects} subjects @returns {Start[]} */
export const starts = (subjects) => [
  { name: "bare-js", title: "Bare JavaScript Worker", subject: subjects.bareJs, path: "/check" },
  { name: "bare-rust", title: "Bare Rust Worker", subject: subjects.bareRust, path: "/check" },
  { name: "hono-jose", title: "Hono + jose, no revocation", subject: subjects.peer("hono-jose", "HS256"), path: "/check" },
  { name: "hono-jose-ledger", title: "Hono + jose + Durable Object read", subject: subjects.peer("hono-jose-ledger", "HS256"), path: "/check" },
  { name: "ours", title: "Ours, /check", subject: subjects.ours, path: "/check", isOurs: true },
  { name: "ours-eventual", title: "Ours, /check?freshness=eventual", subject: subjects.ours, path: "/check?freshness=eventual", isOurs: true },
];

/** The first words of the answer. @param {number} port @param {string} request */
async function firstAnswer(port, request) {
  const socket = connect(port, "127.0.0.1");
  socket.write(request);
  const [chunk] = await once(socket, "data");
  socket.destroy();
  return String(chunk).slice(0, 12);
}

/** @param {Start} start @param {string} token @param {string} scratch */
async function startOnce({ subject, path, title }, token, scratch) {
  // All have the same stand-ins beside them, since on Cloudflare none would start with the Worker.
  const { folder, sockets } = await layOut(subject, scratch, { everything: true });
  const worker = new Workerd();
  const request = requestText({ path, token });
  try {
    const begun = performance.now();
    await worker.start(folder, sockets);
    const answer = await firstAnswer(worker.ports.http, request);
    const milliseconds = performance.now() - begun;
    must(answer === "HTTP/1.1 200", `${title}: the first answer is ${answer}`);
    return { milliseconds, residentBytes: worker.residentBytes() };
  } finally {
    await worker.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

/** @param {Start[]} all @param {string} token @param {string} scratch @returns {Promise<Started[]>} */
export async function coldStarts(all, token, scratch) {
  const got = all.map(() => /** @type {Awaited<ReturnType<typeof startOnce>>[]} */ ([]));
  for (let time = 0; time <= STARTS; time++) {
    for (const [index, start] of all.entries()) {
      const one = await startOnce(start, token, scratch);
      if (time > 0) got[index].push(one);
    }
  }
  return all.map(({ name, title, path }, index) => {
    const each = got[index].map(({ milliseconds }) => milliseconds);
    return { name, title, path, each, milliseconds: spread(each), residentBytes: spread(got[index].map((one) => one.residentBytes)).median };
  });
}
