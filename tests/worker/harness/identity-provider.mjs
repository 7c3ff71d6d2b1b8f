// An identity provider: a server of Node's own that publishes keys, and does whatever real ones do wrong.
import { once } from "node:events";
import { createServer } from "node:http";
import { publicHalf } from "./algorithms.mjs";

/** @typedef {import("./tokens.mjs").Jwk} Jwk */
/** @typedef {import("./upstream.mjs").Handler} Handler */

export class IdentityProvider {
  /** @type {string[]} the paths that were asked for, in order */
  asked = [];
  /** What is published at /jwks. @type {unknown[]} */
  keys = [];
  /** What it says of its keys' freshness. @type {string | undefined} */
  cacheControl = undefined;
  /** What answers in place of the keys. @type {Handler | undefined} */
  fault = undefined;
  /** What the discovery document says, apart from the truth. @type {Record<string, unknown>} */
  discovery = {};

  async listen() {
    this.server = createServer((request, response) => {
      this.asked.push(request.url ?? "");
      if (request.url === "/.well-known/openid-configuration") return void sendJson(response, { issuer: this.url, jwks_uri: this.jwksUrl, ...this.discovery });
      if (this.fault) return void this.fault(request, response);
      return void sendJson(response, { keys: this.keys }, this.cacheControl);
    });
    this.server.listen(0, "127.0.0.1");
    await once(this.server, "listening");
    this.port = /** @type {import("node:net").AddressInfo} */ (this.server.address()).port;
    return this;
  }

  get url() {
    return `http://127.0.0.1:${this.port}`;
  }

  get jwksUrl() {
    return `${this.url}/jwks`;
  }

  get discoveryUrl() {
    return `${this.url}/.well-known/openid-configuration`;
  }

  /** How often its keys were asked for. */
  get fetches() {
    return this.asked.filter((path) => path === "/jwks").length;
  }

  /** From now on these keys are published, and nothing is wrong. @param {...Jwk} keys */
  publish(...keys) {
    this.keys = keys.map(publicHalf);
    this.fault = undefined;
  }

  close() {
    this.server?.closeAllConnections();
    this.server?.close();
  }
}

/** @param {import("node:http").ServerResponse} response @param {unknown} body @param {string} [cacheControl] */
function sendJson(response, body, cacheControl) {
  response.writeHead(200, { "content-type": "application/json", ...(cacheControl !== undefined && { "cache-control": cacheControl }) });
  response.end(JSON.stringify(body));
}

/** What goes wrong with real ones, by the word that the log has for it. @type {Record<string, Handler>} */
export const FAULTS = {
  bad_status: (_, response) => void response.writeHead(500).end("{}"),
  redirected: (_, response) => void response.writeHead(302, { location: "/elsewhere" }).end(),
  html: (_, response) => void response.end("<html>"),
  unreadable: (_, response) => void response.end("nothing"),
  no_usable_key: (_, response) => void response.end('{"keys":[]}'),
  too_large: (_, response) => void response.end(JSON.stringify({ keys: [], pad: "x".repeat(64 * 1024) })),
  unreachable: (request) => void request.socket.destroy(),
  timed_out: () => {},
};

/** An identity provider that is closed with its owner. @param {import("./worker.mjs").Owner} owner */
export async function identityProvider(owner) {
  const provider = await new IdentityProvider().listen();
  owner.after(() => provider.close());
  return provider;
}
