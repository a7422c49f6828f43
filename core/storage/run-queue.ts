// The work of a check, cut into runs of neighbouring pieces. It lies in shared memory: every thread takes the next run by
// itself, so nobody waits for an answer and all end within one run of each other.
import { pieceSizeOf, type StoreConfig } from './store-config.ts';

/** As another thread gets it. */
export interface SharedRuns {
  /** In the order they are to be read. */
  readonly pieces: Int32Array;
  /** By run: where it ends in `pieces`. */
  readonly ends: Int32Array;
  /** One number: the next run to take. */
  readonly cursor: Int32Array;
}

export class RunQueue {
  readonly shared: SharedRuns;

  constructor(shared: SharedRuns) {
    this.shared = shared;
  }

  /** @param runBytes a run ends with the piece that reaches this */
  static of(config: StoreConfig, pieces: readonly number[], runBytes: number): RunQueue {
    const ends: number[] = [];
    let bytes = 0;
    for (const [i, piece] of pieces.entries()) {
      bytes += pieceSizeOf(config, piece);
      if (bytes < runBytes && i < pieces.length - 1) continue;
      ends.push(i + 1);
      bytes = 0;
    }
    return new RunQueue({ pieces: sharedOf(pieces), ends: sharedOf(ends), cursor: sharedOf([0]) });
  }

  get runCount(): number {
    return this.shared.ends.length;
  }

  /** @returns a run that nobody else gets, or -1: there is none left */
  take(): number {
    const run = Atomics.add(this.shared.cursor, 0, 1);
    return run < this.runCount ? run : -1;
  }

  /** Nobody is given more. */
  stop(): void {
    Atomics.store(this.shared.cursor, 0, this.runCount);
  }

  piecesOf(run: number): Int32Array {
    const { pieces, ends } = this.shared;
    return pieces.subarray(run === 0 ? 0 : (ends[run - 1] as number), ends[run]);
  }
}

function sharedOf(numbers: readonly number[]): Int32Array {
  const shared = new Int32Array(new SharedArrayBuffer(numbers.length * Int32Array.BYTES_PER_ELEMENT));
  shared.set(numbers);
  return shared;
}
