// Reads the files of one torrent on the main thread without blocking it: a few descriptors, positional reads, the same
// refusal of links as when writing.
import {
  close as closeFd,
  constants,
  fstat as fstatFd,
  open as openFd,
  read as readFd,
  readlink,
  realpath,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type { Bitfield } from '../base/bitfield.ts';
import { DiskFaultError, faultOf } from './disk-error.ts';
import { type FileMap, PADDING } from './file-map.ts';
import { lookOf } from './scan.ts';
import type { StoreConfig } from './store-config.ts';
import type { FileLook } from './trust.ts';

const open = promisify(openFd);
const fstat = promisify(fstatFd);
const askLink = promisify(readlink);
const askRealPath = promisify(realpath);

/** Of one torrent, for reading. */
const MAX_OPEN = 16;
const CAN_ASK_DESCRIPTOR = process.platform === 'linux';

interface Handle {
  readonly fd: Promise<number>;
  /** When it was opened; undefined once somebody took it. */
  look: FileLook;
  users: number;
  isEvicted: boolean;
}

/**
 * Given the descriptor, which is open until it is done.
 * @param opened how the file looked when it was opened, to the first who reads of it
 */
export type AfterFile = (file: number, fd: number, opened: FileLook) => Promise<void> | undefined;

export class ReadFiles {
  readonly #config: StoreConfig;
  readonly #map: FileMap;
  readonly #inPart: Bitfield;
  readonly #followLinks: boolean;
  /** Oldest use first. */
  readonly #handles = new Map<number, Handle>();

  /** Of the two folders that files lie below. */
  readonly #realPaths = new Map<string, string>();

  /** @param followLinks only where nothing is ever written */
  constructor(config: StoreConfig, map: FileMap, inPart: Bitfield, followLinks: boolean) {
    this.#config = config;
    this.#map = map;
    this.#inPart = inPart;
    this.#followLinks = followLinks;
  }

  /**
   * Fills `into` from `offset` in the torrent.
   * @param afterFile called when what is read of a file is there; not of the part file
   * @throws DiskFaultError, code ENOENT when the file is missing, ESHORT when bytes at its end are
   */
  async read(offset: number, into: Uint8Array, afterFile?: AfterFile): Promise<void> {
    for (const span of this.#map.spans(offset, into.length)) {
      const part = into.subarray(span.at, span.at + span.length);
      if (span.file === PADDING) part.fill(0);
      else if (this.#inPart.has(span.file))
        await this.#readFrom(this.#config.files.length, part, offset + span.at);
      else await this.#readFrom(span.file, part, span.fileOffset, afterFile);
    }
  }

  /** Descriptor of a file, for flushing. @throws DiskFaultError */
  async use<T>(file: number, run: (fd: number, handle: Handle) => Promise<T>): Promise<T> {
    const handle = this.#handle(file);
    handle.users++;
    try {
      return await run(await handle.fd, handle);
    } catch (error) {
      this.forget(file);
      throw new DiskFaultError(faultOf(error, 'read', this.#pathOf(file)), error);
    } finally {
      handle.users--;
      this.#closeIfDone(handle);
    }
  }

  /** Its bytes moved, or it was replaced. */
  forget(file: number): void {
    const handle = this.#handles.get(file);
    if (handle === undefined) return;
    this.#handles.delete(file);
    handle.isEvicted = true;
    this.#closeIfDone(handle);
  }

  closeAll(): void {
    this.#realPaths.clear();
    for (const file of [...this.#handles.keys()]) this.forget(file);
  }

  async #readFrom(file: number, into: Uint8Array, position: number, afterFile?: AfterFile): Promise<void> {
    await this.use(file, async (fd, handle) => {
      let done = 0;
      while (done < into.length) {
        const got = await readAt(fd, into, done, position + done);
        if (got === 0) throw new DiskFaultError({ code: 'ESHORT', path: this.#pathOf(file), action: 'read' });
        done += got;
      }
      if (afterFile === undefined) return;
      const { look } = handle;
      handle.look = undefined;
      const after = afterFile(file, fd, look);
      if (after !== undefined) await after;
    });
  }

  #handle(file: number): Handle {
    const held = this.#handles.get(file);
    if (held !== undefined) {
      this.#handles.delete(file);
      this.#handles.set(file, held);
      return held;
    }
    const opening = this.#open(file);
    const handle: Handle = {
      fd: opening.then(({ fd, look }) => {
        handle.look = look;
        return fd;
      }),
      look: undefined,
      users: 0,
      isEvicted: false,
    };
    handle.fd.catch(() => {}); // whoever uses it hears of it
    this.#handles.set(file, handle);
    if (this.#handles.size > MAX_OPEN) {
      const oldest = this.#handles.keys().next().value;
      if (oldest !== undefined) this.forget(oldest);
    }
    return handle;
  }

  #closeIfDone(handle: Handle): void {
    if (!handle.isEvicted || handle.users > 0) return;
    handle.fd.then(
      (fd) => closeFd(fd, () => {}),
      () => {},
    );
  }

  async #open(file: number): Promise<{ readonly fd: number; readonly look: FileLook }> {
    const path = this.#pathOf(file);
    const { O_RDONLY, O_NOFOLLOW = 0, O_NONBLOCK = 0 } = constants;
    const fd = await open(path, O_RDONLY | O_NONBLOCK | (this.#followLinks ? 0 : O_NOFOLLOW));
    try {
      const stat = await fstat(fd, { bigint: true });
      if (!stat.isFile()) throw new DiskFaultError({ code: 'ENOTFILE', path, action: 'read' });
      if (!this.#followLinks) await this.#checkPlace(fd, file, path);
      return { fd, look: lookOf(stat) };
    } catch (error) {
      closeFd(fd, () => {});
      throw error;
    }
  }

  /** The opened file must lie where its name says, once links of the target folder itself are resolved. */
  async #checkPlace(fd: number, file: number, path: string): Promise<void> {
    const isPart = file === this.#config.files.length;
    const base = isPart ? dirname(path) : this.#config.directory;
    const below = isPart ? basename(path) : (this.#config.files[file]?.path ?? '');
    const real = this.#realPaths.get(base) ?? (await askRealPath(base));
    this.#realPaths.set(base, real);
    const expected = join(real, below);
    const actual = CAN_ASK_DESCRIPTOR
      ? await askLink(`/proc/self/fd/${fd}`).catch(() => expected)
      : join(await askRealPath(dirname(path)), basename(path));
    if (actual !== expected && actual !== `${expected} (deleted)`) {
      throw new DiskFaultError({ code: 'EUNSAFE', path, action: 'read' });
    }
  }

  #pathOf(file: number): string {
    const entry = this.#config.files[file];
    return entry === undefined ? this.#config.partPath : join(this.#config.directory, entry.path);
  }
}

function readAt(fd: number, into: Uint8Array, at: number, position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    readFd(fd, into, at, into.length - at, position, (error, got) => {
      if (error === null) resolve(got);
      else reject(error);
    });
  });
}
