// The Worker with a made-up ledger, whose feed has as many revocations as an isolate remembers. `/memory` tells how large
// the Worker's memory is, and how often its ledger was asked for what the feed should have told.
import { memoryBytes } from "./memory-probe.js";
import service from "./index.js";
import { DurableObject } from "cloudflare:workers";

const PAGE = 2_000;
const EPOCH = "made-up";
let asked = 0;

/** Digests that nothing has, and a last one that a token has. */
function digests({ count, last }) {
  const random = new Uint8Array(32);
  const one = () => btoa(String.fromCharCode(...crypto.getRandomValues(random))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  return [...Array.from({ length: count - 1 }, one), last];
}

/** A page of the feed, as src/revocation/wire.rs writes it. */
function changes(since, feed) {
  const after = since.Start ?? since.Version[1];
  const page = feed.slice(after, after + PAGE).map((digest, index) => `${digest} ${after + index + 1}`);
  const upto = after + page.length;
  return { epoch: EPOCH, after, trimmed: 0, upto, oldest: 1, is_complete: upto === feed.length, entries: page.join(",") };
}

export class MadeUpLedger extends DurableObject {
  ask(text) {
    const question = JSON.parse(text);
    this.feed ??= digests(this.env.FEED);
    if (question.Changes) return JSON.stringify(changes(question.Changes, this.feed));
    asked += 1;
    throw new Error("made up");
  }
}

export default {
  fetch(request, env, ctx) {
    if (new URL(request.url).pathname !== "/memory") return service.fetch(request, env, ctx);
    return Response.json({ bytes: memoryBytes(), asked });
  },
};
