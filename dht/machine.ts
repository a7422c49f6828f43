// The DHT node as a machine: datagrams, commands and time go in, datagrams and callbacks come out. It reads no clock, no
// randomness and no socket of its own, so that one process runs one on a socket or 100,000 on virtual time.
import { InvariantError } from '../core/base/result.ts';
import type { DhtAddress } from './address.ts';
import type { DhtOptions } from './options.ts';
import type {
  AnnounceOptions,
  BootstrapOptions,
  DhtContact,
  DhtItem,
  DhtOperation,
  DhtSnapshot,
  DhtState,
  FindNodeOptions,
  GetItemOptions,
  GetPeersOptions,
  PingResult,
  PutItemOptions,
  SampleOptions,
  ScrapeOptions,
} from './results.ts';

/** Where datagrams go. `datagram` is valid during the call only: copy what is kept. */
export interface DhtOutput {
  send(datagram: Uint8Array, to: DhtAddress): void;
}

export class DhtMachine {
  constructor(_options: DhtOptions, _output: DhtOutput, _nowMs: number) {}

  /**
   * @param bytes kept by nobody after the call
   * @returns false when this is not KRPC at all (another protocol on the same port may have it)
   */
  handleDatagram(_bytes: Uint8Array, _from: DhtAddress, _nowMs: number): boolean {
    return missing();
  }

  /** The system reported that nobody is at `to` (ICMP): its queries fail at once. */
  handleUnreachable(_to: DhtAddress, _nowMs: number): void {
    missing();
  }

  /** When `handleTimeout` wants to be called: in nowMs units, Infinity for never. Changes with every call of anything. */
  nextTimeoutMs(): number {
    return missing();
  }

  /** Late calls are fine; a call more than a minute late is taken as a sleep of the machine: nobody is blamed for it. */
  handleTimeout(_nowMs: number): void {
    missing();
  }

  /** Gets going: saved nodes first, routers when they do not do, then our own neighbourhood. */
  bootstrap(_options: BootstrapOptions, _nowMs: number): DhtOperation {
    return missing();
  }

  /** A node somebody named (BEP 5 `port` message, `nodes` of a torrent): asked, and kept if it answers. */
  addNode(_address: DhtAddress, _nowMs: number): void {
    missing();
  }

  /** For simulations and tests: puts a node into the table as if it had answered just now. @returns false when refused */
  insertVerified(_contact: DhtContact, _nowMs: number, _roundTripMs?: number): boolean {
    return missing();
  }

  ping(_address: DhtAddress, _onDone: (result: PingResult) => void, _nowMs: number): DhtOperation {
    return missing();
  }

  /** The live nodes closest to a target. */
  findNode(_target: Uint8Array, _options: FindNodeOptions, _nowMs: number): DhtOperation {
    return missing();
  }

  getPeers(_infoHash: Uint8Array, _options: GetPeersOptions, _nowMs: number): DhtOperation {
    return missing();
  }

  /** get_peers, then announce_peer to the closest that gave a token. Not repeated: peers expire after 30 minutes. */
  announce(_infoHash: Uint8Array, _options: AnnounceOptions, _nowMs: number): DhtOperation {
    return missing();
  }

  /** BEP 44: immutable by hash; mutable by target (with `salt` for the check of the key). */
  getItem(_target: Uint8Array, _options: GetItemOptions, _nowMs: number): DhtOperation {
    return missing();
  }

  /** BEP 44: looks for the nodes closest to `item.target` and stores there. Make items with `immutableItem`, `signItem`. */
  putItem(_item: DhtItem, _options: PutItemOptions, _nowMs: number): DhtOperation {
    return missing();
  }

  /** BEP 33: how many seeds and peers the swarm has, by bloom filters. */
  scrape(_infoHash: Uint8Array, _options: ScrapeOptions, _nowMs: number): DhtOperation {
    return missing();
  }

  /** BEP 51: info hashes that nodes around `target` store. */
  sample(_target: Uint8Array, _options: SampleOptions, _nowMs: number): DhtOperation {
    return missing();
  }

  snapshot(_nowMs: number): DhtSnapshot {
    return missing();
  }

  /** Good nodes first; feed `contacts` back through `bootstrap({ nodes })` and `ids[].id` through `options.nodeId`. */
  state(_nowMs: number): DhtState {
    return missing();
  }

  /** Every node of the tables, for measurements: dead share, diversity. */
  contacts(): readonly (DhtContact & { readonly failures: number; readonly lastAnswerMs: number })[] {
    return missing();
  }
}

function missing(): never {
  throw new InvariantError('this part of the node is not there yet');
}
