// Torrents made in memory, and a storage fed the way a session feeds it.
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomBytes, seededRng } from '../../../core/base/clock.ts';
import { infoHashOf } from '../../../core/base/ids.ts';
import type { OperationError } from '../../../core/base/result.ts';
import { type FileEntry, PieceLayout } from '../../../core/metainfo/layout.ts';
import type { Metainfo } from '../../../core/metainfo/metainfo.ts';
import { NO_EXTRAS } from '../../../core/metainfo/parse-info.ts';
import { DiskWorkers } from '../../../core/storage/disk-workers.ts';
import { targetLockPath } from '../../../core/storage/lock.ts';
import { ReadMemory } from '../../../core/storage/read-cache.ts';
import { SlotBuffers, SlotMemory, segmentBytesOf } from '../../../core/storage/slots.ts';
import { type StorageOptions, TorrentStorage } from '../../../core/storage/torrent-storage.ts';

export interface FileSpec {
  readonly path: readonly string[];
  readonly length: number;
  readonly isPadding?: boolean;
  readonly isExecutable?: boolean;
  readonly symlinkTarget?: readonly string[];
}

export interface MadeTorrent {
  readonly metainfo: Metainfo;
  /** All bytes, padding as zeros. */
  readonly payload: Uint8Array;
}

/** @param name of the folder; undefined makes a single-file torrent of the first file */
export function makeTorrent(
  files: readonly FileSpec[],
  pieceLength: number,
  options: { readonly name?: string | undefined; readonly seed?: number } = { name: 'content' },
): MadeTorrent {
  const entries: FileEntry[] = [];
  let offset = 0;
  for (const [index, file] of files.entries()) {
    entries.push({
      index,
      path: options.name === undefined ? file.path : [options.name, ...file.path],
      length: file.length,
      offset,
      isPadding: file.isPadding ?? false,
      isExecutable: file.isExecutable ?? false,
      isHidden: false,
      symlinkTarget: file.symlinkTarget,
    });
    offset += file.length;
  }
  const payload = fastBytes(options.seed ?? 1, offset);
  for (const entry of entries) {
    if (entry.isPadding) payload.fill(0, entry.offset, entry.offset + entry.length);
  }
  const layout = new PieceLayout(offset, pieceLength);
  const hashes: Uint8Array[] = [];
  for (let piece = 0; piece < layout.pieceCount; piece++) {
    const start = layout.pieceOffset(piece);
    hashes.push(sha1(payload.subarray(start, start + layout.pieceSize(piece))));
  }
  const pieceHashes = Buffer.concat(hashes);
  const infoBytes = Buffer.from(
    `d6:pieces${pieceHashes.length}:${pieceHashes.toString('latin1')}e`,
    'latin1',
  );
  const metainfo: Metainfo = {
    version: 'v1',
    infoHash: infoHashOf(
      sha1(Buffer.concat([infoBytes, Buffer.from(JSON.stringify([entries, options.seed]))])),
    ),
    infoHashV2: undefined,
    infoBytes,
    name: options.name ?? files[0]?.path[0] ?? '',
    layout,
    pieceHashes: new Uint8Array(pieceHashes),
    files: entries,
    isMultiFile: options.name !== undefined,
    isPrivate: false,
    source: undefined,
    ...NO_EXTRAS,
  };
  return { metainfo, payload };
}

/** Different in every 16 KiB, and much quicker than drawing each byte. */
function fastBytes(seed: number, length: number): Uint8Array {
  const tile = randomBytes(seededRng(seed), 4096 + 7);
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at += tile.length) {
    bytes.set(tile.subarray(0, Math.min(tile.length, length - at)), at);
    bytes[at] = at >>> 8;
    if (at + 1 < length) bytes[at + 1] = at >>> 16;
  }
  return bytes;
}

export function sha1(bytes: Uint8Array): Uint8Array {
  return createHash('sha1').update(bytes).digest();
}

export async function temporaryFolder(): Promise<{ readonly path: string; remove(): Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), 'tt-storage-'));
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}

export interface PieceResult {
  readonly piece: number;
  readonly ok: boolean;
  readonly digests: Uint8Array | undefined;
}

/** A storage with everything it needs, and a memory of what it said. */
export class Harness {
  readonly torrent: MadeTorrent;
  readonly storage: TorrentStorage;
  readonly slots: SlotBuffers;
  readonly results: PieceResult[];
  readonly errors: OperationError[];
  readonly workers: DiskWorkers;
  readonly #state: { wake: () => void };

  private constructor(
    torrent: MadeTorrent,
    storage: TorrentStorage,
    slots: SlotBuffers,
    workers: DiskWorkers,
    results: PieceResult[],
    errors: OperationError[],
    state: { wake: () => void },
  ) {
    this.torrent = torrent;
    this.storage = storage;
    this.slots = slots;
    this.results = results;
    this.errors = errors;
    this.workers = workers;
    this.#state = state;
  }

  static async open(
    torrent: MadeTorrent,
    folder: string,
    options: Partial<StorageOptions> & { readonly slotBytes?: number } = {},
  ): Promise<Harness> {
    const state = { wake: (): void => {} };
    const memory = new SlotMemory(options.slotBytes ?? 16 << 20);
    const slots = new SlotBuffers(memory, segmentBytesOf(torrent.metainfo.layout), () => state.wake());
    const workers = new DiskWorkers();
    const results: PieceResult[] = [];
    const errors: OperationError[] = [];
    const storage = await TorrentStorage.open({
      metainfo: torrent.metainfo,
      directory: join(folder, 'target'),
      stateDir: join(folder, 'state'),
      slots,
      workers,
      reads: new ReadMemory(8 << 20),
      onPieceResult: (piece, ok, digests) => {
        results.push({ piece, ok, digests });
        state.wake();
      },
      onError: (error) => {
        errors.push(error);
        state.wake();
      },
      ...options,
    }).catch(async (error: unknown) => {
      await workers.close();
      throw error;
    });
    return new Harness(torrent, storage, slots, workers, results, errors, state);
  }

  /** Resolves at the next result, error or free slot. */
  next(): Promise<void> {
    return new Promise((resolve) => {
      this.#state.wake = () => {
        this.#state.wake = () => {};
        resolve();
      };
    });
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await this.next();
  }

  /** Commits every segment of these pieces, in the order given by `order` (segment numbers). */
  async give(
    pieces: readonly number[],
    options: {
      readonly corrupt?: (piece: number) => boolean;
      readonly order?: (segments: number[]) => number[];
      readonly wantBlockDigests?: boolean;
    } = {},
  ): Promise<void> {
    const { layout } = this.torrent.metainfo;
    const { segmentBytes } = this.storage;
    for (const piece of pieces) {
      const size = layout.pieceSize(piece);
      let segments = Array.from({ length: Math.ceil(size / segmentBytes) }, (_, i) => i);
      if (options.order !== undefined) segments = options.order(segments);
      for (const segment of segments) {
        let slot = this.slots.acquire();
        while (slot < 0) {
          await this.next();
          slot = this.slots.acquire();
        }
        const length = Math.min(segmentBytes, size - segment * segmentBytes);
        const start = layout.pieceOffset(piece) + segment * segmentBytes;
        const view = this.slots.view(slot);
        view.set(this.torrent.payload.subarray(start, start + length));
        if (options.corrupt?.(piece) === true && segment === 0) view[0] = (view[0] as number) ^ 1;
        this.storage.commitSegment(piece, segment, slot, length, options.wantBlockDigests ?? false);
      }
    }
  }

  /** Gives pieces and waits for all their results. */
  async download(pieces: readonly number[]): Promise<void> {
    const due = this.results.length + pieces.length;
    const errors = this.errors.length;
    await this.give(pieces);
    await this.until(() => this.results.length >= due || this.errors.length > errors);
  }

  read(piece: number, begin: number, length: number): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      this.storage.read(piece, begin, length, (error, view, release) => {
        if (error !== undefined || view === undefined) reject(error);
        else {
          resolve(view.slice());
          release?.();
        }
      });
    });
  }

  /** Without flushing: the disks of test machines are slow and shared. */
  async close(): Promise<void> {
    await this.storage.close({ sync: false });
    await this.workers.close();
  }

  /** As after `kill -9`: nothing is flushed, no closing record; only the lock is given up. */
  async kill(folder: string): Promise<void> {
    await this.workers.close();
    const hex = Buffer.from(this.torrent.metainfo.infoHash).toString('hex');
    await rm(join(folder, 'state', 'resume', `${hex}.lock`), { force: true });
    const root = this.torrent.metainfo.files[0]?.path[0] ?? '';
    await rm(targetLockPath(join(folder, 'target', root)), { force: true });
  }
}

export function allPieces(torrent: MadeTorrent): number[] {
  return Array.from({ length: torrent.metainfo.layout.pieceCount }, (_, piece) => piece);
}

/** @returns names of files whose content on disk differs from the torrent's */
export async function wrongFiles(torrent: MadeTorrent, directory: string): Promise<string[]> {
  const wrong: string[] = [];
  for (const file of torrent.metainfo.files) {
    if (file.isPadding || file.symlinkTarget !== undefined) continue;
    const found = await readFile(join(directory, ...file.path)).catch(() => undefined);
    const due = torrent.payload.subarray(file.offset, file.offset + file.length);
    if (found === undefined || !Buffer.from(due).equals(found)) wrong.push(file.path.join('/'));
  }
  return wrong;
}
