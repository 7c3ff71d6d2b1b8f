// `npm run bench`: what a request costs, here and with what others write, each in the runtime itself. Says whether the
// targets hold, and keeps everything that was measured in bench/results.
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { build } from "../dev/build.mjs";
import { Refusal, command } from "../dev/lib/refusal.mjs";
import { setup } from "../dev/setup.mjs";
import { refuseUnfitPlatform, wrkVersion } from "./edge/load.mjs";
import { readOptions } from "./edge/options.mjs";
import { withScratch } from "./edge/scratch.mjs";

/** @param {string} folder @param {import("./edge/targets.mjs").Results} all */
async function keep(folder, all) {
  const [{ report, targetTable, cellTable, warning }, { chart }] = await Promise.all([import("./edge/report.mjs"), import("./edge/chart.mjs")]);
  console.log(`\n${cellTable(all)}\n${targetTable(all)}`);
  if (warning(all)) console.error(`${warning(all)}\n`);
  await mkdir(folder, { recursive: true });
  const image = chart(all);
  await writeFile(join(folder, "latest.md"), report(all));
  await writeFile(join(folder, "latest.json"), `${JSON.stringify(all, null, 1)}\n`);
  if (image) await writeFile(join(folder, "latest.svg"), image);
}

await command(async () => {
  const options = readOptions(process.argv.slice(2));
  await refuseUnfitPlatform();
  const wrk = await wrkVersion();
  await setup();
  if (options.buildsItself) await build();
  // It needs packages that set-up may have installed just now.
  const { measureEverything, names } = await import("./edge/everything.mjs");
  if (options.list) return console.log((await withScratch((folder) => names(options, folder))).join("\n"));
  const all = await withScratch((folder, storage) => measureEverything(options, { folder, storage, wrk }));
  if (all.cells.length === 0 && !(all.bundle ?? all.coldStarts ?? all.memory ?? all.segments ?? all.rows)) throw new Refusal("--only names nothing that is measured: --list says what there is", 2);
  await keep(options.out, all);
});
