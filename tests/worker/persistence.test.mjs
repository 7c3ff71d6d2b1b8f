// What was logged out stays so when the Worker starts anew.
import { test } from "node:test";
import { assertAnswer } from "./harness/answer.mjs";
import { BEARER_CONTRACTS, logout } from "./harness/contracts.mjs";
import { scratch } from "./harness/scratch.mjs";
import { mint } from "./harness/tokens.mjs";
import { start } from "./harness/worker.mjs";

for (const ledger of /** @type {const} */ (["own", "missing"])) {
  test(`a token that was logged out is refused after a restart, ledger: ${ledger}`, async (t) => {
    const persistIn = await scratch(t);
    const tokens = await Promise.all(BEARER_CONTRACTS.map(({ name }) => mint(name)));

    const first = await start(t, { persistIn, ledger });
    for (const [index, contract] of BEARER_CONTRACTS.entries()) contract.assertSuccess(await logout(first, contract, tokens[index]));
    await first.dispose();

    const second = await start(t, { persistIn, ledger });
    for (const [index, contract] of BEARER_CONTRACTS.entries()) {
      assertAnswer(await logout(second, contract, tokens[index]), contract.refusals.revoked);
      contract.assertSuccess(await logout(second, contract));
    }
  });
}
