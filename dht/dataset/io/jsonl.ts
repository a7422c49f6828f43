// Rows as a stream of JSON objects, one a line, each with the name of its table in `record`.
import { closeSync, ftruncateSync, openSync, writeFileSync } from 'node:fs';
import type { Row, Table } from '../columns.ts';

export class JsonlWriter {
  readonly #write: (text: string) => void;
  readonly #close: () => void;

  private constructor(write: (text: string) => void, close: () => void) {
    this.#write = write;
    this.#close = close;
  }

  /**
   * Appends to the file; of a resumed run, whose rows all come again, it is begun anew.
   * @throws the file system's error
   */
  static file(path: string, isResumed = false): JsonlWriter {
    const file = openSync(path, 'a');
    // Not before there are rows: a run that cannot be resumed leaves the file as it is.
    let isOld = isResumed;
    return new JsonlWriter(
      (text) => {
        if (isOld) ftruncateSync(file);
        isOld = false;
        // All of it, on a disk that is nearly full too.
        writeFileSync(file, text);
      },
      () => closeSync(file),
    );
  }

  /** Hands lines to somebody else, each without its line break. */
  static lines(onLine: (line: string) => void): JsonlWriter {
    return new JsonlWriter(
      (text) => {
        for (const line of text.split('\n')) if (line !== '') onLine(line);
      },
      () => {},
    );
  }

  put<T extends Table>(table: T, rows: readonly Row<T>[]): void {
    if (rows.length === 0) return;
    this.#write(rows.map((row) => `${JSON.stringify({ record: table.name, ...row })}\n`).join(''));
  }

  close(): void {
    this.#close();
  }
}
