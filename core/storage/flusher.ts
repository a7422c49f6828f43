// Brings what was written to the disk itself, off the disk thread: marks the journal, flushes the files, says so in the
// journal. Between two syncs a crash of the machine costs a re-hash, nothing else.
import { fdatasync } from 'node:fs';
import { promisify } from 'node:util';
import type { Log } from '../base/log.ts';
import { diskOperationError } from './disk-error.ts';
import type { StorePort } from './disk-workers.ts';
import type { ReadFiles } from './read-files.ts';

/** What a crash of the machine may cost in re-hashing. */
const SYNC_INTERVAL_MS = 30_000;
/** Of four threads that Node has for files, one stays free for reads. */
const FLUSHES_AT_ONCE = 3;

const flushFd = promisify(fdatasync);

export class Flusher {
  readonly #files: ReadFiles;
  readonly #path: string;
  readonly #log: Log;
  /** Written since the last flush that worked. */
  readonly #dirty = new Set<number>();
  #lastMs = performance.now();
  #isBusy = false;

  /** @param path for errors */
  constructor(files: ReadFiles, path: string, log: Log) {
    this.#files = files;
    this.#path = path;
    this.#log = log;
  }

  /** @param budgetMs no further file is begun after it; then nothing new counts as flushed. @throws OperationError */
  async flush(port: StorePort, budgetMs: number = Number.POSITIVE_INFINITY): Promise<void> {
    const startMs = performance.now();
    this.#lastMs = startMs;
    for (const file of await port.call({ op: 'mark' })) this.#dirty.add(file);
    const files = [...this.#dirty].values();
    const flushNext = async (): Promise<void> => {
      for (const file of files) {
        if (performance.now() - startMs > budgetMs) return;
        await this.#files.use(file, (fd) => flushFd(fd));
        this.#dirty.delete(file);
      }
    };
    try {
      await Promise.all(Array.from({ length: FLUSHES_AT_ONCE }, flushNext));
    } catch (error) {
      throw diskOperationError(error, 'flush', this.#path);
    }
    if (this.#dirty.size === 0) await port.call({ op: 'synced' });
  }

  /** Cheap to call often. */
  flushWhenDue(port: StorePort): void {
    if (this.#isBusy || performance.now() - this.#lastMs < SYNC_INTERVAL_MS) return;
    this.#isBusy = true;
    this.flush(port)
      .catch((error: unknown) => this.#log('warn', `flushing ${this.#path}: ${String(error)}`))
      .finally(() => {
        this.#isBusy = false;
      });
  }
}
