// wrangler, run so that it asks nothing, reports nothing to anybody and keeps its files in the project's folder.
import { modernNode, modernNodeEnv } from "./packages.mjs";
import { inRoot } from "./paths.mjs";

/** @param {string[]} args */
export const wranglerArgs = (args) => [inRoot("node_modules", "wrangler", "bin", "wrangler.js"), ...args];

export const wranglerProgram = modernNode;

export const wranglerEnv = () => ({
  ...modernNodeEnv(),
  WRANGLER_SEND_METRICS: "false",
  WRANGLER_SEND_ERROR_REPORTS: "false",
  WRANGLER_NO_SKILLS_UPDATE_PROMPTS: "true",
  WRANGLER_HIDE_BANNER: "true", // it comes with a question to the registry whether there is a newer version
  WRANGLER_REGISTRY_PATH: inRoot(".wrangler", "registry"),
  WRANGLER_LOG_PATH: inRoot(".wrangler", "logs"),
  CLOUDFLARE_CF_FETCH_ENABLED: "false", // `wrangler dev` would ask the network for a sample of `Request.cf`
});
