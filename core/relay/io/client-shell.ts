// A RelayClient on real time and real connections: opens control connections, redeems tickets. Where its torrents, its listener
// and its ladder are is the owner's business.
import type { Clock, Rng } from '../../base/clock.ts';
import { type Endpoint, endpointKey } from '../../base/endpoint.ts';
import { DueTimer } from '../../base/io/due-timer.ts';
import type { Log } from '../../base/log.ts';
import type { ByteStream } from '../../transport/byte-stream.ts';
import type { EncryptionPolicy } from '../../transport/mse.ts';
import type { ExtendedHandshake } from '../../wire/extended-handshake.ts';
import { RelayClient } from '../client.ts';
import type {
  ClientLinkId,
  IncomingCall,
  Introduction,
  RelayClientOptions,
  RelayClientPort,
  SpliceOrder,
} from '../client-port.ts';
import { relayIdOf, shardKey, shardOf } from '../keys.ts';
import type { QueueEntry, Way } from '../messages.ts';
import type { QueueItem } from '../queue-item.ts';
import { ControlLink } from './control-link.ts';

/** What the owner of the shell does; of a splice that both sides agreed upon: open it with `openSplice`. */
export type ClientOwner = Omit<RelayClientPort, 'connect' | 'send' | 'drop'>;

export interface ClientShellOptions extends RelayClientOptions {
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: Log;
  readonly policy: EncryptionPolicy;
  readonly client: string;
  readonly peerId: Uint8Array;
  /** A control connection is best a uTP one, so that the relay sees the endpoint to punch. */
  readonly dialControl: (relay: Endpoint) => Promise<ByteStream>;
  /** BEP 10 `p`; 0 for none. */
  readonly listenPort: () => number;
}

const READY_MS = 10_000;

export class ClientShell implements RelayClientPort {
  readonly client: RelayClient;
  readonly #options: ClientShellOptions;
  readonly #owner: ClientOwner;
  readonly #links = new Map<ClientLinkId, ControlLink>();
  /** Sends to links that are not ours: neighbours of a swarm. */
  readonly #neighbours = new Map<ClientLinkId, (payload: Uint8Array) => void>();
  readonly #timer: DueTimer;
  #lastId = 0;
  #isClosed = false;

  constructor(options: ClientShellOptions, owner: ClientOwner) {
    this.#options = options;
    this.#owner = owner;
    this.#timer = new DueTimer(options.clock, () => this.#handleDue());
    this.client = new RelayClient(options, this, options.clock.nowMs());
    this.#arm();
  }

  /** Gives a command to the machine. */
  run<T>(command: (client: RelayClient, nowMs: number) => T): T {
    const result = command(this.client, this.#options.clock.nowMs());
    this.#arm();
    return result;
  }

  /** A peer of one of our swarms relays on the side. @returns its number */
  addNeighbour(
    relay: Endpoint,
    extended: ExtendedHandshake,
    infoHash: Uint8Array,
    isUtp: boolean,
    send: (payload: Uint8Array) => void,
  ): ClientLinkId | undefined {
    const { relay: offer } = extended;
    if (offer === undefined || this.#isClosed) return undefined;
    const id = ++this.#lastId;
    this.#neighbours.set(id, send);
    this.run((client, nowMs) => client.handleLink(id, { relay, offer, isUtp, neighbourOf: infoHash }, nowMs));
    return id;
  }

  removeNeighbour(id: ClientLinkId): void {
    this.#neighbours.delete(id);
    if (!this.#isClosed) this.run((client, nowMs) => client.handleLinkEnd(id, nowMs));
  }

  /** Where a link that we opened leads; undefined for neighbours and what has ended. */
  relayOf(link: ClientLinkId): Endpoint | undefined {
    return this.#links.get(link)?.remote;
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#timer.clear();
    for (const link of [...this.#links.values()]) link.close('stopped');
  }

  // --- RelayClientPort

  connect(relay: Endpoint): void {
    const fail = (error: unknown): void => {
      this.#options.log('debug', `no connection to the relay ${endpointKey(relay)}`, {
        error: String(error),
      });
      if (!this.#isClosed) this.run((client, nowMs) => client.handleNoLink(relay, nowMs));
    };
    this.#options.dialControl(relay).then((stream) => this.#open(relay, stream, fail), fail);
  }

  /**
   * Connections by another way to relays that we are connected to: each takes the place of the one that there is, which stays until then
   * and where nothing comes of it.
   */
  renew(relays: readonly Endpoint[], dial: (relay: Endpoint) => Promise<ByteStream>): void {
    for (const relay of relays) {
      const fail = (error: unknown): void =>
        this.#options.log('debug', `no other connection to the relay ${endpointKey(relay)}`, {
          error: String(error),
        });
      dial(relay).then((stream) => this.#open(relay, stream, fail), fail);
    }
  }

  send(link: ClientLinkId, payload: Uint8Array): void {
    this.#neighbours.get(link)?.(payload);
    this.#links.get(link)?.send(payload);
  }
  drop(link: ClientLinkId, reason: string): void {
    this.#links.get(link)?.close(reason);
  }
  findRelays(shard: number): void {
    this.#owner.findRelays(shard);
  }
  decide(call: IncomingCall): Way {
    return this.#owner.decide(call);
  }
  introduce(introduction: Introduction): void {
    this.#owner.introduce(introduction);
  }
  onQueued(item: QueueItem, entry: QueueEntry, relay: Endpoint): void {
    this.#owner.onQueued(item, entry, relay);
  }
  onSilent(relay: Endpoint): void {
    this.#owner.onSilent(relay);
  }
  onChanged(): void {
    this.#owner.onChanged();
  }
  splice(order: SpliceOrder): void {
    this.#owner.splice(order);
  }

  // --- inside

  #open(relay: Endpoint, stream: ByteStream, fail: (error: unknown) => void): void {
    const id = relayIdOf(relay.host);
    if (this.#isClosed || id === undefined) {
      stream.destroy();
      return;
    }
    const { rng, policy, client, peerId, listenPort } = this.#options;
    const port = listenPort();
    const options = { stream, rng, policy, client, peerId, ...(port === 0 ? {} : { listenPort: port }) };
    let number: ClientLinkId | undefined;
    const link = ControlLink.outgoing(options, shardKey(shardOf(id)), {
      onReady: (_link, extended) => {
        clearTimeout(timer);
        if (extended.relay === undefined) {
          link.close('it does not relay');
          return;
        }
        number = ++this.#lastId;
        this.#links.set(number, link);
        const facts = { relay, offer: extended.relay, isUtp: stream.transport === 'utp' };
        const ready = number;
        this.run((machine, nowMs) => machine.handleLink(ready, facts, nowMs));
      },
      onMessage: (_link, payload) => {
        const ready = number;
        if (ready !== undefined) this.run((machine, nowMs) => machine.handleMessage(ready, payload, nowMs));
      },
      onClose: (_link, reason) => {
        clearTimeout(timer);
        if (this.#isClosed) return;
        const ready = number;
        if (ready === undefined) {
          fail(reason);
          return;
        }
        this.#links.delete(ready);
        this.#options.log('debug', `the connection to the relay ${endpointKey(relay)} ended`, { reason });
        this.run((machine, nowMs) => machine.handleLinkEnd(ready, nowMs));
      },
    });
    const timer = setTimeout(() => link.close('the relay does not shake hands'), READY_MS);
  }

  /** A message of a neighbour. */
  handleNeighbourMessage(id: ClientLinkId, payload: Uint8Array): void {
    this.run((client, nowMs) => client.handleMessage(id, payload, nowMs));
  }

  #handleDue(): void {
    this.run((client, nowMs) => client.handleTimeout(nowMs));
  }

  #arm(): void {
    if (!this.#isClosed) this.#timer.arm(this.client.nextTimeoutMs());
  }
}
