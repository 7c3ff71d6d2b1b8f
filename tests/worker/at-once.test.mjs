// Many logouts at once: none is lost, none fails, and none is done twice.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { assertAnswer } from "./harness/answer.mjs";
import { BEARER_CONTRACTS, CONTRACTS, WORTH, logout } from "./harness/contracts.mjs";
import { mint } from "./harness/tokens.mjs";
import { start } from "./harness/worker.mjs";

const worker = await start({ after });

test("a hundred logouts at once: each succeeds, and each is refused the second time", async () => {
  const tokens = await Promise.all(Array.from({ length: 100 }, () => mint(WORTH.name)));
  const before = (await worker.stored()).length;
  for (const got of await Promise.all(tokens.map((token) => logout(worker, WORTH, token)))) WORTH.assertSuccess(got);
  assert.equal((await worker.stored()).length - before, 200, "a token and a session each");
  for (const got of await Promise.all(tokens.map((token) => logout(worker, WORTH, token)))) assertAnswer(got, WORTH.refusals.revoked);
});

test("a hundred logouts at once, of all contracts", async () => {
  const jobs = await Promise.all(Array.from({ length: 100 }, async (_, index) => {
    const contract = CONTRACTS[index % CONTRACTS.length];
    return { contract, token: await mint(contract.name) };
  }));
  const answers = await Promise.all(jobs.map(({ contract, token }) => logout(worker, contract, token)));
  answers.forEach((got, index) => jobs[index].contract.assertSuccess(got));
});

for (const contract of BEARER_CONTRACTS) {
  test(`${contract.name}: ten logouts of one token at once`, async () => {
    const token = await mint(contract.name);
    const answers = await Promise.all(Array.from({ length: 10 }, () => logout(worker, contract, token)));
    const succeeded = answers.filter(({ status }) => status === 200);
    assert.ok(succeeded.length > 0);
    succeeded.forEach((got) => contract.assertSuccess(got));
    for (const got of answers.filter(({ status }) => status !== 200)) assertAnswer(got, contract.refusals.revoked);
    assertAnswer(await logout(worker, contract, token), contract.refusals.revoked);
  });
}
