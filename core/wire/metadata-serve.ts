// Answers ut_metadata requests (BEP 9). Invariant: no peer, and not all of them together, get more than a bounded share.
import {
  encodeMetadataData,
  encodeMetadataReject,
  METADATA_PIECE_BYTES,
  metadataPieceCount,
} from './ut-metadata.ts';

/** A peer may ask for everything this often in one connection: once, once more after a failed check, and some lost. */
const COPIES_PER_PEER = 3;
/** A client that asks every few seconds until we have it gets on for an hour; a flood is over at once. */
const MAX_REJECTS = 500;
/** For all peers together, per second: metadata is small beside payload and must not crowd it out. */
const BYTES_PER_SECOND = 1 << 20;
/** A burst of this many whole copies goes out at once, so that newcomers never wait. */
const BURST_COPIES = 8;
const MIN_BURST_BYTES = 8 << 20;

/** @typeParam Peer whatever the owner tells connections apart by */
export class MetadataServe<Peer> {
  #info: Uint8Array | undefined;
  readonly #accounts = new Map<Peer, { served: number; rejected: number }>();
  #allowance = 0;
  #lastMs: number | undefined;

  /** @param info the verified info dictionary, or nothing as long as it is unknown: then every request is rejected */
  constructor(info?: Uint8Array) {
    this.#info = info;
  }

  setInfo(info: Uint8Array): void {
    this.#info = info;
  }

  /**
   * @returns the payload of the reply: data or reject, as BEP 9 asks for one of them; undefined for a peer that floods
   * and must be dropped
   */
  handleRequest(peer: Peer, piece: number, nowMs: number): Uint8Array | undefined {
    let account = this.#accounts.get(peer);
    if (account === undefined) {
      account = { served: 0, rejected: 0 };
      this.#accounts.set(peer, account);
    }
    const info = this.#info;
    const pieceCount = info === undefined ? 0 : metadataPieceCount(info.length);
    if (info !== undefined) this.#refill(info.length, nowMs);
    if (
      info !== undefined &&
      piece < pieceCount &&
      account.served < pieceCount * COPIES_PER_PEER &&
      this.#allowance >= METADATA_PIECE_BYTES
    ) {
      account.served++;
      this.#allowance -= METADATA_PIECE_BYTES;
      return encodeMetadataData(info, piece);
    }
    return ++account.rejected > MAX_REJECTS + pieceCount ? undefined : encodeMetadataReject(piece);
  }

  removePeer(peer: Peer): void {
    this.#accounts.delete(peer);
  }

  #refill(infoBytes: number, nowMs: number): void {
    const burst = Math.max(MIN_BURST_BYTES, infoBytes * BURST_COPIES);
    const elapsedMs = this.#lastMs === undefined ? Number.POSITIVE_INFINITY : nowMs - this.#lastMs;
    this.#allowance = Math.min(burst, this.#allowance + (elapsedMs * BYTES_PER_SECOND) / 1000);
    this.#lastMs = nowMs;
  }
}
