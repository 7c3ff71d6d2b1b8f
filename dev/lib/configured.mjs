// The configuration for commands on this machine: the merged table, and .dev.vars, with missing secrets added.
import { ensureDevVars } from "./dev-vars.mjs";
import { Refusal } from "./refusal.mjs";
import { merged, partsOf, tableOf, valuesOf } from "./table.mjs";
import { readConfig, readDevVars } from "./wrangler-config.mjs";

/**
 * @param {import("./config-file.mjs").Which} which
 * @returns {Promise<import("./table.mjs").Configured & { parts: Record<string, unknown> }>} also the parts of the table, by name
 */
export async function configuredFor(which) {
  const config = await readConfig(which);
  await ensureDevVars(which, tableOf(config, await readDevVars(which)));
  const secrets = await readDevVars(which);
  const parts = partsOf(config, secrets);
  const { table, findings } = merged(parts);
  if (table === null) throw new Refusal(`${which.label} has no vars.EDGE_LOGOUT${which.env ? ` in the environment \`${which.env}\`` : ""}: docs/reference/configuration.md says what belongs there`);
  if (findings.length > 0) throw new Refusal([`${which.label}:`, ...findings.map((finding) => `  - ${finding}`)].join("\n"));
  return { table, parts: valuesOf(parts), secrets };
}
