// Finds who sent bad data: the digests of a failed piece's blocks are kept with their senders until the piece passes; then
// whoever sent something else is guilty. Suspicion alone bans nobody: suspects download whole pieces alone (parole), so
// that their next failure or success is theirs.

const DIGEST_BYTES = 20;
/** Failures kept a piece; a piece that fails more often has many liars, and any of these convicts one. */
const MAX_RECORDS_PER_PIECE = 8;
/** Bounds what many failing pieces may hold. */
const MAX_RECORDS = 1024;

/** One host's share in one failed download of a piece. */
interface FailureRecord {
  /** By block. */
  readonly hosts: readonly (string | undefined)[];
  readonly digests: Uint8Array;
}

export class SmartBan {
  readonly #records = new Map<number, FailureRecord[]>();
  /** Host to the pieces in whose failure it had a part and that have not passed yet. */
  readonly #suspicions = new Map<string, Set<number>>();
  #recordCount = 0;

  /** Block digests are wanted when this piece is hashed next. */
  isWatching(piece: number): boolean {
    return this.#records.has(piece);
  }

  isSuspect(host: string): boolean {
    return this.#suspicions.has(host);
  }

  /**
   * @param hosts sender of every block; undefined where it is unknown
   * @param digests 20 bytes a block
   * @returns the hosts whose guilt is certain: the sole supplier
   */
  noteFailure(piece: number, hosts: readonly (string | undefined)[], digests: Uint8Array): readonly string[] {
    const distinct = new Set(hosts);
    if (distinct.size === 1) {
      const [only] = distinct;
      return only === undefined ? [] : [only];
    }
    const records = this.#records.get(piece) ?? [];
    if (records.length < MAX_RECORDS_PER_PIECE && this.#recordCount < MAX_RECORDS) {
      records.push({ hosts, digests: digests.slice() });
      this.#records.set(piece, records);
      this.#recordCount++;
    }
    for (const host of distinct) {
      if (host === undefined) continue;
      const pieces = this.#suspicions.get(host) ?? new Set<number>();
      pieces.add(piece);
      this.#suspicions.set(host, pieces);
    }
    return [];
  }

  /** @returns the hosts that sent blocks which differ from the good piece's */
  noteSuccess(piece: number, digests: Uint8Array | undefined): readonly string[] {
    const records = this.#records.get(piece);
    if (records === undefined) return [];
    const guilty = new Set<string>();
    for (const record of digests === undefined ? [] : records) {
      for (const [block, host] of record.hosts.entries()) {
        if (host === undefined || guilty.has(host)) continue;
        if (!isSameDigest(record.digests, digests as Uint8Array, block * DIGEST_BYTES)) guilty.add(host);
      }
    }
    this.#records.delete(piece);
    this.#recordCount -= records.length;
    for (const [host, pieces] of this.#suspicions) {
      pieces.delete(piece);
      if (pieces.size === 0 || guilty.has(host)) this.#suspicions.delete(host);
    }
    return [...guilty];
  }

  /** The host is banned: nothing more to find out about it. */
  forget(host: string): void {
    this.#suspicions.delete(host);
  }
}

function isSameDigest(left: Uint8Array, right: Uint8Array, offset: number): boolean {
  for (let i = offset; i < offset + DIGEST_BYTES; i++) if (left[i] !== right[i]) return false;
  return true;
}
