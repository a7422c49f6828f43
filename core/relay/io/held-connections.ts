// Connections that asked a relay one question and stay for as long as its answer is of use: so long at the most, so many, so many of one host.
import type { ByteStream } from '../../transport/byte-stream.ts';
import { hostPrefix } from '../addresses.ts';
import { PrefixCounts } from '../limits.ts';

export interface HoldLimits {
  /** Then it is closed; peers close sooner. */
  readonly holdMs: number;
  readonly connections: number;
  readonly perHost: number;
}

export class HeldConnections {
  readonly #limits: HoldLimits;
  readonly #held = new Set<ByteStream>();
  readonly #hosts = new PrefixCounts();

  constructor(limits: HoldLimits) {
    this.#limits = limits;
  }

  has(stream: ByteStream): boolean {
    return this.#held.has(stream);
  }

  /**
   * Takes a connection that has said all it may: whatever else comes on it ends it.
   * @param onClose once, however it ends
   * @returns false when there is no room for it; then it is closed
   */
  hold(stream: ByteStream, onClose: () => void = () => {}): boolean {
    const { holdMs, connections, perHost } = this.#limits;
    const host = hostPrefix(stream.remote.host);
    if (this.#held.size >= connections || this.#hosts.of(host) >= perHost) {
      stream.destroy();
      return false;
    }
    const timer = setTimeout(() => stream.destroy(), holdMs);
    timer.unref();
    this.#held.add(stream);
    this.#hosts.add(host);
    stream.events = {
      onBytes: () => stream.destroy(),
      onDrain: () => {},
      onClose: () => {
        if (!this.#held.delete(stream)) return;
        this.#hosts.remove(host);
        clearTimeout(timer);
        onClose();
      },
    };
    return true;
  }

  close(): void {
    for (const stream of [...this.#held]) stream.destroy();
  }
}
