// Configurations and code as the documentation has them: what is run is what is read.
import { readFile } from "node:fs/promises";
import { inRoot } from "../../../dev/lib/paths.mjs";

/**
 * The code blocks of a document in one language, in their order.
 * @param {string} document
 * @param {string} language
 * @returns {Promise<string[]>}
 */
export async function codeBlocks(document, language) {
  const text = await readFile(inRoot(document), "utf8");
  return [...text.matchAll(/^```(\w+)\n(.*?)^```$/gms)].filter(([, of]) => of === language).map(([, , code]) => code);
}

/** The one code block that has this in it. @param {string} document @param {string} language @param {string} part */
export async function codeBlock(document, language, part) {
  const found = (await codeBlocks(document, language)).filter((code) => code.includes(part));
  if (found.length !== 1) throw new Error(`${document} has ${found.length} blocks of ${language} with ${part}`);
  return found[0];
}

/** A text with each of these replaced by its own: every one must be there. @param {string} text @param {Record<string, string>} by */
export function replaced(text, by) {
  return Object.entries(by).reduce((rest, [from, to]) => {
    if (!rest.includes(from)) throw new Error(`The document no longer has: ${from}`);
    return rest.replaceAll(from, to);
  }, text);
}
