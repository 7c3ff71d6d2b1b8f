// Workers KV in several locations, as Cloudflare documents it: what a location has read it keeps for `cacheTtl`, that
// there is nothing as well; a write is seen elsewhere some time later, even where nobody has ever asked for the key. The
// one promise is that which the service relies on: by the settling time at the latest a write is seen everywhere.
import { FakeKv } from "./fake-kv.mjs";

/** @typedef {import("./fake-kv.mjs").Entry} Entry */
/** @typedef {{ entry: Entry, at: number, from: KvLocation }} Write */
/**
 * @typedef {object} Staleness in milliseconds
 * @property {number} settling within this time every location sees a write
 * @property {number} [cache] how long a location keeps what it has read; the settling time unless said otherwise
 * @property {number} [own] when the location that has written sees it itself: usually, and unless said otherwise, at once
 */

/** All locations. */
export class StaleKv {
  /** The latest of every key. @type {Map<string, Entry>} */
  entries = new Map();
  /** @type {Map<string, Write[]>} */
  #writes = new Map();

  /** @param {Staleness} staleness */
  constructor({ settling, cache = settling, own = 0 }) {
    this.settling = settling;
    this.cache = cache;
    this.own = own;
    /** When the others see a write; a test may choose it anew at any time. */
    this.elsewhere = settling;
  }

  /** One location, which is closed with its owner. @param {import("./worker.mjs").Owner} owner */
  async location(owner) {
    const location = new KvLocation(this);
    owner.after(() => location.close());
    return location.listen();
  }

  /** @param {string} key @param {Write} write */
  write(key, write) {
    this.entries.set(key, write.entry);
    this.#writes.set(key, [...(this.#writes.get(key) ?? []), write]);
  }

  /** The last write that a location sees without its cache. @param {string} key @param {KvLocation} location @param {number} now */
  arrived(key, location, now) {
    return this.#writes.get(key)?.findLast(({ at, from }) => now - at >= Math.min(this.settling, from === location ? this.own : this.elsewhere));
  }

  /** The last write that has settled. @param {string} key @param {number} now */
  settled(key, now) {
    return this.#writes.get(key)?.findLast(({ at }) => now - at >= this.settling);
  }

  /** When the last write was made, in the time of Date.now(). */
  lastWriteAt() {
    return Math.max(0, ...[...this.#writes.values()].flat().map(({ at }) => at));
  }
}

/** What one location sees. */
export class KvLocation extends FakeKv {
  /** @type {Map<string, { write: Write | undefined, until: number }>} */
  #cached = new Map();

  /** @param {StaleKv} world */
  constructor(world) {
    super();
    this.world = world;
    this.entries = world.entries;
  }

  /** @override @param {string} key */
  look(key) {
    const now = Date.now();
    const cached = this.#cached.get(key);
    const settled = this.world.settled(key, now);
    // A copy is never older than what has settled.
    if (cached && now < cached.until && (settled?.at ?? 0) <= (cached.write?.at ?? 0)) return cached.write?.entry;
    const write = this.world.arrived(key, this, now);
    this.#cached.set(key, { write, until: now + this.world.cache });
    return write?.entry;
  }

  /** As late as a read, but without what the location has read before. @override @param {string} key */
  peek(key) {
    return this.world.arrived(key, this, Date.now())?.entry;
  }

  /** @override @param {string} key @param {Entry} entry */
  store(key, entry) {
    this.world.write(key, { entry, at: entry.writtenAt, from: this });
    // The location that writes has the new copy, unless it is late as well.
    if (this.world.own === 0) this.#cached.delete(key);
  }
}
