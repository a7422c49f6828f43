// Opens files below one folder and nowhere else: no component may be a symbolic link, only ordinary files are opened,
// and where the system can say what a descriptor really is, it is asked. Synchronous: for worker threads.
import realFs from 'node:fs';
import { dirname, join, sep } from 'node:path';
import { DiskFaultError, errnoOf, faultOf } from './disk-error.ts';
import { makeFolder } from './make-folder.ts';

/** What storage asks of the file system; tests put a failing one in its place. */
export type DiskFs = Pick<
  typeof realFs,
  | 'closeSync'
  | 'fchmodSync'
  | 'fdatasyncSync'
  | 'fstatSync'
  | 'ftruncateSync'
  | 'lstatSync'
  | 'mkdirSync'
  | 'openSync'
  | 'readSync'
  | 'readlinkSync'
  | 'realpathSync'
  | 'renameSync'
  | 'statfsSync'
  | 'symlinkSync'
  | 'unlinkSync'
  | 'writeSync'
>;

const { O_CREAT, O_EXCL, O_NOFOLLOW = 0, O_NONBLOCK = 0, O_RDONLY, O_RDWR } = realFs.constants;

/** Linux tells the real path behind a descriptor: closes the gap between checking a folder and opening a file in it. */
const CAN_ASK_DESCRIPTOR = process.platform === 'linux';

/** What a disk says that has no links, modes or the like. */
export const UNABLE: ReadonlySet<string> = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS']);

export interface SafeFilesOptions {
  readonly fs?: DiskFs;
  /** For reading what the user points at (verify, seed): links may lead anywhere. Never with writing. */
  readonly followLinks?: boolean;
}

export class SafeFiles {
  readonly directory: string;
  readonly #fs: DiskFs;
  readonly #followLinks: boolean;
  #realRoot: string | undefined;
  /** Relative folders known to be real folders. */
  readonly #knownFolders = new Set<string>();

  constructor(directory: string, options: SafeFilesOptions = {}) {
    this.directory = directory;
    this.#fs = options.fs ?? realFs;
    this.#followLinks = options.followLinks ?? false;
  }

  /** Forget what was checked: the disk may have been changed by hand. */
  reset(): void {
    this.#realRoot = undefined;
    this.#knownFolders.clear();
  }

  /** @throws DiskFaultError, ENOENT when it is not there */
  openToRead(path: string): number {
    return this.#guard('read', path, () => {
      const root = this.#root(false);
      if (this.#followLinks) return this.#openOrdinary(join(root, path), O_RDONLY, undefined);
      this.#checkFolder(root, dirname(path), false);
      return this.#openOrdinary(join(root, path), O_RDONLY | O_NOFOLLOW, join(root, path));
    });
  }

  /**
   * @param how create: its presence is a fault (somebody put it there since we looked); open, for a file that was there: its
   * absence is one (a disk was unplugged)
   */
  openToWrite(path: string, how: 'create' | 'open' | 'either'): number {
    return this.#guard('write', path, () => {
      const root = this.#root(how !== 'open');
      const flags = O_RDWR | O_NOFOLLOW;
      const full = join(root, path);
      if (how === 'open') {
        this.#checkFolder(root, dirname(path), false);
        return this.#openOrdinary(full, flags, full);
      }
      this.#checkFolder(root, dirname(path), true);
      return how === 'create' ? this.#create(full, flags) : this.#openOrdinary(full, flags | O_CREAT, full);
    });
  }

  /** Makes a link if nothing lies there and the disk knows links. `text` was checked to stay inside. */
  makeLink(path: string, text: string): void {
    this.#guard('create', path, () => {
      const root = this.#root(true);
      this.#checkFolder(root, dirname(path), true);
      try {
        this.#fs.symlinkSync(text, join(root, path));
      } catch (error) {
        const code = errnoOf(error) ?? '';
        if (code !== 'EEXIST' && !UNABLE.has(code)) throw error;
      }
    });
  }

  #guard<T>(action: string, path: string, run: () => T): T {
    try {
      return run();
    } catch (error) {
      throw new DiskFaultError(faultOf(error, action, join(this.directory, path)), error);
    }
  }

  #root(create: boolean): string {
    if (this.#realRoot !== undefined) return this.#realRoot;
    if (create) makeFolder(this.directory, { fs: this.#fs });
    this.#realRoot = this.#fs.realpathSync(this.directory);
    return this.#realRoot;
  }

  #checkFolder(root: string, folder: string, create: boolean): void {
    if (folder === '.' || this.#knownFolders.has(folder)) return;
    let walked = '';
    for (const component of folder.split(sep)) {
      walked = walked === '' ? component : `${walked}${sep}${component}`;
      if (this.#knownFolders.has(walked)) continue;
      const full = join(root, walked);
      if (create) this.#makeFolder(full);
      const stat = this.#fs.lstatSync(full);
      if (stat.isSymbolicLink())
        throw new DiskFaultError({ code: 'EUNSAFE', path: full, action: 'go through' });
      if (!stat.isDirectory())
        throw new DiskFaultError({ code: 'ENOTDIR', path: full, action: 'create the folder' });
      this.#knownFolders.add(walked);
    }
  }

  #makeFolder(full: string): void {
    try {
      this.#fs.mkdirSync(full);
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST') throw error;
    }
  }

  /** What came there since we looked is somebody else's, unless it holds nothing. */
  #create(full: string, flags: number): number {
    try {
      return this.#openOrdinary(full, flags | O_CREAT | O_EXCL, full);
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST') throw error;
      const fd = this.#openOrdinary(full, flags, full); // a folder, a link, a pipe: says so
      if (this.#fs.fstatSync(fd).size === 0) return fd;
      this.#fs.closeSync(fd);
      throw error;
    }
  }

  /** O_NONBLOCK: a named pipe put there must not hold the thread. */
  #openOrdinary(full: string, flags: number, expected: string | undefined): number {
    const fd = this.#fs.openSync(full, flags | O_NONBLOCK, 0o666);
    try {
      // What this call has made is an ordinary file.
      if ((flags & O_EXCL) === 0) this.#assertOrdinary(fd, full);
      if (expected !== undefined && CAN_ASK_DESCRIPTOR) this.#askDescriptor(fd, expected);
      return fd;
    } catch (error) {
      this.#fs.closeSync(fd);
      throw error;
    }
  }

  #assertOrdinary(fd: number, full: string): void {
    const stat = this.#fs.fstatSync(fd);
    if (stat.isFile()) return;
    const code = stat.isDirectory() ? 'EISDIR' : 'ENOTFILE';
    throw new DiskFaultError({ code, path: full, action: 'open' });
  }

  #askDescriptor(fd: number, expected: string): void {
    let actual: string;
    try {
      actual = this.#fs.readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      return; // no /proc here
    }
    // Deleted between opening and asking: the name still tells where it was.
    if (actual === expected || actual === `${expected} (deleted)`) return;
    throw new DiskFaultError({ code: 'EUNSAFE', path: expected, action: 'open' });
  }
}
