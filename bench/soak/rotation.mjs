// An identity provider that changes its keys again and again, with overlap, and is down for a while in between.
import { newKey } from "../../tests/worker/harness/algorithms.mjs";
import { FAULTS, IdentityProvider } from "../../tests/worker/harness/identity-provider.mjs";
import { pause } from "../edge/workerd.mjs";
import { KEYS_FRESH_SECONDS } from "./config.mjs";
import { signer } from "./tokens.mjs";

/** @typedef {import("./tokens.mjs").PublishedKey} PublishedKey */

/** A fetch is waited for so long. */
const FETCH_SECONDS = 2;
/** After so long a set that was published is the one that is known, and one before it is not. */
export const KNOWN_AFTER_MS = (KEYS_FRESH_SECONDS + FETCH_SECONDS) * 1_000;
/** After the outage, pauses between tries double from a second: the next try comes within so long. */
const RECOVERS_WITHIN_MS = 6_000;
const OUTAGE_MS = 3_000;

export class Rotation {
  provider = new IdentityProvider();
  /** @type {PublishedKey[]} every key that there was, the latest last */
  keys = [];
  /** Those that are published. @type {PublishedKey[]} */
  published = [];
  isUp = true;
  /** Until when a token of an unknown key cannot be told from one of a new key. */
  downUntil = -Infinity;
  outages = 0;

  /** @param {import("./tokens.mjs").Mint} mint */
  constructor(mint) {
    this.mint = mint;
  }

  async open() {
    await this.provider.listen();
    this.mint.providerKey = this.#add();
    return this;
  }

  /** Publishes one more key. @returns {PublishedKey} */
  #add() {
    const jwk = newKey("ES256", `key-${this.keys.length}`);
    const key = { jwk, sign: signer(jwk) };
    this.keys.push(key);
    this.#publish([...this.published, key]);
    return key;
  }

  /** @param {PublishedKey[]} keys */
  #publish(keys) {
    this.published = keys;
    this.provider.publish(...keys.map(({ jwk }) => jwk));
  }

  /** Why it may not be told whether a token of a key that is not known is good. @param {import("./tokens.mjs").Subject | undefined} subject nobody: of a key that never was @param {{ begun: number }} when */
  excuse(subject, { begun }) {
    const isUnknown = subject === undefined || subject.key?.removedAt !== undefined;
    return isUnknown && begun <= this.downUntil ? "provider down" : undefined;
  }

  /** Once around: a new key, signing with it, the old one removed, an outage. @param {() => boolean} isOn @param {() => void} onRemoval */
  async #turn(isOn, onRemoval) {
    const old = this.mint.providerKey;
    const young = this.#add();
    await pause(KNOWN_AFTER_MS);
    this.mint.providerKey = young;
    await pause(3_000);
    if (!isOn()) return;
    if (old) old.removedAt = performance.now();
    this.#publish([young]);
    onRemoval();
    await pause(KNOWN_AFTER_MS + 2_000);
    if (!isOn()) return;
    this.isUp = false;
    this.outages += 1;
    this.downUntil = Infinity;
    this.provider.fault = FAULTS.bad_status;
    await pause(OUTAGE_MS);
    this.#publish(this.published);
    this.downUntil = performance.now() + RECOVERS_WITHIN_MS;
    await pause(RECOVERS_WITHIN_MS);
    this.isUp = true;
  }

  /** @param {() => boolean} isOn @param {() => void} onRemoval */
  async run(isOn, onRemoval) {
    await pause(1_000);
    while (isOn()) await this.#turn(isOn, onRemoval);
    this.isUp = true;
  }

  /** All keys that there ever were: then nothing but its logout speaks against a token. */
  publishAll() {
    for (const key of this.keys) key.removedAt = undefined;
    this.#publish(this.keys.slice(-64));
  }

  close() {
    this.provider.close();
  }
}
