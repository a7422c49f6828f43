// How each file of a torrent looked when its content was known to be right, in 24 bytes a file.
import type { FileLook } from './trust.ts';

const UNKNOWN = -1;

export class FileLooks {
  readonly #sizes: Float64Array;
  readonly #mtimesNs: BigInt64Array;
  readonly #inodes: BigUint64Array;

  constructor(fileCount: number) {
    this.#sizes = new Float64Array(fileCount).fill(UNKNOWN);
    this.#mtimesNs = new BigInt64Array(fileCount);
    this.#inodes = new BigUint64Array(fileCount);
  }

  /** By file index; more than there are files are not looked at. */
  setAll(looks: readonly FileLook[]): void {
    for (let file = 0; file < this.#sizes.length; file++) this.set(file, looks[file]);
  }

  /** @param look undefined: nothing is known of it any more */
  set(file: number, look: FileLook): void {
    this.#sizes[file] = look?.size ?? UNKNOWN;
    this.#mtimesNs[file] = look?.mtimeNs ?? 0n;
    this.#inodes[file] = look?.inode ?? 0n;
  }

  knows(file: number): boolean {
    return this.#sizes[file] !== UNKNOWN;
  }

  isSame(file: number, look: Exclude<FileLook, undefined>): boolean {
    return (
      this.#sizes[file] === look.size &&
      this.#mtimesNs[file] === BigInt.asIntN(64, look.mtimeNs) &&
      this.#inodes[file] === BigInt.asUintN(64, look.inode)
    );
  }
}
