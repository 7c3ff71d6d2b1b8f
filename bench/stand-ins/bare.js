// The least that a Worker in JavaScript does.
export default {
  fetch() {
    return new Response("ok");
  },
};
