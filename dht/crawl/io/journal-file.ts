// The journal on disk: appended to in one write a turn, read back in pieces, cut where it was torn.
import { closeSync, ftruncateSync, openSync, readSync, renameSync, writeFileSync, writeSync } from 'node:fs';
import { OperationError } from '../../../core/base/result.ts';
import type { Family } from '../../base/address.ts';
import { EDGE_TABLE, SAMPLE_TABLE } from '../../dataset/more-tables.ts';
import { VISIT_TABLE } from '../../dataset/visit-table.ts';
import { type JournalBuffer, type JournalColumns, JournalReader, type JournalRecord } from '../journal.ts';

const PIECE_BYTES = 1 << 20;
const COLUMNS: JournalColumns = {
  visit: Object.keys(VISIT_TABLE.columns),
  edge: Object.keys(EDGE_TABLE.columns),
  sample: Object.keys(SAMPLE_TABLE.columns),
};

export class JournalFile {
  #file: number;
  readonly #path: string;

  private constructor(path: string, file: number) {
    this.#path = path;
    this.#file = file;
  }

  /** @throws the file system's error */
  static create(path: string): JournalFile {
    return new JournalFile(path, openSync(path, 'wx+'));
  }

  /** Reads what is there and goes on behind it. @throws OperationError `disk` when it is damaged or gone */
  static resume(path: string, family: Family, onRecord: (record: JournalRecord) => void): JournalFile {
    let file: number;
    try {
      file = openSync(path, 'r+');
    } catch (error) {
      throw new OperationError('disk', `nothing to resume: ${(error as Error).message}`, {
        cause: error,
        hint: 'The journal of a run that hides addresses goes when the run is complete.',
      });
    }
    const reader = new JournalReader(family, COLUMNS);
    const piece = new Uint8Array(PIECE_BYTES);
    for (let length = readSync(file, piece); length > 0; length = readSync(file, piece)) {
      const result = reader.read(piece.subarray(0, length), onRecord);
      if (!result.ok) throw new OperationError('disk', `${path} is damaged: ${result.reason.what}`);
    }
    ftruncateSync(file, reader.goodBytes);
    closeSync(file);
    return new JournalFile(path, openSync(path, 'a'));
  }

  /** One write: it is with the system when this returns, whatever happens to the process. */
  append(buffer: JournalBuffer): void {
    if (buffer.isEmpty) return;
    const bytes = buffer.take();
    try {
      for (let at = 0; at < bytes.length; ) at += writeSync(this.#file, bytes, at);
    } catch (error) {
      throw new OperationError('disk', `cannot write ${this.#path}: ${(error as Error).message}`, {
        cause: error,
      });
    }
  }

  /** Begins anew with these records: there is a whole journal at any time, the old one or the new. */
  replace(buffer: JournalBuffer): void {
    const part = `${this.#path}.part`;
    try {
      writeFileSync(part, buffer.take());
      renameSync(part, this.#path);
      closeSync(this.#file);
      this.#file = openSync(this.#path, 'a');
    } catch (error) {
      throw new OperationError('disk', `cannot write ${this.#path}: ${(error as Error).message}`, {
        cause: error,
      });
    }
  }

  close(): void {
    closeSync(this.#file);
  }
}
