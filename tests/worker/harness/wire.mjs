// Calls of the ledger and its answers as bytes, as `src/revocation/ledger/wire.rs` has them. Numbers are LEB128 varints; a
// moment is its milliseconds, zigzag encoded.
import { createHash } from "node:crypto";

/** @typedef {"Record" | "Sync" | "Confirm" | "Segment"} Kind */
/** @typedef {{ shard: number, shards: number, settling: number, kvWrittenUntil: number | null }} Setup times in seconds and milliseconds */
/** @typedef {{ lineage: number, version: number }} Position */
/**
 * A logout with one revocation; digests in hex, times in milliseconds.
 * @typedef {object} Logout
 * @property {string} digest
 * @property {string} [issuer]
 * @property {"issuer" | "subject" | "session" | "token"} [scope]
 * @property {number | null} [cutOff]
 * @property {number} [expiresAt]
 * @property {{ digest: string, expiresAt: number }} [token]
 */
/** @typedef {{ prefix: string, cutOff: number | null }} Entry the first half of a digest in hex */
/** @typedef {{ name: string, upto: number, entries: number }} Segment */
/** @typedef {{ sealed: number, segments: Segment[], cutOffs: Entry[] }} Directory */
/**
 * @typedef {object} Synced
 * @property {number} lineage
 * @property {number} after
 * @property {number} upto
 * @property {boolean} isComplete
 * @property {boolean} isImporting
 * @property {number} shards
 * @property {number} directoryId
 * @property {Directory} [directory]
 * @property {Entry[]} entries
 */

const FORMAT = 1;
const SCOPES = ["issuer", "subject", "session", "token"];
/** @type {Kind[]} */
const KINDS = ["Record", "Sync", "Confirm", "Segment"];
const ANSWERS = /** @type {const} */ (["Recorded", "Synced", "Confirmed", "Segment", "OtherHistory", "OtherLayout", "Full"]);
const PREFIX_BYTES = 16;
const NAME_BYTES = 16;
const HOUR_MS = 3_600_000;

class Writer {
  /** @type {number[]} */
  #bytes = [FORMAT];

  /** @param {number} byte */
  byte(byte) {
    this.#bytes.push(byte);
    return this;
  }

  /** @param {string} hex */
  hex(hex) {
    this.#bytes.push(...Buffer.from(hex, "hex"));
    return this;
  }

  /** @param {number | bigint} number */
  number(number) {
    let left = BigInt(number);
    for (; left > 0x7fn; left >>= 7n) this.byte(Number(left & 0x7fn) | 0x80);
    return this.byte(Number(left));
  }

  /** @param {number} moment */
  moment(moment) {
    const millis = BigInt(moment);
    return this.number(BigInt.asUintN(64, (millis << 1n) ^ (millis >> 63n)));
  }

  /** @param {number | null} moment */
  optionalMoment(moment) {
    return moment === null ? this.byte(0) : this.byte(1).moment(moment);
  }

  /** @param {string} text */
  text(text) {
    const bytes = Buffer.from(text);
    return this.number(bytes.length).hex(bytes.toString("hex"));
  }

  /** @param {Position} position */
  position({ lineage, version }) {
    return this.number(lineage).number(version);
  }

  /** @param {Logout} logout */
  logout({ digest, issuer = "worth", scope = "session", cutOff = null, expiresAt = Date.now() + HOUR_MS, token }) {
    this.hex(digest).text(issuer).byte(SCOPES.indexOf(scope)).moment(Date.now());
    this.optionalMoment(cutOff).moment(expiresAt).number(3_000).byte(token ? 1 : 0);
    return token ? this.hex(token.digest).moment(token.expiresAt) : this;
  }

  bytes() {
    return Uint8Array.from(this.#bytes);
  }
}

class Reader {
  #place = 0;

  /** @param {Uint8Array} bytes */
  constructor(bytes) {
    this.source = bytes;
    if (this.byte() !== FORMAT) throw new Error(`Another format: ${Buffer.from(bytes).toString("hex").slice(0, 80)}`);
  }

  byte() {
    if (this.#place >= this.source.length) throw new Error("The bytes end too early");
    return this.source[this.#place++];
  }

  flag() {
    return this.byte() === 1;
  }

  /** @param {number} length */
  hex(length) {
    return Buffer.from(this.source.subarray(this.#place, (this.#place += length))).toString("hex");
  }

  big() {
    let number = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = this.byte();
      number |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return number;
    }
  }

  number() {
    return Number(this.big());
  }

  moment() {
    const number = this.big();
    return Number((number >> 1n) ^ -(number & 1n));
  }

  /** @returns {number | null} */
  optionalMoment() {
    return this.flag() ? this.moment() : null;
  }

  /** @template T @param {() => T} read @returns {T[]} */
  list(read) {
    return Array.from({ length: this.number() }, read);
  }

  /** @returns {Entry} */
  entry = () => ({ prefix: this.hex(PREFIX_BYTES), cutOff: this.optionalMoment() });

  /** @returns {Synced} */
  synced() {
    const [lineage, after, upto] = [this.number(), this.number(), this.number()];
    const [isComplete, isImporting] = [this.flag(), this.flag()];
    const [shards, directoryId] = [this.number(), this.number()];
    const directory = this.flag() ? this.directory() : undefined;
    return { lineage, after, upto, isComplete, isImporting, shards, directoryId, directory, entries: this.list(this.entry) };
  }

  /** @returns {Directory} */
  directory() {
    const sealed = this.number();
    const segments = this.list(() => {
      const name = this.hex(NAME_BYTES);
      this.big();
      this.big();
      const [upto, entries] = [this.number(), this.number()];
      this.hex(NAME_BYTES);
      return { name, upto, entries };
    });
    return { sealed, segments, cutOffs: this.list(this.entry) };
  }

  rest() {
    return this.source.subarray(this.#place);
  }
}

/** @typedef {{ Record: Logout[], Sync: { at?: Position, directory?: number, overlap?: number }, Confirm: { at?: Position, digests: string[] }, Segment: { name: string } }} Questions */

const NOWHERE = { lineage: 0, version: 0 };

/** What follows a kind. @type {{ [K in Kind]: (writer: Writer, question: Questions[K]) => void }} */
const WRITE = {
  Record: (writer, logouts) => {
    writer.number(logouts.length);
    for (const logout of logouts) writer.logout(logout);
  },
  Sync: (writer, { at = NOWHERE, directory = 0, overlap = 0 }) => void writer.position(at).number(directory).number(overlap),
  Confirm: (writer, { at = NOWHERE, digests }) => {
    writer.position(at).number(digests.length);
    for (const digest of digests) writer.hex(digest);
  },
  Segment: (writer, { name }) => void writer.hex(name),
};

/** @template {Kind} K @param {Partial<Setup>} setup @param {K} kind @param {Questions[K]} question */
export function writeCall({ shard = 0, shards = 1, settling = 0, kvWrittenUntil = null }, kind, question) {
  const writer = new Writer().number(shard).number(shards).number(settling).optionalMoment(kvWrittenUntil);
  writer.byte(KINDS.indexOf(kind) + 1);
  WRITE[kind](writer, question);
  return writer.bytes();
}

/** What kind of call it is, and who asks whom. @param {Uint8Array} bytes @returns {Setup & { kind: Kind }} */
export function readCall(bytes) {
  const reader = new Reader(bytes);
  const [shard, shards, settling] = [reader.number(), reader.number(), reader.number()];
  const kvWrittenUntil = reader.optionalMoment();
  return { shard, shards, settling, kvWrittenUntil, kind: KINDS[reader.byte() - 1] };
}

/**
 * @typedef {object} Answer what it has depends on its kind
 * @property {typeof ANSWERS[number]} kind
 * @property {Synced} [synced]
 * @property {(number | null)[]} [confirmed] up to when tokens were issued that are revoked; null where nothing is
 * @property {Uint8Array} [filter]
 * @property {number} [shards]
 */

/** @param {Uint8Array} bytes @returns {Answer} */
export function readAnswer(bytes) {
  const reader = new Reader(bytes);
  const kind = ANSWERS[reader.byte() - 1];
  if (kind === "Synced") return { kind, synced: reader.synced() };
  if (kind === "Confirmed") return { kind, confirmed: reader.list(() => reader.optionalMoment()) };
  if (kind === "Segment") return { kind, filter: reader.flag() ? reader.rest() : undefined };
  return kind === "OtherLayout" ? { kind, shards: reader.number() } : { kind };
}

/** What a key in Workers KV names, in hex. @param {string} key */
export const digestOf = (key) => Buffer.from(key.split(":")[3], "base64url").toString("hex");

/** The half of a digest that replicas hold. @param {string} digest in hex */
export const prefixOf = (digest) => digest.slice(0, 2 * PREFIX_BYTES);

/** A digest of a test's own, in hex. @param {string} text */
export const digestFor = (text) => createHash("sha256").update(text).digest("hex");
