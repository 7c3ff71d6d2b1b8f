// Hono, jose and a Durable Object that is asked at every check: what holds at once, everywhere. A logout is written there
// and then to Workers KV.
import { DurableObject } from "cloudflare:workers";
import { Hono } from "hono/tiny";
import { refused, verified } from "./verify.js";

export class Ledger extends DurableObject {
  constructor(ctx, env) {
    super(ctx, env);
    this.sql = ctx.storage.sql;
    this.sql.exec("CREATE TABLE IF NOT EXISTS revoked (id TEXT PRIMARY KEY, expires INTEGER NOT NULL) WITHOUT ROWID");
  }

  isRevoked(id) {
    return this.sql.exec("SELECT 1 FROM revoked WHERE id = ?", id).toArray().length > 0;
  }

  revoke(id, expires) {
    this.sql.exec("INSERT OR REPLACE INTO revoked (id, expires) VALUES (?, ?)", id, expires);
  }
}

const app = new Hono();

const ledger = (c) => c.env.LEDGER.getByName("ledger");

async function revoke(c, id, expires) {
  await ledger(c).revoke(id, expires);
  await c.env.REVOCATIONS.put(`revoked:${id}`, "1", { expiration: expires });
  return c.json({ message: "Logged out" });
}

app.get("/check", async (c) => {
  const claims = await verified(c);
  if (!claims || (await ledger(c).isRevoked(claims.jti))) return refused(c);
  return c.text("ok");
});

app.post("/logout", async (c) => {
  const claims = await verified(c);
  return claims ? revoke(c, claims.jti, claims.exp) : refused(c);
});

// A logout of the session that the body names.
app.post("/logout-session", async (c) => {
  const claims = await verified(c);
  if (!claims) return refused(c);
  const { sessionToken } = await c.req.json();
  return revoke(c, sessionToken, claims.exp);
});

app.get("/session/:id", async (c) => ((await ledger(c).isRevoked(c.req.param("id"))) ? refused(c) : c.text("ok")));

export default app;
