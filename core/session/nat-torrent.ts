// How one torrent reaches its peers: every dial climbs the ladder, neighbours introduce us and are introduced by us (BEP 55).
// Nothing of this for private torrents (BEP 27): a neighbour that passes endpoints on is a source of peers.
import { type Endpoint, endpointKey } from '../base/endpoint.ts';
import type { Candidate } from '../discovery/candidates.ts';
import { Ladder, type Reached, type Ways } from '../nat/ladder.ts';
import { UNKNOWN_REACH } from '../nat/ladder-reach.ts';
import type { ByteStream } from '../transport/byte-stream.ts';
import { UT_HOLEPUNCH } from '../wire/extensions.ts';
import { decodeHolepunch } from '../wire/ut-holepunch.ts';
import type { PexPeer } from '../wire/ut-pex.ts';
import { CAME_IN, Climb, type Dialled } from './nat-climb.ts';
import type { PeerConnection } from './peer-connection.ts';
import { PunchAsk } from './punch-ask.ts';
import { Introducers } from './punch-introducers.ts';
import { answersTo, PunchRelay } from './punch-relay.ts';
import type { SessionShared } from './shared.ts';
import type { TorrentPeers } from './torrent-peers.ts';

export interface NatTorrentOwner {
  readonly isPrivate: boolean;
  readonly peers: TorrentPeers;
}

export class NatTorrent {
  readonly #shared: SessionShared;
  readonly #owner: NatTorrentOwner;
  readonly #introducers = new Introducers();
  readonly #relay: PunchRelay;
  /** By endpoint. */
  readonly #climbs = new Map<string, { readonly endpoint: Endpoint; readonly climb: Climb }>();
  readonly #asks = new Map<string, PunchAsk>();

  constructor(shared: SessionShared, owner: NatTorrentOwner) {
    this.#shared = shared;
    this.#owner = owner;
    this.#relay = new PunchRelay((endpoint) => shared.isSelf(endpoint));
  }

  /** Whether our handshake offers ut_holepunch: without uTP we could neither be target nor initiator. */
  get isOffered(): boolean {
    return !this.#owner.isPrivate && this.#shared.nat.hasUtp;
  }

  // --- dialling

  async dial(candidate: Candidate): Promise<Dialled> {
    const { endpoint, key } = candidate;
    const told = this.#introducers.toldOf(endpoint);
    const ladder = new Ladder({
      own: this.#shared.nat.reach(),
      peer: UNKNOWN_REACH,
      ways: this.#waysTo(endpoint),
      nowMs: this.#shared.clock.nowMs(),
      isHidden: told?.isHidden === true && told.supportsHolepunch,
    });
    const climb = new Climb(ladder, this.#shared.clock, (rung, signal) =>
      rung === 'direct' ? this.#shared.connect(endpoint) : this.#askForPunch(endpoint, signal),
    );
    this.#climbs.set(key, { endpoint, climb });
    try {
      return await climb.result;
    } finally {
      this.#climbs.delete(key);
      this.#asks.delete(key);
    }
  }

  #waysTo(endpoint: Endpoint): Ways {
    const punch = this.isOffered && this.#introducers.for(endpoint, this.#owner.peers.connections).length > 0;
    return { reverse: false, punch, splice: false };
  }

  /** Asks one neighbour after the other to introduce us; the hole opens when one does. */
  #askForPunch(endpoint: Endpoint, signal: AbortSignal): Promise<ByteStream> {
    const neighbours = this.#introducers.for(endpoint, this.#owner.peers.connections);
    const ask = new PunchAsk(
      endpoint,
      neighbours,
      (target) => this.#shared.nat.punch(target, signal),
      signal,
    );
    this.#asks.set(endpointKey(endpoint), ask);
    return ask.result;
  }

  /** A connection that came in has shaken hands. @returns how, when it is the other end of an attempt of ours */
  cameIn(
    connection: PeerConnection,
    nowMs: number,
  ): { readonly reached: Reached; readonly candidate: Candidate | undefined } | undefined {
    const { remote } = connection.stream;
    const exact = this.#climbs.get(endpointKey(remote));
    // A port that cannot be foretold: the address has to do.
    const climbing =
      exact ?? [...this.#climbs.values()].find(({ endpoint }) => endpoint.host === remote.host);
    if (climbing === undefined) return undefined;
    const { climb } = climbing;
    if (!climb.ladder.tried.has('punch')) return undefined;
    climb.giveUp(Object.assign(new Error('it reached us first'), { code: CAME_IN }));
    const candidate = this.#owner.peers.pool.find(climbing.endpoint);
    return { reached: { rung: 'punch', ms: nowMs - climb.startedAtMs }, candidate };
  }

  // --- neighbours

  handleTold(teller: PeerConnection, peer: PexPeer): void {
    if (!this.#owner.isPrivate) this.#introducers.handleTold(teller, peer);
  }

  leave(connection: PeerConnection): void {
    this.#introducers.leave(connection);
    for (const ask of this.#asks.values()) ask.handleGone(connection);
  }

  /** @returns a reason to end the connection, if the peer gave one */
  handleMessage(connection: PeerConnection, payload: Uint8Array): string | undefined {
    if (!this.isOffered) return undefined;
    const message = decodeHolepunch(payload);
    if (!message.ok) return message.reason.what;
    const nowMs = this.#shared.clock.nowMs();
    switch (message.value.kind) {
      case 'rendezvous': {
        const { connections } = this.#owner.peers;
        this.#relay.handleRendezvous(connection, message.value.endpoint, payload, connections, nowMs);
        break;
      }
      case 'connect':
        this.#handleConnect(connection, message.value.endpoint, nowMs);
        break;
      case 'error':
        this.#asks.get(endpointKey(message.value.endpoint))?.handleRefused(connection, message.value.code);
        break;
      case 'unknown':
    }
    return undefined;
  }

  #handleConnect(relay: PeerConnection, endpoint: Endpoint, nowMs: number): void {
    // BEP 55: a neighbour that never took the extension has no say; one we are connected to already is let be.
    if (!relay.wire.peerTakes(UT_HOLEPUNCH.name) || this.#isConnectedTo(endpoint)) return;
    if (this.#shared.isBanned(endpoint.host)) return;
    const refusal = this.#shared.nat.whyNotFollow(endpoint, relay.stream.remote.host, nowMs);
    if (refusal !== undefined) {
      this.#shared.log('debug', `introduction to ${endpointKey(endpoint)} is not followed: ${refusal}`);
      return;
    }
    const ask = this.#asks.get(endpointKey(endpoint)) ?? this.#askOf(relay, endpoint.host);
    if (ask !== undefined) ask.handleConnect(relay, endpoint);
    else this.#punchAsTarget(endpoint);
  }

  /** The relay knows the peer by another port than we do. */
  #askOf(relay: PeerConnection, host: string): PunchAsk | undefined {
    return [...this.#asks.values()].find((ask) => ask.hasAsked(relay) && ask.endpoint.host === host);
  }

  /** Somebody asked for us: at once, since their first packets are on the way. */
  #punchAsTarget(endpoint: Endpoint): void {
    const climbing = this.#climbs.get(endpointKey(endpoint));
    const punch = (signal: AbortSignal): Promise<ByteStream> => this.#shared.nat.punch(endpoint, signal);
    if (climbing !== undefined) {
      climbing.climb.join('punch', punch);
      return;
    }
    this.#owner.peers.dialIntroduced(endpoint, async (candidate) => {
      const ladder = new Ladder({
        own: this.#shared.nat.reach(),
        peer: UNKNOWN_REACH,
        ways: { reverse: false, punch: true, splice: false },
        nowMs: this.#shared.clock.nowMs(),
        isUpgrade: true,
      });
      const climb = new Climb(ladder, this.#shared.clock, (_rung, signal) => punch(signal));
      this.#climbs.set(candidate.key, { endpoint, climb });
      try {
        return await climb.result;
      } finally {
        this.#climbs.delete(candidate.key);
      }
    });
  }

  #isConnectedTo(endpoint: Endpoint): boolean {
    for (const connection of this.#owner.peers.connections) {
      if (!connection.isAdmitted || connection.isClosing) continue;
      if (connection.stream.transport !== 'relayed' && answersTo(connection, endpoint)) return true;
    }
    return false;
  }
}
