// Writes batches of the ledger's outbox to Workers KV.

/** The number of concurrent writes: an invocation has six connections. */
const WRITES_AT_ONCE = 6;
/** Timeout of one write, in milliseconds. */
const WRITE_LIMIT = 5000;

/** @typedef {{ key: string, value: string, expiration?: number, expirationTtl?: number }} KvEntry */

/** Writes entries concurrently. Resolves to one error message per entry, `null` for success.
 * @param {any} namespace @param {KvEntry[]} entries @returns {Promise<(string | null)[]>} */
export async function writeEntries(namespace, entries) {
  const results = /** @type {(string | null)[]} */ (entries.map(() => "late"));
  const queue = [...entries.entries()].reverse();
  const write = async () => {
    for (let next = queue.pop(); next; next = queue.pop()) {
      const [place, entry] = next;
      results[place] = await writeEntry(namespace, entry);
    }
  };
  await Promise.all(Array.from({ length: WRITES_AT_ONCE }, write));
  return results;
}

/** @param {any} namespace @param {KvEntry} entry */
async function writeEntry(namespace, { key, value, expiration, expirationTtl }) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const late = new Promise((resolve) => {
    timer = setTimeout(resolve, WRITE_LIMIT, "late");
  });
  const options = { metadata: JSON.parse(value), ...(expiration ? { expiration } : { expirationTtl }) };
  try {
    const put = namespace.put(key, value, options).then(() => null);
    return await Promise.race([put, late]);
  } catch (error) {
    return String(/** @type {any} */ (error)?.message ?? error);
  } finally {
    clearTimeout(timer);
  }
}
