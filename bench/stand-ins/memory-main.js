// The Worker as it is shipped; `/memory` tells how large its memory is. Its ledger is in an isolate of its own, so that
// only what an isolate follows is counted; there, `Fill` has the ledger record what is posted.
import { memoryBytes } from "./memory-probe.js";
import service, { Ledger as Shipped } from "./index.js";
import { WorkerEntrypoint } from "cloudflare:workers";

export * from "./index.js";

const SHARD = "shard-0";
let asked = 0;

export class Ledger extends Shipped {
  ask(question) {
    asked += 1;
    return super.ask(question);
  }
}

export class Fill extends WorkerEntrypoint {
  async fetch(request) {
    if (request.method === "GET") return Response.json({ asked });
    return new Response(await this.env.LEDGER.getByName(SHARD).ask(new Uint8Array(await request.arrayBuffer())));
  }
}

export default {
  fetch(request, env, ctx) {
    if (new URL(request.url).pathname !== "/memory") return service.fetch(request, env, ctx);
    return Response.json({ bytes: memoryBytes() });
  },
};
