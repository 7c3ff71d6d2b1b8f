// Hono, jose and Workers KV: one key for a token that was logged out, read at every check.
import { Hono } from "hono/tiny";
import { refused, verified } from "./verify.js";

const app = new Hono();

app.get("/check", async (c) => {
  const claims = await verified(c);
  if (!claims || (await c.env.REVOCATIONS.get(`revoked:${claims.jti}`)) !== null) return refused(c);
  return c.text("ok");
});

app.post("/logout", async (c) => {
  const claims = await verified(c);
  if (!claims) return refused(c);
  await c.env.REVOCATIONS.put(`revoked:${claims.jti}`, "1", { expiration: claims.exp });
  return c.json({ message: "Logged out" });
});

export default app;
