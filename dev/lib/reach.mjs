// Whether the deployed Worker has a route.

/** @typedef {import("./table.mjs").Table} Table */

/** Declares that only other Workers call it: a Worker's own configuration does not show who binds it. */
const SERVICE_BINDINGS_ONLY = "SERVICE_BINDINGS_ONLY";

/** Options of wrangler that name a route for one deployment. */
export const ROUTE_OPTIONS = ["route", "routes", "domain", "domains"];

/** @param {Table} config */
function isReachable(config) {
  const routes = [config.routes ?? [], config.route ?? []].flat();
  return routes.length > 0 || config.workers_dev === true || String(config.vars?.[SERVICE_BINDINGS_ONLY]) === "true";
}

/**
 * @param {Table} config
 * @param {import("./config-file.mjs").Which} which
 * @returns {string[]}
 */
export function unreachable(config, { label, env }) {
  if (isReachable(config)) return [];
  const where = env === undefined ? "at the top, before the first [table]" : `below [env.${env}]`;
  const vars = env === undefined ? "vars" : `env.${env}.vars`;
  return [
    [
      `the Worker has no route. Add one of these to ${label}, ${where}:`,
      '      routes = [{ pattern = "logout.shop.example", custom_domain = true }]                     # a host of its own',
      '      routes = [{ pattern = "shop.example/customer/logout", zone_name = "shop.example" }]      # a path of a site on Cloudflare',
      "      workers_dev = true                                                                       # workers.dev: no firewall or rate limiting rules of yours apply",
      "    or, if only other Workers call it, by service bindings:",
      `      [${vars}]`,
      `      ${SERVICE_BINDINGS_ONLY} = "true"`,
    ].join("\n"),
  ];
}
