// The door on real time: who is banned or comes too often is sent away before a byte of theirs is read.
import type { Clock } from '../base/clock.ts';
import { DueTimer } from '../base/io/due-timer.ts';
import type { Log } from '../base/log.ts';
import type { StreamEnd } from '../transport/secure-stream.ts';
import type { Doorkeeper } from '../transport/tcp.ts';
import { Door, IN_VAIN, OFFENCE } from './door.ts';
import type { PeerConnection } from './peer/peer-connection.ts';
import { USEFUL_AFTER_MS } from './peer-limits.ts';

export interface IncomingOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly isBanned: (host: string) => boolean;
}

export class Incoming {
  readonly #options: IncomingOptions;
  readonly #door: Door;
  readonly #timer: DueTimer;
  #isClosed = false;

  constructor(options: IncomingOptions) {
    this.#options = options;
    this.#door = new Door({
      onSlow: (source, turnedAway) =>
        options.log('info', `connections from ${source} come to nothing: they are taken in slowly`, {
          turnedAway,
        }),
    });
    this.#timer = new DueTimer(options.clock, () => this.#onDue());
  }

  readonly keeper: Doorkeeper = (host, visitor) => {
    if (this.#isClosed || this.#options.isBanned(host)) {
      visitor.refuse();
      return;
    }
    this.#door.knock(host, visitor, this.#options.clock.nowMs());
    this.#timer.arm(this.#door.nextTimeoutMs());
  };

  /** uTP: asked before a stranger's first packet is answered. */
  readonly mayEnter = (host: string): boolean =>
    !this.#options.isBanned(host) && this.#door.mayEnter(host, this.#options.clock.nowMs());

  readonly onEnd = (connection: PeerConnection, end: StreamEnd): void => {
    const { host } = connection.stream.remote;
    const weight = this.#weightOf(connection, end);
    if (weight > 0 && connection.stream.transport !== 'relayed') {
      this.#door.handleEnd(host, weight, this.#options.clock.nowMs());
    }
  };

  close(): void {
    this.#isClosed = true;
    this.#timer.clear();
    this.#door.close();
  }

  #weightOf(connection: PeerConnection, end: StreamEnd): number {
    if (connection.isOffender || end.isOffence === true) return OFFENCE;
    const isShort = this.#options.clock.nowMs() - connection.openedAtMs < USEFUL_AFTER_MS;
    return isShort && connection.payloadBytes === 0 && !connection.isOurWish ? IN_VAIN : 0;
  }

  #onDue(): void {
    this.#door.handleTimeout(this.#options.clock.nowMs());
    this.#timer.arm(this.#door.nextTimeoutMs());
  }
}
