// One torrent on disk, as the session sees it: commits of received segments, reads for uploads, checks, selection,
// and what happens when the disk fails. Invariant: a piece in `have` is written, hashed and journaled.
import type { Bitfield } from '../base/bitfield.ts';
import { silentLog } from '../base/log.ts';
import { invariant, OperationError } from '../base/result.ts';
import { newStamps, type PieceRange, planCheck, rangesOf } from './check-plan.ts';
import { hashPieces } from './checker.ts';
import { CommitQueue } from './commit-queue.ts';
import { ContentGuard } from './content-guard.ts';
import { diskOperationError, operationErrorOf } from './disk-error.ts';
import { DiskLine } from './disk-line.ts';
import type { OutcomesMessage } from './disk-messages.ts';
import { FileFinisher } from './file-finisher.ts';
import { FileProgress } from './file-progress.ts';
import { Flusher } from './flusher.ts';
import { examine, type Found, type Place, rememberTorrent, takePlace } from './open-storage.ts';
import { ReadCache, type ReadDone } from './read-cache.ts';
import { ReadFiles } from './read-files.ts';
import { removeResumeFiles } from './resume-state.ts';
import { scanFiles } from './scan.ts';
import { Selection } from './selection.ts';
import type { CheckOptions, StorageOptions } from './storage-options.ts';
import type { FileLook } from './trust.ts';
import { UploadReads } from './upload-reads.ts';

export type { ReadDone } from './read-cache.ts';
export { ReadMemory } from './read-cache.ts';
export type { CheckOptions, StorageOptions } from './storage-options.ts';

/** Flushing thousands of small files can take many seconds: closing does not wait for all of them. */
const CLOSE_SYNC_BUDGET_MS = 1_000;

export class TorrentStorage {
  readonly have: Bitfield;
  readonly segmentBytes: number;
  readonly #options: StorageOptions;
  readonly #place: Place;
  #found: Found;
  readonly #unknown: Bitfield;
  readonly #inPart: Bitfield;
  readonly #wanted: boolean[];
  readonly #progress: FileProgress;
  readonly #finisher: FileFinisher;
  readonly #line: DiskLine;
  readonly #queue: CommitQueue;
  readonly #files: ReadFiles;
  readonly #cache: ReadCache;
  readonly #reads: UploadReads;
  #error: OperationError | undefined;
  #hashMs = 0;
  readonly #flusher: Flusher;
  readonly #selection: Selection;
  /** Takes back the entry for `tt list`. */
  readonly #forgetEntry: () => Promise<void>;
  #closing: Promise<void> | undefined;

  private constructor(
    options: StorageOptions,
    place: Place,
    found: Found,
    wanted: boolean[],
    forgetEntry: () => Promise<void>,
  ) {
    const { config, map } = place;
    this.#forgetEntry = forgetEntry;
    this.#options = options;
    this.#place = place;
    this.#found = found;
    this.#wanted = wanted;
    this.have = found.have;
    this.#unknown = found.unknown;
    this.#inPart = found.inPart;
    this.segmentBytes = config.segmentBytes;
    this.#progress = new FileProgress(config, map, this.have);
    this.#line = new DiskLine({
      workers: options.workers,
      place,
      found,
      wanted,
      inPart: this.#inPart,
      onOutcomes: (message) => this.#handleOutcomes(message),
      onError: (error) => this.#fail(error),
    });
    this.#files = new ReadFiles(config, map, this.#inPart, options.readOnly === true);
    this.#finisher = new FileFinisher({
      place,
      found,
      wanted,
      isReadOnly: options.readOnly === true,
      isComplete: (file) => this.#progress.isComplete(file),
      attach: () => this.#line.attach(),
      onAllDone: (looks) => this.#found.looks.setAll(looks),
    });
    this.#selection = new Selection({
      place,
      found,
      guard: new ContentGuard({
        place,
        found,
        files: this.#files,
        name: options.metainfo.name,
        mayOverwrite: options.overwrite === true,
      }),
      files: this.#files,
      wanted,
      isReadOnly: options.readOnly === true,
      preallocate: options.preallocate === 'full',
      attach: () => this.#line.attach(),
      flush: () => this.#queue.flush(),
      revoke: (pieces) => this.#record([], pieces, [], new Set()),
      isComplete: (file) => this.#progress.isComplete(file),
      finish: (file) => this.#finisher.run([file]),
    });
    this.#flusher = new Flusher(this.#files, config.directory, options.log ?? silentLog);
    this.#reads = new UploadReads({
      config,
      map,
      files: this.#files,
      looks: () => this.#found.looks,
      inPart: this.#inPart,
      log: options.log ?? silentLog,
      forget: (piece) => this.#cache.forgetPiece(piece),
      isComplete: (file) => this.#progress.isComplete(file),
    });
    this.#cache = new ReadCache({
      memory: options.reads,
      pieceLength: config.pieceLength,
      segmentBytes: config.segmentBytes,
      totalLength: config.totalLength,
      path: config.directory,
      readBytes: (offset, into) => this.#reads.read(offset, into),
    });
    this.#queue = new CommitQueue({
      slots: options.slots,
      port: () => this.#line.attach(),
      onPiece: (piece, ok, digests) => this.#handlePiece(piece, ok, digests),
    });
  }

  /**
   * Makes nothing on disk before the first write, unless no wanted file has bytes.
   * @throws OperationError `refused` when another process has this torrent or target, or somebody else's files lie where
   * ours are to go (`check` may find so, too); `disk`; `bad-torrent`
   */
  static async open(options: StorageOptions): Promise<TorrentStorage> {
    const wanted = options.metainfo.files.map((_, index) => options.wanted?.[index] ?? true);
    const place = await takePlace(options);
    let storage: TorrentStorage | undefined;
    try {
      const [found, forget] = await Promise.all([
        examine(place, options, wanted),
        rememberTorrent(place, options),
      ]);
      storage = new TorrentStorage(options, place, found, wanted, forget);
      await storage.#selection.checkEnds();
      if (storage.needsCheck.length === 0) await storage.#selection.admit();
      return storage;
    } catch (error) {
      if (storage === undefined) await place.releaseLocks();
      else await storage.close({ sync: false });
      throw error;
    }
  }

  /** Data lies there that nothing vouches for: `check({ ranges: needsCheck })` before downloading. */
  get needsCheck(): readonly PieceRange[] {
    return rangesOf(this.#unknown);
  }

  /** After `onError`, until `retry` works. */
  get isFailed(): boolean {
    return this.#error !== undefined;
  }

  /** What lies there is checked, and nobody else's files are in the way: segments are taken. */
  get isReady(): boolean {
    return this.#selection.isAdmitted;
  }

  /** Complete files whose length or mode is yet to be set: `check` (of no ranges) does so. */
  get hasUnfinishedFiles(): boolean {
    return this.#finisher.hasDue;
  }

  /**
   * Resolves when every file that became complete has the length and mode the torrent says. Where that failed `onError`
   * has been called; `retry` tries again. Never rejects.
   */
  async finished(): Promise<void> {
    const completed = this.#progress.takeCompleted();
    for (const file of completed) this.#found.looks.set(file, undefined); // known again when all is done
    this.#finisher.add(completed);
    // Without a thread nothing can be done: not after its death, nor after the end.
    if (this.#error !== undefined || (this.#closing !== undefined && this.#line.port === undefined)) return;
    try {
      await this.#finisher.run();
    } catch (error) {
      this.#fail(diskOperationError(error, 'finish', this.#place.config.directory));
    }
  }

  /** Segments given and not yet settled. */
  get waitingSegments(): number {
    return this.#queue.size;
  }

  /** What the disk thread has spent on hashing received segments. */
  get hashMs(): number {
    return this.#hashMs;
  }

  /** Verified bytes by file index; padding and links are 0. A live view. */
  fileProgress(): readonly number[] {
    return this.#progress.verifiedBytes;
  }

  /** Whether every byte of the file is verified. */
  isFileComplete(file: number): boolean {
    return this.#progress.isComplete(file);
  }

  /**
   * Hashes on all cores; every run is journaled as it is done, so an aborted check goes on where it was.
   * @returns `have` @throws OperationError `disk`; `refused` as `open` does: close it then; the signal's reason (AbortError) on abort
   */
  async check(options: CheckOptions = {}): Promise<Bitfield> {
    this.#assertOpen();
    const { config } = this.#place;
    const looks = await scanFiles(config, this.#options.readOnly === true);
    const ranges = options.ranges ?? [{ first: 0, end: config.pieceCount }];
    this.#found.looks.setAll(looks);
    const { whole, absent, absentBytes } = planCheck(this.#place, this.#inPart, looks, ranges);
    let done = absentBytes;
    const records: Promise<unknown>[] = [];
    const stamped = new Set<number>();
    const record = (good: readonly number[], bad: readonly number[]): void => {
      const saved = this.#record(good, bad, looks, stamped);
      saved.catch(() => {}); // awaited below
      records.push(saved);
    };
    record([], absent);
    options.onProgress?.(done);
    try {
      await hashPieces({
        config,
        inPart: this.#inPart.bytes.slice(),
        followLinks: this.#options.readOnly === true,
        pieces: whole,
        ...(this.#options.hashThreads === undefined ? {} : { threads: this.#options.hashThreads }),
        ...(options.signal === undefined ? {} : { signal: options.signal }),
        onRun: (good, bad, bytes) => {
          record(good, bad);
          done += bytes;
          options.onProgress?.(done);
        },
      });
    } finally {
      await Promise.all(records);
    }
    if (this.#unknown.count === 0) await this.#selection.admit();
    this.#finisher.add(this.#progress.takeCompleted());
    if (this.isReady) await this.#finisher.run();
    return this.have;
  }

  /**
   * Segment `segment` (from `segment * segmentBytes` in the piece) is complete in `slot`, which the storage releases
   * once it is hashed and written. After the last segment of the piece, `onPieceResult` follows.
   */
  commitSegment(
    piece: number,
    segment: number,
    slot: number,
    length: number,
    wantBlockDigests = false,
  ): void {
    this.#assertOpen();
    invariant(this.#options.readOnly !== true, 'a read-only torrent was given a segment');
    invariant(this.isReady, 'a segment before what lies there was checked');
    this.#queue.add(piece, segment, slot, length, wantBlockDigests);
  }

  /**
   * For uploads; the piece must be in `have`, the range inside the piece. `done` comes synchronously on a cache hit.
   * An error means the disk lost what it had: `onError` has been called when `done` hears of it.
   */
  read(piece: number, begin: number, length: number, done: ReadDone): void {
    this.#cache.read(piece, begin, length, (error, view, release) => {
      if (error !== undefined) this.#fail(error);
      done(error, view, release);
    });
  }

  /**
   * Resolves when the file's bytes lie where they belong. @throws OperationError `refused` when somebody else's lie there;
   * then nothing has changed
   */
  async setWanted(file: number, wanted: boolean): Promise<void> {
    this.#assertOpen();
    await this.#selection.setWanted(file, wanted);
  }

  /**
   * After `onError`: files are opened afresh and what waited is written. When that fails again, `onError` is called
   * again. @throws OperationError when not even the journal can be written, or a file is still gone
   */
  async retry(): Promise<void> {
    if (this.#error === undefined) return;
    await this.#reads.idle(); // their failures belong to what is over
    this.#files.closeAll();
    if (this.#error.code === 'ETHREAD') await this.#restart();
    await this.#line.port?.call({ op: 'retry' });
    this.#error = undefined;
    this.#queue.resume();
    void this.finished();
  }

  /** Everything reported so far is on the disk itself, and journaled so. @throws OperationError */
  async sync(): Promise<void> {
    const { port } = this.#line;
    if (port !== undefined) await this.#flusher.flush(port);
  }

  /**
   * Waits for what is committed, flushes for about a second, writes the closing record, frees slots and locks.
   * Idempotent. What was not flushed costs a re-hash after the next start of the machine, nothing else.
   * @param options.sync false: do not flush at all
   */
  close(options: { readonly sync?: boolean } = {}): Promise<void> {
    this.#closing ??= this.#close(options.sync ?? true);
    return this.#closing;
  }

  /** After `close`: forgets the resume state (journal, part file, list entry). The content stays. */
  async removeJournal(): Promise<void> {
    invariant(this.#closing !== undefined, 'removeJournal before close');
    await this.#closing;
    await removeResumeFiles(this.#place.paths);
  }

  async #close(sync: boolean): Promise<void> {
    try {
      await this.#queue.idle();
      const { port } = this.#line;
      if (port !== undefined) {
        if (sync && this.#error === undefined) await this.#flusher.flush(port, CLOSE_SYNC_BUDGET_MS);
        await port.call({ op: 'close', sync });
      }
    } catch (error) {
      this.#options.log?.(
        'warn',
        `not closed in order: ${error instanceof Error ? error.message : String(error)}`,
      );
    } finally {
      this.#line.detach();
      this.#queue.drop();
      this.#cache.close();
      this.#files.closeAll();
      if (this.#selection.isRefused) await this.#forgetEntry();
      await this.#place.releaseLocks();
    }
  }

  /** The thread died: what was given to it and not settled is given to the next one. */
  async #restart(): Promise<void> {
    this.#found = await examine(this.#place, { ...this.#options, recheck: false }, this.#wanted);
    this.#line.restart(this.#found);
    for (const [piece, segments] of this.#queue.recall()) this.#line.call({ op: 'adopt', piece, segments });
  }

  #handleOutcomes(message: OutcomesMessage): void {
    this.#hashMs += message.hashMs;
    if (message.fault !== undefined) this.#fail(operationErrorOf(message.fault));
    this.#queue.handleOutcomes(message);
    void this.finished();
    const { port } = this.#line;
    if (port !== undefined && this.#error === undefined) this.#flusher.flushWhenDue(port);
  }

  #handlePiece(piece: number, ok: boolean, digests: Uint8Array | undefined): void {
    if (ok) {
      this.#unknown.clear(piece);
      if (this.have.set(piece)) this.#progress.add(piece);
    }
    this.#options.onPieceResult(piece, ok, digests);
  }

  #fail(error: OperationError): void {
    if (this.#error !== undefined || this.#closing !== undefined) return;
    this.#error = error;
    this.#queue.hold();
    this.#options.onError(error);
  }

  /** Applies what a check found, and journals it with how the files looked before. */
  #record(
    good: readonly number[],
    bad: readonly number[],
    looks: readonly FileLook[],
    stamped: Set<number>,
  ): Promise<unknown> {
    for (const piece of good) {
      this.#unknown.clear(piece);
      if (this.have.set(piece)) this.#progress.add(piece);
    }
    const stamps = newStamps(this.#place, this.#inPart, looks, good, stamped);
    const revoked: number[] = [];
    for (const piece of bad) {
      const wasUnknown = this.#unknown.clear(piece);
      if (this.have.clear(piece)) {
        this.#progress.subtract(piece);
        this.#cache.forgetPiece(piece);
        revoked.push(piece);
      } else if (wasUnknown) revoked.push(piece);
    }
    if (good.length === 0 && revoked.length === 0) return Promise.resolve();
    return this.#line.attach().call({ op: 'record', good, bad: revoked, stamps });
  }

  #assertOpen(): void {
    if (this.#closing !== undefined) throw new OperationError('refused', 'the torrent is closed');
  }
}
