// Where the files of a torrent lie in its one run of bytes, for whoever asks for them one by one. Pure.
import { invariant } from '../base/result.ts';
import type { FileEntry } from '../metainfo/layout.ts';

export class FileSpans {
  /** In order, without empty ones. */
  readonly #files: readonly FileEntry[];

  constructor(files: readonly FileEntry[]) {
    this.#files = files.filter(({ length }) => length > 0).sort((a, b) => a.offset - b.offset);
  }

  /** The file that holds this byte of the torrent. O(log files). */
  at(offset: number): FileEntry {
    let low = 0;
    let high = this.#files.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if ((this.#files[middle] as FileEntry).offset <= offset) low = middle;
      else high = middle - 1;
    }
    const file = this.#files[low];
    invariant(file !== undefined && offset < file.offset + file.length, `no file at byte ${offset}`);
    return file;
  }

  /** Those that hold data of their own. */
  get served(): readonly FileEntry[] {
    return this.#files.filter(({ isPadding }) => !isPadding);
  }
}
