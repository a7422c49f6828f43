// Some nodes asked once more whether they are there, all by one socket: for turnover, and for who answers a stranger's port.
import type { Rng } from '../../core/base/clock.ts';
import type { DhtAddress, Family } from '../base/address.ts';
import type { Id160 } from '../base/node-id.ts';
import { ANSWERED } from '../dataset/visit-table.ts';
import { GIVEN, NodeTable } from './node-table.ts';
import { type ProbePolicy, Prober } from './prober.ts';
import { WaitWheel } from './wait-wheel.ts';

export interface PingRoundOptions {
  readonly family: Family;
  readonly rng: Rng;
  readonly ownId: Id160;
  readonly version: Uint8Array;
  readonly policy: ProbePolicy;
}

export class PingRound {
  /** By place in the list: did it answer? */
  readonly answered: boolean[];
  readonly #table: NodeTable;
  readonly #prober: Prober;
  readonly #wheel: WaitWheel;
  readonly #waiting: number[];

  constructor(
    options: PingRoundOptions,
    nodes: readonly { readonly id: Id160; readonly address: DhtAddress }[],
    send: (datagram: Uint8Array, to: DhtAddress) => void,
  ) {
    this.#table = new NodeTable(options.family);
    this.answered = nodes.map(() => false);
    this.#wheel = new WaitWheel(this.#table);
    this.#waiting = nodes.map(({ id, address }) => this.#table.add(id, address, GIVEN, 0)).reverse();
    this.#prober = new Prober(
      this.#table,
      { ...options, readOnly: true, want: undefined },
      {
        send,
        onSent: () => {},
        onDone: ({ node, outcome }) => {
          this.answered[node] = ANSWERED.includes(outcome);
        },
      },
    );
  }

  get isDone(): boolean {
    return this.#waiting.length === 0 && this.#wheel.size === 0 && this.#prober.inFlight === 0;
  }

  handleDatagram(bytes: Uint8Array, from: DhtAddress, nowMs: number): void {
    this.#prober.handleDatagram(bytes, from, nowMs);
  }

  nextTimeoutMs(nowMs: number): number {
    const dueMs = Math.min(this.#prober.nextTimeoutMs(), this.#wheel.nextMs());
    return this.#waiting.length > 0 ? Math.min(dueMs, this.#prober.turnAtMs(nowMs)) : dueMs;
  }

  handleTimeout(nowMs: number): void {
    this.#prober.handleTimeout(nowMs);
    this.#wheel.drain(nowMs, (node) => this.#waiting.push(node));
    while (this.#waiting.length > 0 && this.#prober.hasTurn(nowMs)) {
      const node = this.#waiting.pop() as number;
      const readyAtMs = this.#prober.readyAtMs(this.#table.address(node), nowMs);
      if (readyAtMs > nowMs) this.#wheel.push(node, readyAtMs, nowMs);
      else this.#prober.ask(node, 'ping', undefined, nowMs);
    }
  }
}
