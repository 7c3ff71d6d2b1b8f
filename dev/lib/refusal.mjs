// A refusal is an expected failure: it is told in its own words, without a stack.
import { realpathSync } from "node:fs";
import { fileURLToPath } from "node:url";

export class Refusal extends Error {
  /**
   * @param {string} message what is wrong and what to do about it
   * @param {number} [exitCode]
   */
  constructor(message, exitCode = 1) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** Whether a module is the command itself, and not imported by one. @param {string} url its `import.meta.url` */
export const isMain = (url) => process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(url);

/**
 * Runs a command's main function; a refusal becomes one message on stderr and an exit code.
 * @param {() => Promise<number | void>} main its number is the exit code
 */
export async function command(main) {
  try {
    process.exitCode = (await main()) ?? 0;
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    console.error(error.message);
    process.exitCode = error.exitCode;
  }
}
