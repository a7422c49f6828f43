// A bounded set of open descriptors, shared by all torrents of a thread; the least recently used is closed first.

/** Fewer than any usual `ulimit -n` by far; more gains nothing, since files are written and read in runs. */
const MAX_OPEN_FILES = 64;

export interface OpenFile {
  readonly fd: number;
  readonly isWritable: boolean;
}

interface Entry extends OpenFile {
  readonly close: (fd: number) => void;
}

/** Two numbers make a key: a store and its file. */
const FILES_PER_STORE = 2 ** 22;

export function fileKey(store: number, file: number): number {
  return store * FILES_PER_STORE + file;
}

export class FdCache {
  readonly #limit: number;
  /** In the order of use, oldest first. */
  readonly #entries = new Map<number, Entry>();

  constructor(limit: number = MAX_OPEN_FILES) {
    this.#limit = limit;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: number): OpenFile | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    return entry;
  }

  /** @param close called when the entry is put out; must not throw */
  add(key: number, file: OpenFile, close: (fd: number) => void): void {
    this.remove(key);
    while (this.#entries.size >= this.#limit) {
      const oldest = this.#entries.keys().next().value;
      if (oldest === undefined) break;
      this.remove(oldest);
    }
    this.#entries.set(key, { fd: file.fd, isWritable: file.isWritable, close });
  }

  remove(key: number): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    entry.close(entry.fd);
  }

  removeStore(store: number): void {
    for (const key of [...this.#entries.keys()]) {
      if (Math.floor(key / FILES_PER_STORE) === store) this.remove(key);
    }
  }
}
