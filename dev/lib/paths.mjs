// Where things are. Everything that set-up makes lies in the project's own folder and is ignored by git.
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** @param {string[]} parts */
export const inRoot = (...parts) => join(ROOT, ...parts);

export const TOOLS = inRoot(".tools");
export const BUILD = inRoot("build");
/** The Worker's code for `npm run check`. Not in build/, where wrangler would deploy its wasm. */
export const CHECK_TOOL = inRoot(".tools", "check");

/** @param {string} name a command that set-up has installed with cargo */
export const toolPath = (name) => join(TOOLS, "bin", name);
