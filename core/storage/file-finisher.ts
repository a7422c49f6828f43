// Gives files whose every byte is verified the length and the mode that the torrent says. What could not be done stays
// due: a file that is too long, cannot be run, or was cut or taken away meanwhile must not be told to be complete.
import { join } from 'node:path';
import { DiskFaultError, diskOperationError } from './disk-error.ts';
import type { StorePort } from './disk-workers.ts';
import type { Found, Place } from './open-storage.ts';
import { scanFiles } from './scan.ts';
import type { FileLook } from './trust.ts';

export interface FileFinisherParts {
  readonly place: Place;
  readonly found: Found;
  /** By file index. */
  readonly wanted: readonly boolean[];
  readonly isReadOnly: boolean;
  isComplete(file: number): boolean;
  attach(): StorePort;
  /** Every wanted file is finished, and looks so. */
  onAllDone(looks: readonly FileLook[]): void;
}

export class FileFinisher {
  readonly #parts: FileFinisherParts;
  readonly #due = new Set<number>();
  #running: Promise<void> = Promise.resolve();

  constructor(parts: FileFinisherParts) {
    this.#parts = parts;
    const { found, wanted, isReadOnly } = parts;
    if (isReadOnly) return;
    // The last run was killed between the last piece and this.
    for (const [file, isWanted] of wanted.entries())
      if (isWanted && found.tooLong.has(file) && parts.isComplete(file)) this.#due.add(file);
  }

  get hasDue(): boolean {
    return this.#due.size > 0;
  }

  /** These are complete. */
  add(files: readonly number[]): void {
    for (const file of files) this.#due.add(file);
  }

  /**
   * Resolves when all that was due, and what was under way, is done. @throws OperationError; it is due again then
   * @param more complete as well
   */
  run(more: readonly number[] = []): Promise<void> {
    this.add(more);
    if (this.#due.size === 0) return this.#running;
    const files = [...this.#due];
    this.#due.clear();
    this.#running = Promise.all([this.#running.catch(() => {}), this.#finish(files)]).then(() => {});
    this.#running.catch(() => {}); // whoever ran it hears of it
    return this.#running;
  }

  async #finish(files: readonly number[]): Promise<void> {
    const { place, found, wanted, isReadOnly, isComplete, attach } = this.#parts;
    if (isReadOnly) return;
    const entries = place.config.files;
    const late = files.filter(
      (file) => entries[file]?.isExecutable === true || (wanted[file] === true && found.tooLong.has(file)),
    );
    const isAllDone = wanted.every((isWanted, file) => !isWanted || isComplete(file));
    if (late.length === 0 && !isAllDone) return;
    try {
      await attach().call({ op: 'finish', files: late });
      if (isAllDone) await this.#lookAtAll();
    } catch (error) {
      this.add(files);
      throw diskOperationError(error, 'finish', place.config.directory);
    }
  }

  /** How they look now is how they have to stay. @throws OperationError, DiskFaultError */
  async #lookAtAll(): Promise<void> {
    const { place, found, wanted, onAllDone } = this.#parts;
    const { directory, files } = place.config;
    const looks = await scanFiles(place.config, false);
    for (const [index, file] of files.entries()) {
      if (wanted[index] !== true || file.kind !== 'file' || found.inPart.has(index)) continue;
      const size = looks[index]?.size;
      if (size === file.length) continue;
      const code = size === undefined ? 'ENOENT' : size < file.length ? 'ESHORT' : 'ECHANGED';
      throw new DiskFaultError({ code, path: join(directory, file.path), action: 'finish' });
    }
    onAllDone(looks);
  }
}
