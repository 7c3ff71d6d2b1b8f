// `npm run soak`: minutes of mixed traffic at saturation in the runtime itself, while keys rotate, the ledger restarts
// and the runtime is killed. Says whether every answer was right, whether memory is flat, and whether every logout holds.
import { build } from "../dev/build.mjs";
import { command } from "../dev/lib/refusal.mjs";
import { setup } from "../dev/setup.mjs";
import { withScratch } from "./edge/scratch.mjs";
import { readOptions } from "./soak/options.mjs";

/** What comes before and after the load takes less, even on a slow machine. */
const REST_SECONDS = 300;

await command(async () => {
  const options = readOptions(process.argv.slice(2));
  await setup();
  if (options.buildsItself) await build();
  // It needs packages that set-up may have installed just now.
  const { soak } = await import("./soak/run.mjs");
  console.log(`${options.seconds} s of mixed traffic over ${options.connections} connections, --seed ${options.seed}`);
  const limit = setTimeout(() => {
    console.error("It does not come to its end");
    process.kill(process.pid, "SIGTERM"); // with everything that it has started
  }, (options.seconds + REST_SECONDS) * 1_000);
  try {
    return await withScratch((folder) => soak(options, folder));
  } finally {
    clearTimeout(limit);
  }
});
