// What is asked next.
import { ALLOWED_ORIGIN } from "./config.mjs";
import { hostileJobs, unknownKeyJob } from "./hostile.mjs";
import { logout } from "./logouts.mjs";
import { FRESHNESS, batchCheck, bytes, check, told } from "./requests.mjs";
import { KINDS } from "./tokens.mjs";

/** @typedef {import("./requests.mjs").Job} Job */

/** Of a hundred requests. */
const SHARES = /** @type {const} */ ([
  { weight: 70, what: "check" },
  { weight: 10, what: "logout" },
  { weight: 10, what: "hostile" },
  { weight: 5, what: "batch" },
  { weight: 5, what: "page" },
]);
const GONE_OF_A_HUNDRED = 25;
const BATCH = { least: 20, most: 100 };

/** @param {string} what @param {Buffer} request @param {number} status @param {RegExp} wanted in the answer @returns {Job} */
const page = (what, request, status, wanted) => ({
  kind: "page",
  request,
  judge: (answer) => (answer.status === status && wanted.test(answer.head + answer.text) ? undefined : `${what}: ${told(answer)}`),
});

const PREFLIGHT = `OPTIONS /customer/logout HTTP/1.1\r\nHost: api.example\r\nOrigin: ${ALLOWED_ORIGIN}\r\nAccess-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: authorization\r\n\r\n`;
const PAGES = [
  page("/healthz", bytes({ path: "/healthz" }), 200, /"status":"ok"/),
  page("/openapi.json", bytes({ path: "/openapi.json" }), 200, /"openapi":"3\.1/),
  page("a preflight", Buffer.from(PREFLIGHT), 204, /access-control-allow-origin: https:\/\/shop\.example/i),
];

export class Mix {
  /** @param {{ chance: import("./random.mjs").Chance, mint: import("./tokens.mjs").Mint, population: import("./population.mjs").Population, rotation: import("./rotation.mjs").Rotation, faults: import("./faults.mjs").Faults }} all */
  constructor({ chance, mint, population, rotation, faults }) {
    this.chance = chance;
    this.mint = mint;
    this.population = population;
    this.rotation = rotation;
    this.merchant = mint.token("loyaltydog");
    this.hostile = hostileJobs(mint);
    /** @type {import("./requests.mjs").Excuse} */
    this.excuse = (subject, when) => rotation.excuse(subject, when);
    /** @type {import("./requests.mjs").Excuse} */
    this.anyExcuse = (subject, when) => this.excuse(subject, when) ?? faults.excuse(when.begun, when.ended);
    this.kinds = KINDS.map((kind) => ({ weight: kind.weight, what: kind }));
  }

  /** @returns {Job} */
  next() {
    const { chance, population } = this;
    switch (chance.weighted([...SHARES])) {
      case "check":
        return check(population.anybody(GONE_OF_A_HUNDRED), chance.weighted(FRESHNESS), this.excuse);
      case "logout":
        return this.#logout();
      case "hostile":
        return chance.next() < 0.1 ? unknownKeyJob(this.mint, this.rotation, chance.text(8)) : chance.of(this.hostile);
      case "batch":
        return batchCheck(this.#many(), chance.weighted(FRESHNESS), this.anyExcuse);
      default:
        return chance.of(PAGES);
    }
  }

  #logout() {
    const { chance, population } = this;
    const subject = population.retries.shift() ?? population.leaves(chance.weighted(this.kinds).issuer);
    return logout(subject, this.merchant, (unsure) => population.retries.push(unsure), this.excuse);
  }

  #many() {
    const { least, most } = BATCH;
    return Array.from({ length: least + this.chance.below(most - least + 1) }, () => this.population.anybodyWithJwt(GONE_OF_A_HUNDRED));
  }
}
