// UDP as one program shares it: one socket per family on one port number, and several protocols on it (DHT, uTP, what finds
// out about NATs). Who opens the sockets is wired in cli/transfer/compose.ts; everybody else knows this file only.
import type { Endpoint } from './endpoint.ts';

export type IpFamily = 4 | 6;

export interface SendOptions {
  /**
   * Hop limit of this one datagram, 1 to 255. Such a datagram leaves at once or, when the system takes no more just now,
   * not at all: with the ordinary hop limit it would do what it must not do.
   */
  readonly ttl?: number;
  /** The system's refusal (no route, firewall) goes to the failure handlers; costs a turn of the event loop. */
  readonly reportsFailure?: boolean;
  /** `bytes` will not change any more: they are not copied. */
  readonly isStable?: boolean;
}

/**
 * @param bytes a buffer of the receiver's own, at most 65,535 bytes
 * @param from the same object again and again for a sender that sends much; hosts are normalized
 * @returns true: this was for me, nobody else shall see it
 */
export type DatagramReceiver = (bytes: Uint8Array, from: Endpoint) => boolean;

/**
 * `code` is an errno name such as ENETUNREACH, EHOSTUNREACH, EPERM, EMSGSIZE: what the system said when it was to send. What
 * comes back later (ICMP: nobody listens there) does not reach sockets that talk to everybody.
 */
export type SendFailureHandler = (to: Endpoint, code: string) => void;

export interface DatagramPort {
  /** Those with a socket. */
  readonly families: readonly IpFamily[];
  /** Local port of the family; undefined without a socket. Mostly the same for both. */
  port(family: IpFamily): number | undefined;
  /** Never throws. Without a socket of the family, or after close, nothing happens. */
  send(bytes: Uint8Array, to: Endpoint, options?: SendOptions): void;
  /** Datagrams go to receivers in the order they were added, until one takes it. @returns what takes it off again */
  addReceiver(receiver: DatagramReceiver): () => void;
  /** Hears of datagrams sent with `reportsFailure`. @returns what takes it off again */
  addFailureHandler(handler: SendFailureHandler): () => void;
  /** Safe to call twice. Where the port is shared, the sockets close with the last who holds it. */
  close(): Promise<void>;
}

/**
 * Opens the port, or joins those who opened it before.
 * @param port what to bind, 0 for any. Ignored when the port is open already
 * @throws OperationError `network` when it is taken (code EADDRINUSE) or no family can be bound
 */
export type OpenDatagramPort = (port: number) => Promise<DatagramPort>;
