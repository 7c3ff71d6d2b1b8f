// The least that an answer to a large body costs: it is read as JSON, and the answer is fixed and as long as ours.
export default {
  async fetch(request, env) {
    const { tokens } = await request.json();
    if (!Array.isArray(tokens)) return new Response(null, { status: 400 });
    return new Response(env.ANSWER, { headers: { "content-type": "application/json" } });
  },
};
