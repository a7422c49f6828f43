// What a relay's machine is given, and what it asks its shell to do. Pure.
import type { Rng } from '../base/clock.ts';
import type { RelayLimits } from './limits.ts';
import type { TestWays } from './messages.ts';
import type { LinkId } from './server-links.ts';
import type { Splice, SpliceEnd } from './splices.ts';

export interface RelayServerOptions {
  readonly limits: RelayLimits;
  /** Unpredictable: challenges and tickets come from it. */
  readonly rng: Rng;
  /** All our addresses, those that the world sees among them: reservations are signed for one of them. */
  readonly ownHosts: () => readonly string[];
  /** Unix time in ms of a clock time. */
  readonly wallMs: (nowMs: number) => number;
  /** Whether dial-backs can be sent from the UDP port that peers know. */
  readonly hasUdp?: () => boolean;
  /** Ports that listen for unmodified clients. */
  readonly proxyPorts?: () => readonly number[];
  /** BEP 27: torrents for which nothing of this is done. */
  readonly isPrivate?: (infoHash: Uint8Array) => boolean;
  /** Whether bytes may be passed on now: only by who can be reached by everybody. Default yes, as far as the limits go. */
  readonly maySplice?: () => boolean;
  /** Torrents whose swarms we are a peer of: no proxy port, since clients keep one connection to an address. */
  readonly isPeerOf?: (infoHash: Uint8Array) => boolean;
}

export interface TestOrder {
  readonly link: LinkId;
  readonly nonce: Uint8Array;
  /** The asker's own address: the only one a relay ever dials. */
  readonly host: string;
  readonly tcpPort: number;
  readonly udpPort: number;
  readonly ways: TestWays;
}

/** What the shell does for the machine. */
export interface RelayServerPort {
  send(link: LinkId, payload: Uint8Array): void;
  /** The peer misbehaves or is silent: end the connection; `removeLink` follows. */
  drop(link: LinkId, reason: string): void;
  /** Dial back; `handleTested` follows. */
  test(order: TestOrder): void;
  /** Close whatever streams it has. */
  endSplice(splice: Splice, end: SpliceEnd): void;
  /** Reservations changed: what is announced may be another. */
  onChanged(): void;
}
