// Hono and jose in front of another Worker: a request with a good token is passed on.
import { Hono } from "hono/tiny";
import { refused, verified } from "./verify.js";

const app = new Hono();

app.use("/orders/*", async (c, next) => ((await verified(c)) ? next() : refused(c)));
app.all("/orders/*", (c) => c.env.UPSTREAM.fetch(c.req.raw));

export default app;
