// A DhtMachine on real sockets: one per family, one OS timer, the state file. What the cli and the engine hold.
import { InvariantError } from '../../core/base/result.ts';
import type { DhtAddress } from '../address.ts';
import type { DhtMachine } from '../machine.ts';
import type { DhtOptions } from '../options.ts';

export interface DhtNodeOptions extends Omit<DhtOptions, 'rng' | 'families'> {
  readonly ipv4?: boolean;
  readonly ipv6?: boolean;
  /** 0 for any. The same for both families where that is possible. */
  readonly port?: number;
  /** Addresses to bind; default all. */
  readonly bindV4?: string;
  readonly bindV6?: string;
  /** Where nodes are kept between runs; undefined for nowhere. */
  readonly statePath?: string;
  /** `host:port` with host names: resolved when first needed. */
  readonly bootstrap?: readonly { readonly host: string; readonly port: number }[];
  /** Datagrams that are not KRPC (uTP on the same port). */
  readonly onOtherDatagram?: (bytes: Uint8Array, from: DhtAddress) => void;
}

export class DhtNode {
  private constructor() {}

  /** Binds the sockets, loads the state and starts the bootstrap. @throws OperationError when no socket can be bound */
  static open(_options: DhtNodeOptions): Promise<DhtNode> {
    throw new InvariantError('this part of the node is not there yet');
  }

  /** Commands take its `nowMs` from `now()`; after a command `kick()` arms the timer (done by `run`). */
  get machine(): DhtMachine {
    throw new InvariantError('this part of the node is not there yet');
  }

  now(): number {
    throw new InvariantError('this part of the node is not there yet');
  }

  /** Gives a command to the machine: `node.run((machine, nowMs) => machine.getPeers(hash, {...}, nowMs))`. */
  run<T>(_command: (machine: DhtMachine, nowMs: number) => T): T {
    throw new InvariantError('this part of the node is not there yet');
  }

  /** Port of the socket of the family; undefined without one. */
  port(_family: 4 | 6): number | undefined {
    throw new InvariantError('this part of the node is not there yet');
  }

  /** Resolves when the first bootstrap has ended, with or without nodes. */
  get ready(): Promise<void> {
    throw new InvariantError('this part of the node is not there yet');
  }

  /** Sends something else over the shared socket. */
  sendOther(_bytes: Uint8Array, _to: DhtAddress): void {
    throw new InvariantError('this part of the node is not there yet');
  }

  /** Saves the state and closes the sockets. */
  close(): Promise<void> {
    throw new InvariantError('this part of the node is not there yet');
  }
}
