// Hono, jose and Workers KV: token, session and user, read together at every check.
import { Hono } from "hono/tiny";
import { refused, verified } from "./verify.js";

const app = new Hono();

const keysOf = (claims) => [`token:${claims.jti}`, `session:${claims.sid}`, `user:${claims.sub ?? claims.ulid}`];

app.get("/check", async (c) => {
  const claims = await verified(c);
  if (!claims) return refused(c);
  const found = await c.env.REVOCATIONS.get(keysOf(claims));
  for (const value of found.values()) if (value !== null) return refused(c);
  return c.text("ok");
});

app.post("/logout", async (c) => {
  const claims = await verified(c);
  if (!claims) return refused(c);
  await c.env.REVOCATIONS.put(`session:${claims.sid}`, "1", { expiration: claims.exp });
  return c.json({ message: "Logged out" });
});

export default app;
