// The Cache API in memory, as the runtime speaks to it over HTTP: what is put is a whole answer as text.
const answers = new Map();

/** @param {string} text an HTTP/1.1 answer */
function parsed(text) {
  const end = text.indexOf("\r\n\r\n");
  const [, ...lines] = text.slice(0, end).split("\r\n");
  const headers = lines.map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1).trim()]);
  const seconds = Number(/max-age=(\d+)/.exec(text.slice(0, end))?.[1] ?? 0);
  return { headers, body: text.slice(end + 4), until: Date.now() + seconds * 1000 };
}

export default {
  async fetch(request) {
    if (request.method === "PUT") {
      answers.set(request.url, parsed(await request.text()));
      return new Response(null, { status: 204 });
    }
    const answer = answers.get(request.url);
    if (!answer || answer.until < Date.now()) return new Response(null, { status: 504, headers: { "CF-Cache-Status": "MISS" } });
    const headers = new Headers(answer.headers.filter(([name]) => name.toLowerCase() !== "content-length" && name.toLowerCase() !== "transfer-encoding"));
    headers.set("CF-Cache-Status", "HIT");
    return new Response(answer.body, { headers });
  },
};
