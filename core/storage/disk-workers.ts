// The threads that hash and write: shared by all torrents of a session.

export interface DiskWorkersOptions {
  /** Default 1: one core hashes and writes about 1.3 GB/s, more than one socket thread takes in. */
  readonly threads?: number;
}

export class DiskWorkers {
  constructor(options: DiskWorkersOptions = {}) {
    void options;
  }

  /** Spawns the threads now, in parallel with connecting; otherwise the first torrent that writes does. */
  start(): void {
    throw new Error('not yet');
  }

  async close(): Promise<void> {
    throw new Error('not yet');
  }
}
