// Feeds one peer the blocks it asked for: as many as the line takes, read through the storage's cache, within the limit.

import type { TorrentStorage } from '../../storage/torrent-storage.ts';
import type { Swarm } from '../../swarm/swarm.ts';
import type { SwarmPeer } from '../../swarm/swarm-peer.ts';
import type { RateLimiter } from '../../transport/rate-limiter.ts';

/** Enough to keep a fast line busy for a turn of the event loop, little enough that a choke still means something. */
const HIGH_WATER_BYTES = 1 << 20;

export interface UploadLine {
  /** Payload handed over and not yet taken by the kernel. */
  readonly queuedBytes: number;
  cork(): void;
  uncork(): void;
  /** `payload` must not change until `sent`. */
  sendBlock(piece: number, begin: number, payload: Uint8Array, sent: () => void): void;
  nowMs(): number;
}

export class UploadPump {
  readonly #swarm: Swarm;
  readonly #peer: SwarmPeer;
  readonly #storage: TorrentStorage;
  readonly #limiter: RateLimiter;
  readonly #line: UploadLine;
  /** Bytes being read from the disk for this peer. */
  #readingBytes = 0;
  #isPumping = false;
  #isCorked = false;
  #isPumpDue = false;
  #isWaitingForLimit = false;
  #isClosed = false;

  constructor(options: {
    swarm: Swarm;
    peer: SwarmPeer;
    storage: TorrentStorage;
    limiter: RateLimiter;
    line: UploadLine;
  }) {
    this.#swarm = options.swarm;
    this.#peer = options.peer;
    this.#storage = options.storage;
    this.#limiter = options.limiter;
    this.#line = options.line;
  }

  /** The connection is gone: reads under way are dropped when they come. */
  close(): void {
    this.#isClosed = true;
  }

  /** Requests came: they are served together when all that was read with them is parsed. */
  pumpSoon(): void {
    if (this.#isPumpDue) return;
    this.#isPumpDue = true;
    queueMicrotask(() => {
      this.#isPumpDue = false;
      this.pump();
    });
  }

  /** Call when the socket drained or the limit let go. */
  pump(): void {
    if (this.#isPumping || this.#isClosed || this.#isWaitingForLimit) return;
    this.#isPumping = true;
    this.#corkForNow();
    while (this.#line.queuedBytes + this.#readingBytes < HIGH_WATER_BYTES) {
      if (!this.#limiter.isOpen()) {
        this.#waitForLimit();
        break;
      }
      const request = this.#swarm.nextUpload(this.#peer);
      if (request === undefined) break;
      this.#limiter.spend(request.length);
      this.#read(request.piece, request.begin, request.length);
    }
    this.#isPumping = false;
  }

  /** What is sent until the current piece of work is done leaves in one system call. */
  #corkForNow(): void {
    if (this.#isCorked) return;
    this.#isCorked = true;
    this.#line.cork();
    queueMicrotask(() => {
      this.#isCorked = false;
      this.#line.uncork();
    });
  }

  #waitForLimit(): void {
    this.#isWaitingForLimit = true;
    this.#limiter.whenOpen(() => {
      this.#isWaitingForLimit = false;
      this.pump();
    });
  }

  #read(piece: number, begin: number, length: number): void {
    this.#readingBytes += length;
    this.#storage.read(piece, begin, length, (error, view, release) => {
      this.#readingBytes -= length;
      if (error !== undefined || view === undefined || release === undefined) {
        // What cannot be read is not there: the storage reports the trouble, the swarm stops offering the piece.
        this.#swarm.handlePieceLost(piece, this.#line.nowMs());
        return;
      }
      if (this.#isClosed) {
        release();
        return;
      }
      this.#corkForNow();
      this.#line.sendBlock(piece, begin, view, release);
      this.#swarm.handleUploaded(this.#peer, length, this.#line.nowMs());
      this.pump();
    });
  }
}
