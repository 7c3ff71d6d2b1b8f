// The Worker as it is shipped, and beside it what only the soak may do: `Steering`, on a socket of its own.
import { memoryBytes } from "./memory-probe.js";
import service, { Ledger as Shipped } from "./index.js";
import { WorkerEntrypoint } from "cloudflare:workers";

export * from "./index.js";

const SHARD = "shard-0";

export class Ledger extends Shipped {
  /** The object is dropped where it stands, with all that it remembers; the next call makes a new one of what is on disk. */
  restart() {
    this.ctx.abort("restarted by the soak");
  }
}

export class Steering extends WorkerEntrypoint {
  async fetch(request) {
    if (new URL(request.url).pathname === "/memory") return Response.json({ bytes: memoryBytes() });
    try {
      await this.env.LEDGER.getByName(SHARD).restart();
    } catch {
      return new Response(null, { status: 204 }); // whoever calls it loses the object as well
    }
    return new Response(null, { status: 500 });
  }
}

export default service;
