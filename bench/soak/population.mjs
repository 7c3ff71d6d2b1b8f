// Everything that can be asked about: what stays logged in, what is about to be logged out, and what has been.
import { KINDS, OPAQUE } from "./tokens.mjs";

/** @typedef {import("./tokens.mjs").Subject} Subject */

/** Of each issuer: so few that all are remembered, so many that there are always others. */
const STAYING = 60;
const LEAVING = 200;
/** Revoked tokens are asked about mostly soon after. */
const RECENT = 2_000;

export class Population {
  /** @type {Subject[]} never logged out */
  staying = [];
  /** @type {Map<string, Subject[]>} to be logged out some time, by issuer */
  leaving = new Map();
  /** @type {Subject[]} whose logout was sent, in that order */
  sent = [];
  /** @type {Subject[]} of those, the ones that are to be tried again */
  retries = [];
  /** @type {Subject[]} whose key was removed */
  orphans = [];

  /** @param {import("./tokens.mjs").Mint} mint @param {import("./random.mjs").Chance} chance */
  constructor(mint, chance) {
    this.mint = mint;
    this.chance = chance;
    for (const { issuer } of KINDS) {
      this.leaving.set(issuer, Array.from({ length: LEAVING }, () => mint.subject(issuer)));
      this.staying.push(...Array.from({ length: STAYING }, () => mint.subject(issuer)));
    }
  }

  /** @param {string} issuer */
  #of(issuer) {
    return /** @type {Subject[]} */ (this.leaving.get(issuer));
  }

  /** Nobody's logout was sent. */
  loggedIn() {
    return this.chance.next() < 0.4 ? this.chance.of(this.staying) : this.chance.of(this.#of(this.chance.of(KINDS).issuer));
  }

  /** Somebody whose logout was sent, or whose key is gone. */
  gone() {
    const { sent, orphans, chance } = this;
    if (sent.length === 0) return this.loggedIn();
    if (orphans.length > 0 && chance.next() < 0.05) return chance.of(orphans);
    const from = chance.next() < 0.8 ? Math.max(0, sent.length - RECENT) : 0;
    return sent[from + chance.below(sent.length - from)];
  }

  /** Anybody, of all kinds. @param {number} gone how often of a hundred */
  anybody(gone) {
    return this.chance.below(100) < gone ? this.gone() : this.loggedIn();
  }

  /** Anybody with a JWT. @param {number} gone */
  anybodyWithJwt(gone) {
    for (;;) {
      const subject = this.anybody(gone);
      if (subject.issuer !== OPAQUE) return subject;
    }
  }

  /** Who is logged out next; somebody else comes. @param {string} issuer */
  leaves(issuer) {
    const all = this.#of(issuer);
    const at = this.chance.below(all.length);
    const subject = all[at];
    all[at] = this.mint.subject(issuer);
    this.sent.push(subject);
    return subject;
  }

  /** The provider has removed a key: whose tokens it has signed, is logged in no more. */
  dropRemovedKeys() {
    const isGone = (/** @type {Subject} */ { key }) => key?.removedAt !== undefined;
    for (const all of [this.staying, ...this.leaving.values()]) {
      for (const [at, subject] of all.entries()) {
        if (!isGone(subject)) continue;
        this.orphans.push(subject);
        all[at] = this.mint.subject(subject.issuer);
      }
    }
  }

  ended() {
    return this.sent.filter(({ state }) => state === "ended");
  }
}
