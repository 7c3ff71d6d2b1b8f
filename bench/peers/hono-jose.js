// Hono and jose: the token is verified, and nobody asks whether it was logged out.
import { Hono } from "hono/tiny";
import { refused, verified } from "./verify.js";

const app = new Hono();

app.get("/check", async (c) => ((await verified(c)) ? c.text("ok") : refused(c)));

export default app;
