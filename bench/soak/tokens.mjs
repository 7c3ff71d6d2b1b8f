// Tokens of all issuers, and what the soak knows of each.
import { constants, createHash, createHmac, createPrivateKey, sign } from "node:crypto";
import { readDevelopmentKey } from "../../dev/lib/keys.mjs";
import { issuerOf } from "../../dev/lib/table.mjs";
import { testTable } from "../../tests/config.mjs";
import { LOYALTYDOG, MARZIPAN, POS, STOREFRONT, WORTH } from "../../tests/worker/harness/contracts.mjs";
import { PROVIDER } from "./config.mjs";

/** @typedef {import("../../tests/worker/harness/contracts.mjs").Contract} Contract */
/** @typedef {import("../../tests/worker/harness/tokens.mjs").Jwk} Jwk */
/**
 * A key that an identity provider publishes.
 * @typedef {object} PublishedKey
 * @property {Jwk} jwk
 * @property {(input: string) => Buffer} sign
 * @property {number} [removedAt]
 */
/**
 * Something that can be logged out. It is `ending` from when its logout is sent, `ended` once that is acknowledged, and
 * `unsure` when there was no such answer.
 * @typedef {object} Subject
 * @property {string} issuer
 * @property {string} token
 * @property {string[]} identifiers by which it is revoked, as `SCOPE IDENTIFIER`
 * @property {PublishedKey} [key] the one that was fetched
 * @property {"live" | "ending" | "ended" | "unsure"} state
 * @property {number} endedAt when the acknowledgement was there
 * @property {import("./config.mjs").Place} [endedIn]
 * @property {number} endedInLife which life of the runtime that was
 */

/** What is logged out how, and how often. @type {{ contract: Contract, issuer: string, path: string, weight: number }[]} */
export const KINDS = [
  { contract: STOREFRONT, issuer: STOREFRONT.name, path: STOREFRONT.paths[0], weight: 20 },
  { contract: POS, issuer: POS.name, path: POS.paths[0], weight: 20 },
  { contract: MARZIPAN, issuer: MARZIPAN.name, path: MARZIPAN.paths[0], weight: 20 },
  { contract: MARZIPAN, issuer: PROVIDER.name, path: PROVIDER.path, weight: 10 },
  { contract: LOYALTYDOG, issuer: "loyaltydog-sessions", path: LOYALTYDOG.paths[0], weight: 20 },
  // To make one of its signatures takes longer than all the rest of a request.
  { contract: WORTH, issuer: WORTH.name, path: WORTH.paths[0], weight: 10 },
];
export const OPAQUE = "loyaltydog-sessions";
const LIFETIME_SECONDS = 3600;

/** @param {Jwk} jwk @returns {(input: string) => Buffer} */
export function signer(jwk) {
  if (jwk.alg === "HS256") return (input) => createHmac("sha256", Buffer.from(jwk.k, "base64url")).update(input).digest();
  const key = createPrivateKey({ key: jwk, format: "jwk" });
  const settings = {
    RS256: { key },
    PS256: { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST },
    ES256: { key, dsaEncoding: /** @type {const} */ ("ieee-p1363") },
    EdDSA: { key },
  }[/** @type {"RS256"} */ (jwk.alg)];
  return (input) => sign(jwk.alg === "EdDSA" ? null : "sha256", Buffer.from(input), settings);
}

/** @param {object} part */
export const encoded = (part) => Buffer.from(JSON.stringify(part)).toString("base64url");

/** @param {object} header @param {object} payload @param {(input: string) => Buffer} signed */
export function tokenOf(header, payload, signed) {
  const input = `${encoded(header)}.${encoded(payload)}`;
  return `${input}.${signed(input).toString("base64url")}`;
}

/** Where a revocation stands in KV, as docs/reference/storage.md has it. @param {Subject} subject */
export const kvKeys = ({ issuer, identifiers }) =>
  identifiers.map((identifier) => {
    const [scope, id] = identifier.split(" ");
    return `v1:${issuer}:${scope}:${createHash("sha256").update(`${issuer}\n${scope}\n${id}`).digest("base64url")}`;
  });

export class Mint {
  /** @type {Map<string, { issuer: import("../../dev/lib/table.mjs").Issuer, jwk: Jwk, sign: (input: string) => Buffer }>} */
  #issuers = new Map();
  #count = 0;
  /** What the provider's tokens are signed with. @type {PublishedKey | undefined} */
  providerKey;

  /** @param {import("./random.mjs").Chance} chance */
  constructor(chance) {
    this.chance = chance;
  }

  async open() {
    for (const name of [STOREFRONT.name, POS.name, MARZIPAN.name, WORTH.name, LOYALTYDOG.name]) {
      const issuer = issuerOf(testTable(), name);
      const jwk = await readDevelopmentKey(name);
      this.#issuers.set(name, { issuer, jwk, sign: signer(jwk) });
    }
    const issuer = { name: PROVIDER.name, iss: PROVIDER.iss, audiences: [PROVIDER.audience] };
    this.#issuers.set(PROVIDER.name, { issuer, jwk: { alg: "ES256" }, sign: () => Buffer.alloc(0) });
    return this;
  }

  /** The parts of a good token, of which bad ones are made. @param {string} name */
  parts(name) {
    const known = this.#issuers.get(name);
    if (!known) throw new Error(`There is no issuer ${name}`);
    const { issuer } = known;
    const { jwk, sign: signed } = name === PROVIDER.name && this.providerKey ? this.providerKey : known;
    const { subject = "sub", session = "sid", token_id: tokenId = "jti" } = issuer.claims ?? {};
    const required = Object.entries(issuer.required_claims ?? {}).map(([claim, allowed]) => [claim, [allowed].flat()[0]]);
    const id = `${this.#count++}-${this.chance.text(10)}`;
    const now = Math.floor(Date.now() / 1000);
    const payload = {
      iss: [issuer.iss].flat()[0],
      aud: [issuer.audiences].flat()[0],
      [subject]: `user-${id}`,
      [session]: `session-${id}`,
      [tokenId]: `token-${id}`,
      iat: now,
      exp: now + LIFETIME_SECONDS,
      ...Object.fromEntries(required),
    };
    return { header: { alg: jwk.alg, kid: jwk.kid, typ: "JWT" }, payload, sign: signed, id };
  }

  /** A good token of an issuer. @param {string} name */
  token(name) {
    const { header, payload, sign: signed } = this.parts(name);
    return tokenOf(header, payload, signed);
  }

  /** @param {string} issuer @returns {Subject} */
  subject(issuer) {
    const fresh = { issuer, state: /** @type {const} */ ("live"), endedAt: Infinity, endedInLife: -1 };
    if (issuer === OPAQUE) {
      const token = `session-${this.#count++}-${this.chance.text(10)}`;
      return { ...fresh, token, identifiers: [`token opaque:${token}`] };
    }
    const { header, payload, sign: signed, id } = this.parts(issuer);
    const session = `session session-${id}`;
    const identifiers = issuer === POS.name ? [session] : [`token jti:token-${id}`, session];
    return { ...fresh, token: tokenOf(header, payload, signed), identifiers, ...(issuer === PROVIDER.name && { key: this.providerKey }) };
  }
}
