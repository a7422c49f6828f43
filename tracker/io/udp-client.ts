// UDP trackers (BEP 15): one connected socket per tracker endpoint, so that the kernel drops every other sender and reports
// a closed port at once; connection ids are kept for their minute and shared by all torrents.
import dgram from 'node:dgram';
import { type Rng, randomInt } from '../../core/base/clock.ts';
import { type Endpoint, endpointKey, isIPv6 } from '../../core/base/endpoint.ts';
import { OperationError } from '../../core/base/result.ts';
import { decodeUdpReply, encodeConnectRequest, type UdpReply } from '../udp-codec.ts';
import { raceSignal } from './deadline.ts';

/**
 * Deviation from BEP 15: the first repeat comes after 2 s, not 15: one lost datagram should not cost a quarter of a minute.
 * From then on it is 15 * 2^n, and after three tries the tracker counts as dead: the policy has others to ask.
 */
const TRY_MS: readonly number[] = [2_000, 15_000, 30_000];
/** BEP 15: an id is good for one minute after it came; a little less, because the request has to arrive within it. */
const CONNECTION_ID_MS = 55_000;
/** Idle sockets go when their connection id does. */
const IDLE_MS = 60_000;
const MAX_SESSIONS = 256;

export interface UdpClientOptions {
  readonly nowMs: () => number;
  readonly rng: Rng;
  readonly bindAddress: (family: 4 | 6) => string | undefined;
  /** How long each try of a datagram waits; default TRY_MS. */
  readonly tryMs?: readonly number[];
}

export type UdpRequestAction = 'announce' | 'scrape';
export type UdpReplyOf<A extends UdpReply['action']> = Extract<UdpReply, { readonly action: A | 'error' }>;
export type UdpCompose = (connectionId: Uint8Array, transactionId: number) => Uint8Array;

export class UdpTrackerClient {
  readonly #options: UdpClientOptions;
  readonly #sessions = new Map<string, UdpSession>();

  constructor(options: UdpClientOptions) {
    this.#options = options;
  }

  /**
   * One request and its reply, repeated as lost datagrams need.
   * @throws OperationError `timeout` or `network`; the signal's reason when it fires
   */
  async exchange<A extends UdpRequestAction>(
    endpoint: Endpoint,
    action: A,
    compose: UdpCompose,
    signal: AbortSignal,
  ): Promise<UdpReplyOf<A>> {
    const key = endpointKey(endpoint);
    let session = this.#sessions.get(key);
    if (session === undefined || session.isClosed) {
      this.#makeRoom();
      session = new UdpSession(endpoint, this.#options, () => this.#sessions.delete(key));
      this.#sessions.set(key, session);
    }
    return session.exchange(action, compose, signal);
  }

  close(): void {
    for (const session of [...this.#sessions.values()])
      session.close(new OperationError('unfinished', 'stopped'));
  }

  #makeRoom(): void {
    if (this.#sessions.size < MAX_SESSIONS) return;
    for (const session of this.#sessions.values()) {
      if (!session.isIdle) continue;
      session.close(new OperationError('unfinished', 'stopped'));
      return;
    }
    throw new OperationError('network', `more than ${MAX_SESSIONS} UDP trackers at once`);
  }
}

interface Waiter {
  readonly action: UdpReply['action'];
  readonly resolve: (reply: UdpReply) => void;
  readonly reject: (error: Error) => void;
}

class UdpSession {
  readonly #options: UdpClientOptions;
  readonly #onClosed: () => void;
  readonly #tryMs: readonly number[];
  readonly #socket: dgram.Socket;
  readonly #ready: Promise<void>;
  #failReady: (error: Error) => void = () => {};
  readonly #waiting = new Map<number, Waiter>();
  #connectionId: Uint8Array | undefined;
  #connectionIdUntilMs = 0;
  #connecting: Promise<Uint8Array> | undefined;
  #users = 0;
  #idleTimer: NodeJS.Timeout | undefined;
  isClosed = false;

  constructor(endpoint: Endpoint, options: UdpClientOptions, onClosed: () => void) {
    this.#options = options;
    this.#onClosed = onClosed;
    this.#tryMs = options.tryMs ?? TRY_MS;
    const family = isIPv6(endpoint.host) ? 6 : 4;
    this.#socket = dgram.createSocket(family === 6 ? 'udp6' : 'udp4');
    this.#socket.on('message', (packet) => this.#handlePacket(packet, family));
    const bindAddress = options.bindAddress(family);
    this.#ready = new Promise((resolve, reject) => {
      this.#failReady = reject;
      this.#socket.on('error', (error) => this.close(error));
      // The callback gets the error of a family this machine has no route for.
      const onConnected = (error?: Error): void => (error === undefined ? resolve() : this.close(error));
      const connect = (): void => this.#socket.connect(endpoint.port, endpoint.host, onConnected);
      if (bindAddress === undefined) connect();
      else this.#socket.bind({ port: 0, address: bindAddress }, connect);
    });
    this.#ready.catch(() => {});
  }

  get isIdle(): boolean {
    return this.#users === 0;
  }

  async exchange<A extends UdpRequestAction>(
    action: A,
    compose: UdpCompose,
    signal: AbortSignal,
  ): Promise<UdpReplyOf<A>> {
    if (this.#users++ === 0) this.#socket.ref();
    clearTimeout(this.#idleTimer);
    try {
      return await this.#exchange(action, compose, signal);
    } finally {
      if (--this.#users === 0 && !this.isClosed) {
        this.#socket.unref();
        this.#idleTimer = setTimeout(() => this.close(new OperationError('unfinished', 'idle')), IDLE_MS);
        this.#idleTimer.unref();
      }
    }
  }

  async #exchange<A extends UdpRequestAction>(
    action: A,
    compose: UdpCompose,
    signal: AbortSignal,
  ): Promise<UdpReplyOf<A>> {
    await raceSignal(this.#ready, signal);
    for (const [n, tryMs] of this.#tryMs.entries()) {
      const hadId = this.#freshId() !== undefined;
      const connectionId = await raceSignal(this.#connect(), signal);
      const reply = await this.#ask(
        action,
        (transaction) => compose(connectionId, transaction),
        tryMs,
        signal,
      );
      // An id kept from before may be one the tracker has forgotten: some say so, some are silent.
      const isStale = hadId && n === 0 && (reply === undefined || (reply as UdpReply).action === 'error');
      if (isStale) this.#forget(connectionId);
      else if (reply !== undefined) return reply;
    }
    throw noAnswer();
  }

  #freshId(): Uint8Array | undefined {
    return this.#options.nowMs() < this.#connectionIdUntilMs ? this.#connectionId : undefined;
  }

  #forget(connectionId: Uint8Array): void {
    if (this.#connectionId === connectionId) this.#connectionId = undefined;
  }

  /** All requests that need an id wait for one connect, which is not the property of the first of them. */
  #connect(): Promise<Uint8Array> {
    const fresh = this.#freshId();
    if (fresh !== undefined) return Promise.resolve(fresh);
    this.#connecting ??= this.#connectOnce().finally(() => {
      this.#connecting = undefined;
    });
    return this.#connecting;
  }

  async #connectOnce(): Promise<Uint8Array> {
    for (const tryMs of this.#tryMs) {
      const reply = await this.#ask('connect', encodeConnectRequest, tryMs, undefined);
      if (reply === undefined) continue;
      if (reply.action === 'error') throw new OperationError('network', reply.message);
      this.#connectionId = reply.connectionId;
      this.#connectionIdUntilMs = this.#options.nowMs() + CONNECTION_ID_MS;
      return reply.connectionId;
    }
    throw noAnswer();
  }

  /** One datagram and its reply. @returns undefined when none came within `tryMs` */
  async #ask<A extends UdpReply['action']>(
    action: A,
    compose: (transactionId: number) => Uint8Array,
    tryMs: number,
    signal: AbortSignal | undefined,
  ): Promise<UdpReplyOf<A> | undefined> {
    const transactionId = this.#newTransactionId();
    let timer: NodeJS.Timeout | undefined;
    try {
      const answer = new Promise<UdpReply | undefined>((resolve, reject) => {
        this.#waiting.set(transactionId, { action, resolve, reject });
        timer = setTimeout(() => resolve(undefined), tryMs);
        if (this.isClosed) return reject(new OperationError('unfinished', 'stopped'));
        this.#socket.send(compose(transactionId), (error) => {
          if (error !== null) reject(error);
        });
      });
      const reply = await (signal === undefined ? answer : raceSignal(answer, signal));
      return reply as UdpReplyOf<A> | undefined;
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(transactionId);
    }
  }

  #newTransactionId(): number {
    for (;;) {
      const id = randomInt(this.#options.rng, 2 ** 32);
      if (!this.#waiting.has(id)) return id;
    }
  }

  #handlePacket(packet: Uint8Array, family: 4 | 6): void {
    const decoded = decodeUdpReply(packet, family);
    if (!decoded.ok) return;
    const reply = decoded.value;
    const waiter = this.#waiting.get(reply.transactionId);
    if (reply.action === waiter?.action || reply.action === 'error') waiter?.resolve(reply);
  }

  close(reason: Error): void {
    if (this.isClosed) return;
    this.isClosed = true;
    clearTimeout(this.#idleTimer);
    for (const waiter of this.#waiting.values()) waiter.reject(reason);
    this.#waiting.clear();
    this.#failReady(reason);
    this.#socket.close();
    this.#onClosed();
  }
}

function noAnswer(): OperationError {
  return new OperationError('timeout', 'no answer', { code: 'ETIMEDOUT' });
}
