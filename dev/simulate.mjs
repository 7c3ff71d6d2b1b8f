// `npm run simulate`: the service at scale, with the numbers and plots of docs/explanation/scale.md, which it brings up to date.
import { command } from "./lib/refusal.mjs";
import { run } from "./lib/run.mjs";
import { setup } from "./setup.mjs";

await command(async () => {
  await setup();
  const args = ["run", "--locked", "--quiet", "--profile", "simulation", "--example", "scale", "--", ...process.argv.slice(2)];
  return (await run("cargo", args, { show: true })).code;
});
