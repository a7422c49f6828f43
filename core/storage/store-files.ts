// The files of one torrent inside a disk thread: positional writes and reads across file borders, the part file, empty
// files and links, stamps of what was touched. Synchronous.
import { spawnSync } from 'node:child_process';
import realFs from 'node:fs';
import { basename, dirname } from 'node:path';
import type { Bitfield } from '../base/bitfield.ts';
import { DiskFaultError, errnoOf, faultOf } from './disk-error.ts';
import { type FdCache, fileKey } from './fd-cache.ts';
import { type FileMap, PADDING } from './file-map.ts';
import type { FileStamp } from './journal-state.ts';
import { type DiskFs, SafeFiles, UNABLE } from './safe-files.ts';
import type { StoreConfig } from './store-config.ts';

/**
 * Larger writes make ext4 look for large folios, which costs up to ten times more where memory is fragmented: at 128 KiB a
 * download to disk took 1.6 times the CPU of one at 32 KiB, and 64 KiB was as bad in one run of five. Smaller ones cost more calls.
 */
const WRITE_CHUNK_BYTES = 32 << 10;
/** Files in memory (tmpfs) know no such trouble: a segment in one call. */
const MEMORY_CHUNK_BYTES = 1 << 20;
const TMPFS_MAGIC = 0x01021994;
/** The unit of `stat.blocks`, whatever the file system. */
const STAT_BLOCK_BYTES = 512;

export interface StoreFilesOptions {
  readonly config: StoreConfig;
  readonly map: FileMap;
  /** Unique in the thread. */
  readonly storeId: number;
  readonly fds: FdCache;
  readonly isWanted: (file: number) => boolean;
  /** Files whose bytes go to the part file; changed by the owner only. */
  readonly inPart: Bitfield;
  /** Files that were on disk when the torrent was opened. */
  readonly existing: Bitfield;
  /** How these files looked when the torrent was opened. */
  readonly stamps?: Iterable<FileStamp>;
  readonly fs?: DiskFs;
}

export class StoreFiles {
  readonly #options: StoreFilesOptions;
  readonly #config: StoreConfig;
  readonly #fs: DiskFs;
  readonly #target: SafeFiles;
  readonly #partFolder: SafeFiles;
  /** The part file's index. */
  readonly #part: number;
  #isPrepared = false;
  #partExists = false;
  /** Written to since the last `takeStamps`. */
  readonly #touched = new Set<number>();
  /** Of touched files that had to be closed meanwhile. */
  #stamps: FileStamp[] = [];
  /** Written to since the last `takeDirty`. */
  readonly #dirty = new Set<number>();
  /** By file index: how long it is at the least, since we left it so. A file found shorter was cut by somebody else. */
  readonly #lengths: Float64Array;
  #scratch = new Uint8Array(0);
  /** Of the folder that the content lies in; looked up at the first write. */
  #chunkBytes: number | undefined;

  constructor(options: StoreFilesOptions) {
    this.#options = options;
    this.#config = options.config;
    this.#fs = options.fs ?? realFs;
    this.#target = new SafeFiles(this.#config.directory, { fs: this.#fs });
    this.#partFolder = new SafeFiles(dirname(this.#config.partPath), { fs: this.#fs });
    this.#part = this.#config.files.length;
    this.#lengths = new Float64Array(this.#part + 1);
    // What is longer than in the torrent is yet to be cut by us.
    for (const { file, size } of options.stamps ?? [])
      this.#lengths[file] = Math.min(size, this.#config.files[file]?.length ?? size);
  }

  /** Makes what has no bytes: empty files that are wanted, links. Once. */
  prepare(): void {
    if (this.#isPrepared) return;
    this.#config.files.forEach((file, index) => {
      if (!this.#options.isWanted(index)) return;
      if (file.kind === 'symlink') this.#target.makeLink(file.path, file.linkText ?? '');
      else if (file.kind === 'file' && file.length === 0) this.#makeEmpty(index);
    });
    this.#isPrepared = true;
  }

  /** Another file became wanted: look again before the next write. */
  prepareLater(): void {
    this.#isPrepared = false;
  }

  /** Only what holds bytes and was never made on disk. */
  mayLiveInPart(file: number): boolean {
    const entry = this.#config.files[file];
    return entry?.kind === 'file' && entry.length > 0 && !this.#options.existing.has(file);
  }

  /** Makes the file unless it is there: its stamp follows. @throws DiskFaultError */
  claim(file: number): void {
    this.#fdToWrite(file);
    this.#touched.add(file);
  }

  /** No file lives there any more. */
  removePart(): void {
    this.#options.fds.remove(fileKey(this.#options.storeId, this.#part));
    this.#touched.delete(this.#part);
    this.#dirty.delete(this.#part);
    this.#partExists = false;
    this.#lengths[this.#part] = 0;
    try {
      this.#fs.unlinkSync(this.#config.partPath);
    } catch (error) {
      if (errnoOf(error) === undefined) throw error; // left behind at worst
    }
  }

  /** The range may cross files; what falls into padding is dropped. @throws DiskFaultError */
  write(offset: number, bytes: Uint8Array): void {
    for (const span of this.#options.map.spans(offset, bytes.length)) {
      if (span.file === PADDING) continue;
      const part = bytes.subarray(span.at, span.at + span.length);
      if (this.#options.inPart.has(span.file)) this.#writeTo(this.#part, part, offset + span.at);
      else this.#writeTo(span.file, part, span.fileOffset);
    }
  }

  /** @returns a view that is valid until the next call. @throws DiskFaultError */
  read(offset: number, length: number): Uint8Array {
    if (this.#scratch.length < length) this.#scratch = new Uint8Array(length);
    const bytes = this.#scratch.subarray(0, length);
    for (const span of this.#options.map.spans(offset, length)) {
      const part = bytes.subarray(span.at, span.at + span.length);
      if (span.file === PADDING) part.fill(0);
      else if (this.#options.inPart.has(span.file)) this.#readFrom(this.#part, part, offset + span.at);
      else this.#readFrom(span.file, part, span.fileOffset);
    }
    return bytes;
  }

  /** Copies these ranges of the part file (offsets in the torrent) into the file they belong to. */
  moveFromPart(file: number, ranges: readonly (readonly [offset: number, length: number])[]): void {
    const start = this.#config.files[file]?.offset ?? 0;
    const buffer = new Uint8Array(WRITE_CHUNK_BYTES);
    for (const [offset, length] of ranges) {
      for (let at = 0; at < length; at += buffer.length) {
        const chunk = buffer.subarray(0, Math.min(buffer.length, length - at));
        this.#readFrom(this.#part, chunk, offset + at);
        this.#writeTo(file, chunk, offset + at - start);
      }
    }
  }

  /** Every piece of the file is verified: its length and its mode become what the torrent says. */
  finish(file: number): void {
    const entry = this.#config.files[file];
    if (entry === undefined || entry.kind !== 'file' || this.#options.inPart.has(file)) return;
    const stat = this.#guard('look at', file, () => this.#fs.fstatSync(this.#fdToRead(file)));
    // Executable for whom it is readable.
    const mode = (stat.mode & 0o777) | (entry.isExecutable ? (stat.mode & 0o444) >> 2 : 0);
    if (stat.size <= entry.length && mode === (stat.mode & 0o777)) return;
    const fd = this.#fdToWrite(file);
    this.#guard('finish', file, () => {
      if (stat.size > entry.length) this.#fs.ftruncateSync(fd, entry.length);
      changeMode(this.#fs, fd, mode);
    });
    this.#touched.add(file);
  }

  /**
   * Gives the file its length in blocks that are really taken.
   * @param later files that are to follow: there must be room for all of them before the first takes any
   * @throws DiskFaultError, ENOSPC before the disk is full
   */
  preallocate(file: number, later: readonly number[] = []): void {
    const entry = this.#config.files[file];
    if (entry === undefined || entry.kind !== 'file' || entry.length === 0) return;
    const fd = this.#fdToWrite(file);
    this.#touched.add(file);
    this.#guard('reserve', file, () => {
      const { size } = this.#fs.fstatSync(fd);
      // Asked first: a system that runs out on the way keeps what it took until then, and the disk stays full.
      const free = this.#fs.statfsSync(this.#config.directory);
      const missing = [file, ...later].reduce((sum, each) => sum + this.#missingBytes(each), 0);
      if (free.bavail * free.bsize < missing) {
        throw new DiskFaultError({ code: 'ENOSPC', path: this.#pathOf(file), action: 'reserve' });
      }
      if (size >= entry.length || reserveBySystem(fd, entry.length)) return;
      const zeros = new Uint8Array(WRITE_CHUNK_BYTES);
      for (let at = size; at < entry.length; at += zeros.length) {
        this.#writeTo(file, zeros.subarray(0, Math.min(zeros.length, entry.length - at)), at);
      }
    });
  }

  /** How the files written since the last call look now. @throws DiskFaultError */
  takeStamps(): readonly FileStamp[] {
    for (const file of this.#touched) this.#stamp(file, this.#fdToRead(file));
    this.#touched.clear();
    const stamps = this.#stamps;
    this.#stamps = [];
    return stamps;
  }

  /** They could not be journaled: look at these files again next time. */
  returnStamps(stamps: readonly FileStamp[]): void {
    for (const stamp of stamps) this.#touched.add(stamp.file);
  }

  /** Files written since the last call. The part file has the index after the last. */
  takeDirty(): readonly number[] {
    const dirty = [...this.#dirty];
    this.#dirty.clear();
    return dirty;
  }

  /** Closes everything and forgets what is known of the disk: before trying again. */
  reset(): void {
    this.close();
    this.#target.reset();
    this.#partFolder.reset();
  }

  close(): void {
    this.#options.fds.removeStore(this.#options.storeId);
  }

  #makeEmpty(index: number): void {
    this.#fdToWrite(index);
    this.#touched.add(index);
    if (this.#config.files[index]?.isExecutable === true) this.finish(index);
  }

  #writeTo(file: number, bytes: Uint8Array, position: number): void {
    const fd = this.#fdToWrite(file);
    const end = position + bytes.length;
    const length = this.#lengths[file] as number;
    // A write that makes the file longer would hide that it was cut; after any other its stamp tells.
    if (end > length && length > 0 && !this.#touched.has(file)) this.#assertWhole(file, fd);
    this.#touched.add(file);
    this.#dirty.add(file);
    this.#chunkBytes ??= this.#chunkBytesThere();
    const chunkBytes = file === this.#part ? WRITE_CHUNK_BYTES : this.#chunkBytes;
    this.#guard('write', file, () => {
      let done = 0;
      while (done < bytes.length) {
        const take = Math.min(chunkBytes, bytes.length - done);
        const wrote = this.#fs.writeSync(fd, bytes, done, take, position + done);
        if (wrote === 0)
          throw new DiskFaultError({ code: 'ENOSPC', path: this.#pathOf(file), action: 'write' });
        done += wrote;
      }
    });
    if (end > length) this.#lengths[file] = end;
  }

  /** @throws DiskFaultError where verified bytes were cut off since we wrote them */
  #assertWhole(file: number, fd: number): void {
    const { size } = this.#guard('look at', file, () => this.#fs.fstatSync(fd));
    if (size < (this.#lengths[file] as number)) throw this.#cutShort(file);
  }

  #cutShort(file: number): DiskFaultError {
    return new DiskFaultError({ code: 'ESHORT', path: this.#pathOf(file), action: 'write' });
  }

  #chunkBytesThere(): number {
    try {
      const { type } = this.#fs.statfsSync(this.#config.directory);
      return type === TMPFS_MAGIC ? MEMORY_CHUNK_BYTES : WRITE_CHUNK_BYTES;
    } catch (error) {
      if (errnoOf(error) === undefined) throw error;
      return WRITE_CHUNK_BYTES;
    }
  }

  #readFrom(file: number, into: Uint8Array, position: number): void {
    const fd = this.#fdToRead(file);
    this.#guard('read', file, () => {
      let done = 0;
      while (done < into.length) {
        const got = this.#fs.readSync(fd, into, done, into.length - done, position + done);
        if (got === 0) {
          into.fill(0, done); // cut short by somebody: the hash will tell
          return;
        }
        done += got;
      }
    });
  }

  #fdToRead(file: number): number {
    const { fds, storeId } = this.#options;
    const open = fds.get(fileKey(storeId, file));
    if (open !== undefined) return open.fd;
    const fd =
      file === this.#part
        ? this.#partFolder.openToRead(this.#partName())
        : this.#target.openToRead(this.#relative(file));
    this.#keep(file, fd, false);
    return fd;
  }

  #fdToWrite(file: number): number {
    const { fds, storeId, existing } = this.#options;
    const open = fds.get(fileKey(storeId, file));
    if (open?.isWritable === true) return open.fd;
    let fd: number;
    if (file === this.#part) {
      fd = this.#partFolder.openToWrite(this.#partName(), this.#partExists ? 'open' : 'either');
      this.#partExists = true;
    } else {
      fd = this.#target.openToWrite(this.#relative(file), existing.has(file) ? 'open' : 'create');
      existing.set(file);
    }
    this.#keep(file, fd, true);
    return fd;
  }

  #keep(file: number, fd: number, isWritable: boolean): void {
    const { fds, storeId } = this.#options;
    fds.add(fileKey(storeId, file), { fd, isWritable }, (old) => {
      if (this.#touched.delete(file)) {
        try {
          this.#stamp(file, old);
        } catch {
          this.#touched.add(file);
        }
      }
      this.#closeQuietly(old);
    });
  }

  #stamp(file: number, fd: number): void {
    const stat = this.#guard('look at', file, () => this.#fs.fstatSync(fd, { bigint: true }));
    if (stat.nlink === 0n)
      throw new DiskFaultError({ code: 'ENOENT', path: this.#pathOf(file), action: 'write' });
    // Not a stamp of ours: the next run has to find that it changed, and check it.
    if (stat.size < BigInt(this.#lengths[file] as number)) throw this.#cutShort(file);
    this.#stamps.push({ file, size: Number(stat.size), mtimeNs: stat.mtimeNs, inode: stat.ino });
  }

  #closeQuietly(fd: number): void {
    try {
      this.#fs.closeSync(fd);
    } catch (error) {
      // A late write error of a network disk: the stamps and a re-check will tell. Anything else is a bug.
      if (errnoOf(error) === undefined || errnoOf(error) === 'EBADF') throw error;
    }
  }

  #guard<T>(action: string, file: number, run: () => T): T {
    try {
      return run();
    } catch (error) {
      throw new DiskFaultError(faultOf(error, action, this.#pathOf(file)), error);
    }
  }

  #relative(file: number): string {
    return this.#config.files[file]?.path ?? '';
  }

  /** What the disk has yet to give for the file to be there in full. */
  #missingBytes(file: number): number {
    const entry = this.#config.files[file];
    if (entry === undefined || entry.kind !== 'file') return 0;
    if (!this.#options.existing.has(file)) return entry.length;
    const { size, blocks } = this.#fs.fstatSync(this.#fdToRead(file));
    return Math.max(0, entry.length - Math.min(size, blocks * STAT_BLOCK_BYTES));
  }

  #partName(): string {
    return basename(this.#config.partPath);
  }

  #pathOf(file: number): string {
    return file === this.#part ? this.#config.partPath : `${this.#config.directory}/${this.#relative(file)}`;
  }
}

/** Node has no fallocate(2), but most systems have the program. @returns whether it worked */
function reserveBySystem(fd: number, length: number): boolean {
  if (process.platform !== 'linux') return false;
  const { status } = spawnSync('fallocate', ['--length', String(length), '/proc/self/fd/3'], {
    stdio: ['ignore', 'ignore', 'ignore', fd],
  });
  return status === 0;
}

/** Disks without modes (exFAT, some network shares) must not fail a download for one. */
function changeMode(fs: DiskFs, fd: number, mode: number): void {
  try {
    fs.fchmodSync(fd, mode);
  } catch (error) {
    if (!UNABLE.has(errnoOf(error) ?? '')) throw error;
  }
}
