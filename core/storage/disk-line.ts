// One torrent's line to its disk thread over time: attached at the first need, opened with what was found on disk, and attached afresh,
// with what was found then, when the thread has died.
import type { Bitfield } from '../base/bitfield.ts';
import type { OperationError } from '../base/result.ts';
import { diskOperationError } from './disk-error.ts';
import type { Operation } from './disk-messages.ts';
import type { DiskWorkers, StoreListener, StorePort } from './disk-workers.ts';
import type { Found, Place } from './open-storage.ts';

export interface DiskLineOptions {
  readonly workers: DiskWorkers;
  readonly place: Place;
  readonly found: Found;
  readonly wanted: readonly boolean[];
  /** File indices that live in the part file; a live view. */
  readonly inPart: Bitfield;
  readonly onOutcomes: StoreListener['onOutcomes'];
  /** The thread died, or an operation given to `call` failed. */
  readonly onError: (error: OperationError) => void;
}

export class DiskLine {
  readonly #options: DiskLineOptions;
  #found: Found;
  #port: StorePort | undefined;

  constructor(options: DiskLineOptions) {
    this.#options = options;
    this.#found = options.found;
  }

  /** Undefined before the first need, after the thread's death and after `detach`. */
  get port(): StorePort | undefined {
    return this.#port;
  }

  attach(): StorePort {
    if (this.#port !== undefined) return this.#port;
    const { workers, place, wanted, inPart, onOutcomes, onError } = this.#options;
    const port = workers.attach({
      onOutcomes,
      onThreadDeath: (error) => {
        this.#port = undefined;
        onError(error);
      },
    });
    this.#port = port;
    const { config, identity, paths } = place;
    const { existing, snapshot } = this.#found;
    this.call({
      op: 'open',
      options: {
        config,
        wanted,
        inPart: inPart.bytes.slice(),
        existing: existing.bytes.slice(),
        journal: { path: paths.journal, identity, snapshot },
      },
    });
    return port;
  }

  /** After the thread's death: what its journal says is the start of the next one. */
  restart(found: Found): void {
    this.#found = found;
    this.attach();
  }

  /** For operations whose only failure is the thread's death, which is reported on its own. */
  call(operation: Operation): void {
    this.attach()
      .call(operation)
      .catch((error: unknown) =>
        this.#options.onError(diskOperationError(error, 'use', this.#options.place.config.directory)),
      );
  }

  detach(): void {
    this.#port?.detach();
    this.#port = undefined;
  }
}
