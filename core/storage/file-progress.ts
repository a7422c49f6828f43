// Verified bytes of each file, kept as pieces come and go.
import type { Bitfield } from '../base/bitfield.ts';
import { type FileMap, PADDING } from './file-map.ts';
import { pieceSizeOf, type StoreConfig } from './store-config.ts';

export class FileProgress {
  /** By file index. */
  readonly verifiedBytes: number[];
  readonly #config: StoreConfig;
  readonly #map: FileMap;
  #completed: number[] = [];

  constructor(config: StoreConfig, map: FileMap, have: Bitfield) {
    this.#config = config;
    this.#map = map;
    this.verifiedBytes = config.files.map(() => 0);
    for (let piece = 0; piece < have.size; piece++) if (have.has(piece)) this.add(piece);
    this.#completed = [];
  }

  isComplete(file: number): boolean {
    const entry = this.#config.files[file];
    return entry === undefined || entry.kind !== 'file' || this.verifiedBytes[file] === entry.length;
  }

  add(piece: number): void {
    for (const { file, length } of this.#spans(piece)) {
      if (file === PADDING) continue;
      const verified = (this.verifiedBytes[file] as number) + length;
      this.verifiedBytes[file] = verified;
      if (verified === this.#config.files[file]?.length) this.#completed.push(file);
    }
  }

  subtract(piece: number): void {
    for (const { file, length } of this.#spans(piece)) {
      if (file !== PADDING) this.verifiedBytes[file] = (this.verifiedBytes[file] as number) - length;
    }
  }

  /** Files that became complete since the last call. */
  takeCompleted(): readonly number[] {
    const completed = this.#completed;
    this.#completed = [];
    return completed;
  }

  #spans(piece: number): ReturnType<FileMap['spans']> {
    return this.#map.spans(piece * this.#config.pieceLength, pieceSizeOf(this.#config, piece));
  }
}
