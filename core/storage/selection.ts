// Which files of a torrent are wanted, and where the bytes of the others go. Before anything is written it asks the guard
// whether somebody else's files are in the way.
import type { ContentGuard } from './content-guard.ts';
import type { StorePort } from './disk-workers.ts';
import type { Found, Place } from './open-storage.ts';
import type { ReadFiles } from './read-files.ts';

interface SelectionParts {
  readonly place: Place;
  readonly found: Found;
  readonly guard: ContentGuard;
  readonly files: ReadFiles;
  /** By file index; kept up to date here. */
  readonly wanted: boolean[];
  readonly isReadOnly: boolean;
  readonly preallocate: boolean;
  attach(): StorePort;
  /** Commits that wait are handed over first. */
  flush(): void;
  /** Pieces that do not count any more. */
  revoke(pieces: readonly number[]): Promise<unknown>;
  isComplete(file: number): boolean;
  finish(file: number): Promise<void>;
}

export class Selection {
  readonly #parts: SelectionParts;
  #isAdmitted: boolean;

  constructor(parts: SelectionParts) {
    this.#parts = parts;
    this.#isAdmitted = parts.isReadOnly;
  }

  /** Everything that lies there is known to be ours, or nobody's. */
  get isAdmitted(): boolean {
    return this.#isAdmitted;
  }

  get isRefused(): boolean {
    return !this.#isAdmitted && this.#parts.guard.hasRefused;
  }

  /** Before anything is hashed. @throws OperationError `refused`, `disk` */
  async checkEnds(): Promise<void> {
    if (!this.#parts.isReadOnly) await this.#parts.guard.checkEnds(this.#that(true));
  }

  /** Once what lies there is hashed: from here on it is written. @throws OperationError `refused`, `disk` */
  async admit(): Promise<void> {
    if (this.#isAdmitted) return;
    const { found, guard } = this.#parts;
    await guard.checkContent(this.#that(true));
    const unwanted = this.#that(false).filter((file) => !found.inPart.has(file));
    const strangers = await guard.strangers(unwanted);
    if (strangers.length > 0) await this.#setAside(strangers);
    await this.#settle();
    this.#isAdmitted = true;
  }

  /** @throws OperationError `refused` when somebody else's bytes lie there, and nothing has changed; `disk` */
  async setWanted(file: number, wanted: boolean): Promise<void> {
    const { found, guard, isReadOnly } = this.#parts;
    if (wanted && !isReadOnly) {
      await guard.checkEnds([file]);
      if (this.#isAdmitted) await guard.checkContent([file]);
    }
    this.#parts.wanted[file] = wanted;
    if (isReadOnly) return;
    // Nothing moves before a check is through: that comes at its end.
    if (this.#isAdmitted || !wanted || !found.inPart.has(file)) await this.#select(file, wanted);
  }

  #that(wanted: boolean): number[] {
    const files: number[] = [];
    for (const [file, isWanted] of this.#parts.wanted.entries()) if (isWanted === wanted) files.push(file);
    return files;
  }

  async #select(file: number, wanted: boolean): Promise<void> {
    const { files, found, place } = this.#parts;
    this.#parts.flush();
    const inPart = await this.#parts.attach().call({ op: 'select', file, wanted });
    if (inPart.length > 0) found.inPart.set(file);
    else if (found.inPart.clear(file)) {
      files.forget(file);
      if (found.inPart.count === 0) files.forget(place.config.files.length);
    }
    if (wanted && this.#parts.isComplete(file)) await this.#parts.finish(file);
  }

  /** Files that nobody asked for and somebody else keeps: pieces that reach into them go to the part file. */
  async #setAside(strangers: readonly number[]): Promise<void> {
    const { files, found, place } = this.#parts;
    const lost = new Set<number>();
    for (const file of strangers) {
      const { first, end } = place.map.piecesOfFile(file);
      for (let piece = first; piece < end; piece++) if (found.have.has(piece)) lost.add(piece);
    }
    await this.#parts.revoke([...lost]);
    await this.#parts.attach().call({ op: 'set-aside', files: strangers });
    for (const file of strangers) {
      found.inPart.set(file);
      files.forget(file);
    }
  }

  /** Selection may have changed since the last run; files without bytes need no download. */
  async #settle(): Promise<void> {
    const { found, place, preallocate, wanted } = this.#parts;
    const { files } = place.config;
    for (let file = 0; file < files.length; file++) {
      if (wanted[file] === true && found.inPart.has(file)) await this.#select(file, true);
    }
    if (preallocate) {
      const due = files.flatMap((entry, i) =>
        wanted[i] === true && entry.kind === 'file' && entry.length > 0 ? [i] : [],
      );
      // Whether there is room is asked once, for all: else the first files fill the disk, and the last has none.
      let later = due.slice(1);
      for (const file of due) {
        await this.#parts.attach().call({ op: 'preallocate', file, later });
        later = [];
      }
    }
    const hasBytes = files.some((file, i) => wanted[i] === true && file.kind === 'file' && file.length > 0);
    if (!hasBytes) await this.#parts.attach().call({ op: 'prepare' });
  }
}
