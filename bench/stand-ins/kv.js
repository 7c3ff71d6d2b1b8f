// Workers KV in memory, as the runtime's KV binding speaks to it over HTTP. It keeps what is put and forgets nothing;
// it says nothing about how long Cloudflare's KV takes. `/count` on its own socket tells how often it was asked.
const values = new Map();
const count = { reads: 0, writes: 0 };

const found = (value) => (value === undefined ? new Response(null, { status: 404 }) : new Response(value));

async function bulk(request) {
  const { keys } = await request.json();
  return Response.json(Object.fromEntries(keys.map((key) => [key, values.get(key) ?? null])));
}

export default {
  async fetch(request) {
    const { pathname } = new URL(request.url);
    if (request.method === "PUT") {
      count.writes += 1;
      values.set(decodeURIComponent(pathname.slice(1)), await request.text());
      return new Response(null);
    }
    // A listing: the ledger imports what was there before it, which is nothing.
    if (pathname === "/" && request.method === "GET") return Response.json({ keys: [], list_complete: true });
    if (pathname === "/count") return Response.json(count);
    count.reads += 1;
    return request.method === "POST" ? bulk(request) : found(values.get(decodeURIComponent(pathname.slice(1))));
  },
};
