// The payload side of one torrent: storage, slots and swarm, opened together once the metadata is known.
import { EMPTY_BYTES } from '../base/bytes.ts';
import { asOperationError, type OperationError } from '../base/result.ts';
import type { Metainfo } from '../metainfo/metainfo.ts';
import { SlotBuffers, segmentBytesOf } from '../storage/slots.ts';
import { TorrentStorage } from '../storage/torrent-storage.ts';
import { Swarm } from '../swarm/swarm.ts';
import { allowedFastSet } from '../wire/allowed-fast.ts';
import { FileProgress } from './file-progress.ts';
import { hostOfBanKey } from './peer/peer-connection.ts';
import type { AddTorrentOptions, PieceRange } from './session-api.ts';
import type { SessionShared } from './shared.ts';
import type { FilePriority } from './snapshot.ts';

/** How many pieces a choked peer may have all the same (BEP 6 recommends 10; libtorrent sends 5). */
const ALLOWED_FAST_PIECES = 10;

export interface DataEvents {
  onPieceVerified(piece: number): void;
  onPieceFailed(piece: number): void;
  /** All that is wanted lies there as it shall be. @returns whether that was heard; if not `tellCompletion` asks again */
  onCompleted(): boolean;
  onBan(key: string, reason: string): void;
  onError(error: OperationError): void;
  /** The swarm was told something outside of a read: its requests and timers want looking after. */
  onSwarmInput(): void;
}

export class TorrentData {
  readonly metainfo: Metainfo;
  readonly storage: TorrentStorage;
  readonly slots: SlotBuffers;
  readonly filePriorities: FilePriority[];
  /** Defined once the data is checked. */
  swarm: Swarm | undefined;
  files: FileProgress;
  checkedBytes = 0;
  readonly #shared: SessionShared;
  readonly #events: DataEvents;
  #isSequential: boolean;
  readonly #pieceRange: PieceRange | undefined;
  readonly #isReadOnly: boolean;
  #abortCheck: AbortController | undefined;
  /** The last piece is there, and nobody was told: files get their lengths and modes first. */
  #isCompletionDue = false;

  private constructor(parts: {
    metainfo: Metainfo;
    storage: TorrentStorage;
    slots: SlotBuffers;
    filePriorities: FilePriority[];
    shared: SessionShared;
    events: DataEvents;
    options: AddTorrentOptions;
  }) {
    this.metainfo = parts.metainfo;
    this.storage = parts.storage;
    this.slots = parts.slots;
    this.filePriorities = parts.filePriorities;
    this.#shared = parts.shared;
    this.#events = parts.events;
    this.#isSequential = parts.options.sequential === true;
    this.#pieceRange = parts.options.pieceRange?.(parts.metainfo);
    this.#isReadOnly = parts.options.seedOnly === true;
    this.files = new FileProgress(parts.metainfo, parts.storage.have);
  }

  /** @throws OperationError `disk`, `refused` */
  static async open(
    shared: SessionShared,
    metainfo: Metainfo,
    options: AddTorrentOptions,
    events: DataEvents,
  ): Promise<TorrentData> {
    // The disk thread takes 80 ms to start: it does so while we look for peers.
    if (options.seedOnly !== true) shared.workers.start();
    const chosen = options.filePriorities?.(metainfo);
    const filePriorities = metainfo.files.map((_, index): FilePriority => chosen?.[index] ?? 4);
    let data: TorrentData | undefined;
    const slots = new SlotBuffers(shared.slotMemory, segmentBytesOf(metainfo.layout), () => {
      data?.swarm?.handleSlotsAvailable(shared.clock.nowMs());
      events.onSwarmInput();
    });
    const storage = await TorrentStorage.open({
      metainfo,
      directory: options.directory,
      ...(options.rename === undefined ? {} : { rename: options.rename }),
      stateDir: shared.stateDir,
      slots,
      workers: shared.workers,
      reads: shared.readMemory,
      wanted: filePriorities.map((priority) => priority > 0),
      ...(options.preallocate === undefined ? {} : { preallocate: options.preallocate }),
      readOnly: options.seedOnly === true,
      recheck: options.recheck === true,
      overwrite: options.overwrite === true,
      ...(options.hashed === undefined ? {} : { hashed: options.hashed }),
      log: shared.log,
      onPieceResult: (piece, ok, digests) => data?.handlePieceResult(piece, ok, digests),
      onError: (error) => events.onError(error),
    });
    data = new TorrentData({
      metainfo,
      storage,
      slots,
      filePriorities,
      shared,
      events,
      options,
    });
    return data;
  }

  get needsCheck(): boolean {
    const { needsCheck, isReady, hasUnfinishedFiles } = this.storage;
    return needsCheck.length > 0 || !isReady || hasUnfinishedFiles;
  }

  /** All that is wanted is there, and was told to be. */
  get isComplete(): boolean {
    return this.swarm?.isComplete === true && !this.#isCompletionDue;
  }

  /** Verified pieces could not be read, or what is to be seeded was not all there: only a look at everything helps. */
  get needsFullCheck(): boolean {
    const { have } = this.storage;
    const hasLostPieces = this.swarm !== undefined && this.swarm.have.count < have.count;
    return hasLostPieces || (this.#isReadOnly && !have.isFull);
  }

  /** @returns false when it was aborted @throws OperationError `disk` */
  async check(scope: 'unvouched' | 'all'): Promise<boolean> {
    const abort = new AbortController();
    this.#abortCheck = abort;
    this.checkedBytes = 0;
    try {
      await this.storage.check({
        ...(scope === 'unvouched' ? { ranges: this.storage.needsCheck } : {}),
        signal: abort.signal,
        onProgress: (bytes) => {
          this.checkedBytes = bytes;
        },
      });
      return true;
    } catch (error) {
      if (abort.signal.aborted) return false;
      throw error;
    } finally {
      this.#abortCheck = undefined;
      this.checkedBytes = 0;
    }
  }

  /** What is hashed so far is kept. */
  abortCheck(): void {
    this.#abortCheck?.abort();
  }

  startSwarm(): Swarm {
    const { clock, rng } = this.#shared;
    const { layout } = this.metainfo;
    this.files = new FileProgress(this.metainfo, this.storage.have);
    const swarm = new Swarm({
      layout,
      have: this.storage.have.clone(),
      slots: this.slots,
      segmentBytes: this.storage.segmentBytes,
      rng,
      allowedFastPieces: (key) =>
        allowedFastSet(hostOfBanKey(key), this.metainfo.infoHash, layout.pieceCount, ALLOWED_FAST_PIECES),
      events: {
        onSegmentFilled: (piece, segment, slot, lengthBytes, wantBlockDigests) =>
          this.storage.commitSegment(piece, segment, slot, lengthBytes, wantBlockDigests),
        onBan: (key, reason) => this.#events.onBan(key, reason),
        onCompleted: () => {
          this.#isCompletionDue = true;
          void this.tellCompletion();
        },
      },
    });
    this.swarm = swarm;
    this.#isCompletionDue = false;
    const nowMs = clock.nowMs();
    swarm.setPiecePriorities(this.#piecePriorities(), nowMs);
    if (this.#isSequential) swarm.setSequential(true);
    this.allowDownload(true);
    return swarm;
  }

  /** Nothing new is asked for while false; never in a torrent that must not be written. */
  allowDownload(isAllowed: boolean): void {
    this.swarm?.setDownloadingAllowed(isAllowed && !this.#isReadOnly, this.#shared.clock.nowMs());
  }

  /** Calls `onCompleted` if that is due, once the files are what the torrent says; not where that failed. */
  async tellCompletion(): Promise<void> {
    if (!this.#isCompletionDue) return;
    await this.storage.finished();
    if (this.storage.isFailed || this.swarm?.isComplete !== true || !this.#isCompletionDue) return;
    this.#isCompletionDue = !this.#events.onCompleted();
  }

  /** Its connections are closing. Half-filled pieces are given up. */
  dropSwarm(): void {
    const { swarm } = this;
    if (swarm === undefined) return;
    this.allowDownload(false);
    const nowMs = this.#shared.clock.nowMs();
    for (const peer of [...swarm.peers]) swarm.removePeer(peer, nowMs);
    swarm.releaseSlots();
    this.swarm = undefined;
  }

  handlePieceResult(piece: number, ok: boolean, digests: Uint8Array | undefined): void {
    const nowMs = this.#shared.clock.nowMs();
    if (this.swarm === undefined) return;
    if (ok) {
      // Told first: the swarm may find that this was the last one.
      this.#events.onPieceVerified(piece);
      this.swarm.handlePieceVerified(piece, digests, nowMs);
    } else {
      this.swarm.handlePieceFailed(piece, digests ?? EMPTY_BYTES, nowMs);
      this.#events.onPieceFailed(piece);
    }
    this.#events.onSwarmInput();
  }

  setSequential(isOn: boolean): void {
    this.#isSequential = isOn;
    this.swarm?.setSequential(isOn);
  }

  /** Resolves when the bytes of the file lie where they belong. @throws OperationError `disk`; `refused`, and it stays as it was */
  async setFilePriority(file: number, priority: FilePriority): Promise<void> {
    const former = this.filePriorities[file] as FilePriority;
    this.filePriorities[file] = priority;
    try {
      await this.storage.setWanted(file, priority > 0);
    } catch (error) {
      if (asOperationError(error).slug === 'refused') this.filePriorities[file] = former;
      throw error;
    }
    this.swarm?.setPiecePriorities(this.#piecePriorities(), this.#shared.clock.nowMs());
    this.#events.onSwarmInput();
  }

  /** What the files want, within the range that was asked for. */
  #piecePriorities(): FilePriority[] {
    const priorities = this.files.piecePriorities(this.filePriorities);
    if (this.#pieceRange === undefined) return priorities;
    const { first, end } = this.#pieceRange;
    return priorities.map((priority, piece) => (piece >= first && piece < end ? priority : 0));
  }

  async close(): Promise<void> {
    this.abortCheck();
    // Not flushed: thousands of files take seconds, and after a crash of the machine what was not is only hashed again.
    await this.storage.close({ sync: false });
    this.slots.dispose();
  }
}
