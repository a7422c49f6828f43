// The connections of one torrent: whom to dial, whom to take in, whom to let go. Payload matters are the swarm's.

import { compareBytes } from '../base/bytes.ts';
import { type Endpoint, endpointKey, isIPv6 } from '../base/endpoint.ts';
import type { PeerOrigin } from '../base/peer-source.ts';
import { OperationError } from '../base/result.ts';
import { type Candidate, CandidatePool } from '../discovery/candidates.ts';
import { peerPriority } from '../discovery/peer-priority.ts';
import { PROXY_FAULT } from '../transport/proxy-url.ts';
import type { StreamEnd } from '../transport/secure-stream.ts';
import { crowdedPlaces, makePlace, slowestFirst } from './crowd.ts';
import type { Dialable } from './dial-scheduler.ts';
import { banKeyOf, PeerConnection, type PeerOwner } from './peer/peer-connection.ts';
import {
  HANDSHAKE_TIMEOUT_MS,
  KEEP_ALIVE_MS,
  negotiationTimeoutMs,
  SILENCE_MS,
  TURNOVER_ABOVE,
  TURNOVER_INTERVAL_MS,
  TURNOVER_SHARE,
  USEFUL_AFTER_MS,
} from './peer-limits.ts';
import { CAME_IN, type Dialled } from './reach/nat-climb.ts';
import type { ReachedBy } from './reach/reach-stats.ts';
import type { SessionShared } from './shared.ts';
import { takeDoubt } from './silent-peers.ts';
import { farewellOf, isSpliced, twinOf } from './twins.ts';

export interface PeersOwner extends PeerOwner {
  /** Everything wanted is there: seeds are of no use to us. */
  readonly isComplete: boolean;
  /** Dials go out only while true (not paused, not stopped). */
  readonly isActive: boolean;
}

/** How a candidate becomes a stream, by whatever way there is. */
export interface PeerDialler {
  dial(candidate: Candidate): Promise<Dialled>;
  /**
   * A connection that came in has shaken hands.
   * @returns how and to whom, when it is the other end of an attempt of ours; that attempt is over then
   */
  cameIn(
    connection: PeerConnection,
    nowMs: number,
  ): { readonly reached: ReachedBy; readonly candidate: Candidate | undefined } | undefined;
}

export class TorrentPeers implements Dialable {
  readonly pool: CandidatePool;
  readonly connections = new Set<PeerConnection>();
  /** Set once, before the first dial. */
  dialler: PeerDialler | undefined;
  readonly #shared: SessionShared;
  readonly #owner: PeersOwner;
  /** Attempts of `dial` that wait for their handshakes. */
  readonly #dialling = new Map<PeerConnection, () => void>();
  /** Attempts of `dial` that wait for their stream. */
  #connecting = 0;
  #turnoverAtMs: number;

  constructor(shared: SessionShared, owner: PeersOwner) {
    this.#shared = shared;
    this.#owner = owner;
    this.#turnoverAtMs = shared.clock.nowMs() + TURNOVER_INTERVAL_MS;
    this.pool = new CandidatePool({
      rng: shared.rng,
      rank: (endpoint) => this.#rank(endpoint),
      isBanned: (host) => shared.isBanned(host),
      isSelf: (endpoint) => shared.isSelf(endpoint),
    });
  }

  /** BEP 40, where we know how the world sees us; until then chance, which spreads a swarm just as well. */
  #rank(endpoint: Endpoint): number {
    const own = this.#shared.externalAddress(isIPv6(endpoint.host) ? 6 : 4);
    if (own === undefined) return this.#shared.rng.next() * 2 ** 32;
    return peerPriority({ host: own, port: this.#shared.listenPort() }, endpoint);
  }

  /** Connections, and attempts that may become one. */
  get countWithDials(): number {
    return this.connections.size + this.#connecting;
  }

  /** How many more connections this torrent may dial. */
  get room(): number {
    const places = this.#shared.maxPeersPerTorrent;
    const free = this.#shared.isFull('with-dials') ? 0 : places - this.countWithDials;
    if (free > 0) return free;
    const isFull = this.connections.size >= places;
    const crowded = isFull ? crowdedPlaces(this.connections, places) : this.#shared.crowdedPlaces();
    return Math.max(0, crowded - this.#connecting);
  }

  /** Attempts under way keep no place from those who are here. */
  get #hasPlace(): boolean {
    return this.connections.size < this.#shared.maxPeersPerTorrent && !this.#shared.isFull('connected');
  }

  /** Free, or made so: one of a crowd goes. */
  #findPlace(host: string): boolean {
    if (this.#hasPlace) return true;
    const places = this.#shared.maxPeersPerTorrent;
    if (this.connections.size < places) return this.#shared.makePlace(host);
    return makePlace(this.connections, host, places, this.#shared.clock.nowMs());
  }

  add(
    endpoints: readonly Endpoint[],
    origin: PeerOrigin,
    options: { isSeed?: boolean; speaksUtp?: boolean } = {},
  ): void {
    const allowed = endpoints.filter(({ host, port }) => !this.#shared.isBanned(banKeyOf(host, port)));
    if (options.speaksUtp === true) for (const endpoint of allowed) this.#shared.noteUtp(endpoint);
    const added = this.pool.add(allowed, origin, options);
    // What the user names anew is due at once, known or not.
    if (added > 0 || origin === 'manual') this.#shared.dials.poke();
  }

  get isActive(): boolean {
    return this.#owner.isActive;
  }

  // --- dialling

  nextCandidate(nowMs: number): Candidate | undefined {
    if (!this.#owner.isActive || this.room === 0) return undefined;
    return this.pool.next(nowMs, this.#owner.isComplete);
  }

  nextReadyMs(): number | undefined {
    if (!this.#owner.isActive || this.room === 0) return undefined;
    return this.pool.nextReadyMs(this.#owner.isComplete);
  }

  /** A neighbour introduced us: this goes beside the schedule, since the other side's first packets are on the way. */
  dialIntroduced(endpoint: Endpoint, connect: (candidate: Candidate) => Promise<Dialled>): void {
    if (!this.#owner.isActive || this.room === 0) return;
    const isNew = this.pool.add([endpoint], 'pex') > 0;
    const candidate = this.pool.find(endpoint);
    if (candidate?.state === 'connected') {
      // Through a relay so far: the straight way comes to stand beside it.
      connect(candidate).then(
        (dialled) => {
          if (!this.adopt(endpoint, dialled)) dialled.stream.destroy();
        },
        () => {},
      );
      return;
    }
    if (candidate?.state !== 'idle') return;
    candidate.state = 'dialling';
    void this.dial(candidate, connect).then(() => {
      // It may be a victim that somebody named: once is enough.
      if (isNew && candidate.state === 'idle' && !candidate.hasAnswered) this.pool.remove(candidate);
    });
  }

  /**
   * A stream that came about beside the schedule; it may stand beside a spliced connection to the same peer.
   * @returns false when it is not wanted; then it is the caller's
   */
  adopt(endpoint: Endpoint, dialled: Dialled): boolean {
    if (!this.#owner.isActive || !this.#findPlace(endpoint.host)) return false;
    this.pool.add([endpoint], 'pex', { isMet: true });
    const candidate = this.pool.find(endpoint);
    if (candidate === undefined || candidate.state === 'self') return false;
    if (candidate.state === 'idle') candidate.state = 'dialling';
    this.#open(candidate, dialled, () => {});
    return true;
  }

  async dial(candidate: Candidate, connect = this.#connector): Promise<void> {
    try {
      const dialled = await this.#connect(() => connect(candidate));
      if (!this.#owner.isActive || !this.#findPlace(candidate.endpoint.host)) {
        dialled.stream.destroy();
        this.pool.ended(candidate, this.#shared.clock.nowMs());
        return;
      }
      await new Promise<void>((settled) => this.#open(candidate, dialled, settled));
    } catch (error) {
      this.#shared.log('debug', `cannot connect to ${candidate.key}`, { error: String(error) });
      const nowMs = this.#shared.clock.nowMs();
      // Its connection holds the candidate now.
      if ((error as NodeJS.ErrnoException).code === CAME_IN) return;
      if (error instanceof OperationError && error.code === PROXY_FAULT) this.pool.ended(candidate, nowMs);
      else this.pool.failed(candidate, nowMs);
      const { retryAfterMs } = error as { retryAfterMs?: number };
      if (retryAfterMs !== undefined) candidate.notBeforeMs = nowMs + retryAfterMs;
    }
  }

  #open(candidate: Candidate, dialled: Dialled, settled: () => void): void {
    const { stream, rung, startedAtMs, tried = [rung], peer, relay } = dialled;
    const { policy, clock, rng, downLimiter, trace } = this.#shared;
    const encrypt = policy === 'require' || (policy === 'prefer' && !candidate.tryPlain);
    const common = { stream, clock, rng, policy, downLimiter, trace };
    const connection = PeerConnection.outgoing({ ...common, owner: this.#owner, candidate, encrypt });
    connection.reached = {
      rung,
      ms: clock.nowMs() - startedAtMs,
      tried,
      own: this.#shared.nat.ownFacts().state,
      ...(peer === undefined ? {} : { peer }),
      ...(relay === undefined || rung === 'direct' ? {} : { relay: endpointKey(relay) }),
    };
    this.connections.add(connection);
    this.#dialling.set(connection, settled);
  }

  readonly #connector = async (candidate: Candidate): Promise<Dialled> => {
    if (this.dialler !== undefined) return this.dialler.dial(candidate);
    const startedAtMs = this.#shared.clock.nowMs();
    return { stream: await this.#shared.connect(candidate.endpoint), rung: 'direct', startedAtMs };
  };

  async #connect(connect: () => Promise<Dialled>): Promise<Dialled> {
    this.#connecting++;
    try {
      return await connect();
    } finally {
      this.#connecting--;
    }
  }

  // --- connections come and go

  /** Handshakes are done. @returns why the connection must end, or undefined */
  admit(connection: PeerConnection): string | undefined {
    const peerId = connection.handshake?.peerId;
    if (peerId === undefined) return 'no handshake';
    if (compareBytes(peerId, this.#shared.peerId) === 0) {
      if (connection.candidate !== undefined) this.pool.isOurself(connection.candidate);
      return 'connected to ourselves';
    }
    if (!this.#owner.isActive) return 'not active';
    if (this.#shared.isBanned(connection.banKey)) return 'banned';
    if (connection.isIncoming && !this.#findPlace(connection.stream.remote.host)) return 'too many peers';
    const twin = twinOf(connection, peerId, this.connections);
    if (twin !== undefined) {
      const nowMs = this.#shared.clock.nowMs();
      const farewell = farewellOf(twin, connection, { own: this.#shared.peerId, peer: peerId }, nowMs);
      if (farewell === undefined) {
        this.#handOver(connection, twin);
        return 'connected already';
      }
      this.#handOver(twin, connection);
      if ('lingersMs' in farewell) twin.leaveAtMs = nowMs + farewell.lingersMs;
      else twin.close(farewell.closesAs, farewell.isOurWish);
    }
    this.connections.add(connection);
    this.#dialling.get(connection)?.();
    this.#dialling.delete(connection);
    if (connection.isIncoming) this.#settleIncoming(connection);
    // Both ends of one hole may open: the way is the same, whichever stays.
    if (twin?.reached !== undefined && !isSpliced(twin)) connection.reached = twin.reached;
    if (connection.candidate !== undefined) this.pool.connected(connection.candidate);
    return undefined;
  }

  /** Whoever came in from an endpoint that we know needs no dialling. */
  #settleIncoming(connection: PeerConnection): void {
    const nowMs = this.#shared.clock.nowMs();
    const met = this.dialler?.cameIn(connection, nowMs);
    const { state: own } = this.#shared.nat.ownFacts();
    connection.reached = { own, ...(met?.reached ?? { rung: 'direct', ms: nowMs - connection.openedAtMs }) };
    const known = this.pool.find(connection.stream.remote);
    connection.candidate ??= met?.candidate ?? (known?.state === 'idle' ? known : undefined);
  }

  /** One peer, one candidate: it goes with the connection that stays, or it would be dialled again and again. */
  #handOver(leaving: PeerConnection, staying: PeerConnection): void {
    if (leaving.candidate === undefined || staying.candidate !== undefined) return;
    staying.candidate = leaving.candidate;
    leaving.candidate = undefined;
    this.pool.connected(staying.candidate);
  }

  /** It was dialled because its elder was silent, and the peer does not want two: the elder is just slow. */
  #handBack(connection: PeerConnection): void {
    const peerId = connection.handshake?.peerId;
    const elder = peerId === undefined ? undefined : twinOf(connection, peerId, this.connections);
    if (elder === undefined || elder.soughtCount === 0 || elder.leaveAtMs === undefined) return;
    this.#handOver(connection, elder);
    elder.leaveAtMs = undefined;
  }

  closed(connection: PeerConnection, end: StreamEnd): void {
    this.connections.delete(connection);
    this.#handBack(connection);
    const nowMs = this.#shared.clock.nowMs();
    const { candidate } = connection;
    if (
      candidate !== undefined &&
      this.pool.find(candidate.endpoint) === candidate &&
      ![...this.connections].some((other) => other.candidate === candidate)
    ) {
      // While we seed too there is no sense in meeting again.
      if (connection.swarmPeer?.isSeed === true) candidate.isSeed = true;
      const encrypted = this.#shared.policy === 'prefer' && !candidate.tryPlain;
      if (candidate.state === 'self') {
        // Never again.
      } else if (connection.isOurWish) this.pool.retryAtOnce(candidate, candidate.tryPlain);
      else if (connection.isAdmitted && wasOfUse(connection, nowMs)) {
        // Nobody hung up: the path or the peer's end of the connection is dead, which took long enough to find out. Splices are ended by relays.
        if (end.code === 'ETIMEDOUT' || isSpliced(connection))
          this.pool.retryAtOnce(candidate, candidate.tryPlain);
        else this.pool.ended(candidate, nowMs);
      } else if (encrypted && end.inNegotiation) this.pool.retryAtOnce(candidate, true);
      else {
        candidate.tryPlain = false;
        this.pool.failed(candidate, nowMs);
      }
    }
    this.#dialling.get(connection)?.();
    this.#dialling.delete(connection);
    this.#shared.dials.poke();
  }

  ban(key: string): void {
    this.#shared.ban(key);
    for (const connection of [...this.connections])
      if (connection.banKey === key) connection.punish('banned');
    this.pool.removeWhere((endpoint) => banKeyOf(endpoint.host, endpoint.port) === key);
  }

  closeAll(text: string): void {
    for (const connection of [...this.connections]) connection.close(text, true);
  }

  // --- slow matters, once a second

  tick(nowMs: number): void {
    for (const connection of [...this.connections]) {
      const ageMs = nowMs - connection.openedAtMs;
      if (connection.leaveAtMs !== undefined && nowMs >= connection.leaveAtMs) this.#leave(connection);
      else if (!connection.isAdmitted) {
        if (connection.isNegotiating && ageMs > negotiationTimeoutMs(isSpliced(connection)))
          connection.close('encryption timed out');
        else if (ageMs > HANDSHAKE_TIMEOUT_MS) connection.close('handshake timed out');
      } else if (nowMs - connection.lastReceivedAtMs > SILENCE_MS) {
        connection.close('silent for too long');
      } else if (nowMs - connection.lastSentAtMs > KEEP_ALIVE_MS) {
        connection.wire.sendKeepAlive();
      } else this.#findAgain(connection, nowMs);
    }
    if (nowMs >= this.#turnoverAtMs) {
      this.#turnoverAtMs = nowMs + TURNOVER_INTERVAL_MS;
      this.#turnOver(nowMs);
    }
  }

  /** What we wait for does not come, or nobody takes what we send: the relays are asked for a sign, and the peer is dialled once more. */
  #findAgain(connection: PeerConnection, nowMs: number): void {
    const due = takeDoubt(connection, nowMs);
    if (due === 'none') return;
    this.#shared.nat.relays?.check();
    const { candidate } = connection;
    if (due === 'doubt' || candidate === undefined || this.dialler === undefined || !this.#hasPlace) return;
    connection.soughtCount++;
    this.#shared.log('debug', `nothing comes from ${connection.address}: dialled once more`);
    this.dialler.dial(candidate).then(
      (dialled) => {
        if (connection.isClosing || !this.adopt(candidate.endpoint, dialled)) dialled.stream.destroy();
      },
      (error: unknown) =>
        this.#shared.log('debug', `not found again: ${candidate.key}`, { error: String(error) }),
    );
  }

  /** It makes way for another connection to the same peer, if that still stands. */
  #leave(connection: PeerConnection): void {
    const peerId = connection.handshake?.peerId;
    const isReplaced = peerId !== undefined && twinOf(connection, peerId, this.connections) !== undefined;
    connection.leaveAtMs = undefined;
    if (isReplaced)
      connection.close(isSpliced(connection) ? 'a straight way was found' : 'found again', true);
  }

  /** A full house with candidates outside: those who moved the least make room. */
  #turnOver(nowMs: number): void {
    const isFull = this.connections.size >= this.#shared.maxPeersPerTorrent * TURNOVER_ABOVE;
    if ((!isFull && !this.#shared.isFull('connected')) || this.pool.idleCount === 0) return;
    const settled = [...this.connections].filter(
      ({ isAdmitted, openedAtMs }) => isAdmitted && nowMs - openedAtMs > TURNOVER_INTERVAL_MS,
    );
    const leaving = Math.ceil(this.connections.size * TURNOVER_SHARE);
    for (const connection of slowestFirst(settled, nowMs).slice(0, leaving)) connection.close('replaced');
  }
}

/** Payload moved, or it was good company for a while; whoever hangs up on us sooner is dialled ever more rarely. */
function wasOfUse({ swarmPeer, openedAtMs }: PeerConnection, nowMs: number): boolean {
  const moved = swarmPeer === undefined ? 0 : swarmPeer.downloadedBytes + swarmPeer.uploadedBytes;
  return moved > 0 || nowMs - openedAtMs > USEFUL_AFTER_MS;
}
