// How one torrent reaches its peers: every dial climbs the ladder; relays call for us and us (tt_relay), neighbours introduce us and are
// introduced by us (BEP 55, punch-*.ts). Nothing of this for private torrents (BEP 27): whoever passes endpoints on is a source of peers.

import { toHex } from '../../base/bytes.ts';
import { type Endpoint, endpointKey } from '../../base/endpoint.ts';
import type { InfoHash } from '../../base/ids.ts';
import type { Candidate } from '../../discovery/candidates.ts';
import { Ladder, PUNCH_SILENCE_MS, type Rung, type Ways } from '../../nat/ladder.ts';
import { reachOf, UNKNOWN_REACH } from '../../nat/ladder-reach.ts';
import type { IncomingCall, Introduction, SpliceOrder } from '../../relay/client-port.ts';
import type { QueueEntry, Way } from '../../relay/messages.ts';
import type { QueueItem } from '../../relay/queue-item.ts';
import type { ByteStream } from '../../transport/byte-stream.ts';
import { pause } from '../pauses.ts';
import type { PeerConnection } from '../peer/peer-connection.ts';
import { INTRODUCED_DIAL_MS } from '../peer-limits.ts';
import type { SessionShared } from '../shared.ts';
import type { PeerDialler, TorrentPeers } from '../torrent-peers.ts';
import { AbsentPeers } from './absent-peers.ts';
import { AnybodyCalls } from './anybody-calls.ts';
import { besideHole, holeless } from './beside-hole.ts';
import { type CalledPeer, CalledPeers } from './called-peers.ts';
import { type Attempt, NatAttempts } from './nat-attempts.ts';
import { type Answered, CallRefused, endpointOf, NatCalls } from './nat-calls.ts';
import { afterFailure, type Climb, type Dialled, firstStream } from './nat-climb.ts';
import type { CalledTorrent } from './nat-hub.ts';
import { isConnectedTo } from './punch-relay.ts';
import { PunchTorrent } from './punch-torrent.ts';
import { SpliceUpgrades } from './splice-upgrades.ts';

/** More peers than that are not called for: the ordinary sources do. */
const ENOUGH_PEERS = 8;

export interface NatTorrentOwner {
  readonly infoHashBytes: InfoHash;
  readonly isPrivate: boolean;
  readonly isComplete: boolean;
  readonly peers: TorrentPeers;
}

export class NatTorrent implements PeerDialler, CalledTorrent {
  readonly punch: PunchTorrent;
  readonly #shared: SessionShared;
  readonly #owner: NatTorrentOwner;
  readonly #calls: NatCalls;
  readonly #attempts: NatAttempts;
  readonly #called = new CalledPeers();
  readonly #absent: AbsentPeers;
  readonly #upgrades = new SpliceUpgrades();
  readonly #anybody = new AnybodyCalls();
  readonly #given = new AbortController();

  constructor(shared: SessionShared, owner: NatTorrentOwner) {
    this.#shared = shared;
    this.#owner = owner;
    this.#calls = new NatCalls(shared, owner.infoHashBytes);
    this.#absent = new AbsentPeers(shared, owner.infoHashBytes);
    this.#attempts = new NatAttempts(shared, {
      adopt: (endpoint, dialled) => owner.peers.adopt(endpoint, dialled),
      introducerOf: (endpoint) => this.punch.introducerOf(endpoint),
      onEnded: (endpoint) => this.punch.forget(endpoint),
    });
    this.punch = new PunchTorrent(shared, owner, (endpoint) => this.#introduced(endpoint, 'punch', 0));
    shared.nat.add(owner.infoHashBytes, this);
  }

  close(): void {
    this.#shared.nat.remove(this.#owner.infoHashBytes, this);
    this.#given.abort();
    this.#attempts.close();
    this.#calls.close();
  }

  // --- dialling

  async dial(candidate: Candidate): Promise<Dialled> {
    const { endpoint } = candidate;
    const startedAtMs = this.#shared.clock.nowMs();
    const ladder = new Ladder({
      own: this.#shared.nat.reach(),
      peer: this.#called.get(candidate)?.reach ?? UNKNOWN_REACH,
      ways: this.#waysTo({ endpoint, key: this.#called.get(candidate)?.key }),
      nowMs: startedAtMs,
      // Whoever could not be dialled is not knocked at again before the hole is open.
      isHidden: this.punch.isHidden(endpoint) || candidate.failures > 0,
    });
    try {
      const dialled = await this.#climb(endpoint, candidate, ladder);
      this.#absent.remove(this.#called.get(candidate)?.key);
      return dialled;
    } catch (error) {
      const known = this.#called.get(candidate);
      if (known !== undefined && known.answeredAtMs < startedAtMs) this.#handleAbsent(known);
      // The gateways forget, and one more hole is tried; ordinary back-off follows that.
      if (ladder.wantsSilence && candidate.failures === 0)
        throw Object.assign(error as Error, { retryAfterMs: PUNCH_SILENCE_MS });
      throw error;
    }
  }

  /** Whoever was called once is known by its key: a call can wait for it. */
  #handleAbsent({ key }: CalledPeer): void {
    const { isPrivate, isComplete, peers } = this.#owner;
    if (key !== undefined && !isPrivate && !isComplete && peers.isActive)
      this.#absent.add(key, this.#shared.clock.nowMs());
  }

  #learn(candidate: Candidate | undefined, { peer, key }: Pick<Answered, 'peer' | 'key'>): void {
    const answeredAtMs = this.#shared.clock.nowMs();
    if (candidate !== undefined) this.#called.set(candidate, { reach: peer, key, answeredAtMs });
    this.#absent.remove(key);
  }

  #waysTo({ endpoint, key }: { readonly endpoint: Endpoint; readonly key: Uint8Array | undefined }): Ways {
    const { isPrivate } = this.#owner;
    // A peer that is known by its key is called through the relays that it keeps, whether we keep one or not.
    const canCall = !isPrivate && (this.#calls.canCall || (key !== undefined && this.#calls.canFindRelays));
    const splice = !isPrivate && this.#calls.canSplice;
    const tcpPunch = !isPrivate && this.#calls.canPunchTcp;
    return { reverse: canCall, punch: canCall || this.punch.canAsk(endpoint), tcpPunch, splice };
  }

  #climb(endpoint: Endpoint, candidate: Candidate | undefined, ladder: Ladder): Promise<Dialled> {
    return this.#attempts.climb(
      { endpoint, candidate },
      ladder,
      (climb) => (rung, signal) => this.#start(rung, endpoint, candidate, climb, signal),
    );
  }

  async #start(
    rung: Rung,
    endpoint: Endpoint,
    candidate: Candidate | undefined,
    climb: () => Climb,
    signal: AbortSignal,
  ): Promise<ByteStream> {
    if (rung === 'direct') return this.#straight(endpoint, climb, signal);
    // Not in the turn in which the ladder made the step: it is still being set up.
    await Promise.resolve();
    const answered = (answer: Answered): void => {
      this.#learn(candidate, answer);
      // There is a splice, and it lives.
      if (answer.rung === 'splice' && climb().ladder.isUpgrade) throw new CallRefused('policy');
      const attempt = this.#attempts.to(endpoint);
      if (attempt?.climb === climb()) attempt.answered = answer;
      climb().handleAnswer(rung, answer.rung, answer.peer, answer.delayMs);
    };
    const tried = [...climb().ladder.tried].filter((each) => each !== rung);
    const known = this.#called.get(candidate);
    const viaRelay = (): Promise<ByteStream> =>
      this.#calls
        .call({ endpoint, key: known?.key }, rung, tried, answered, signal)
        .catch((error: unknown) => {
          // It does not want us now, but it is there.
          if (error instanceof CallRefused && error.isAnswer && known !== undefined)
            this.#learn(candidate, { peer: known.reach, key: known.key });
          throw error;
        });
    if (rung !== 'punch' || !this.punch.canAsk(endpoint)) return viaRelay();
    // A relay knows both NATs and how far away both are; a neighbour knows neither, and a packet that it makes come too early closes a door.
    const relayed = viaRelay();
    const ask = (): Promise<ByteStream> => this.punch.ask(endpoint, signal);
    const hole = firstStream([relayed, afterFailure(relayed, NEIGHBOUR_AFTER_MS, signal).then(ask)]);
    return this.punch.isHidden(endpoint) ? besideHole(hole, this.#shared.connectByTcp(endpoint)) : hole;
  }

  /** uTP that comes before the hole is open closes it where a gateway takes strangers in: where a hole is possible TCP goes first. */
  #straight(endpoint: Endpoint, climb: () => Climb, signal: AbortSignal): Promise<ByteStream> {
    const { nat } = this.#shared;
    const canPunch = this.#waysTo({ endpoint, key: undefined }).punch && nat.hasUtp;
    // The first neighbours shall see our uTP endpoint, or nobody could introduce us.
    if (!canPunch || nat.reach().isOpen === 'yes' || !nat.hasUtpPeers || this.#isMetByUtp(endpoint))
      return this.#shared.connect(endpoint);
    const isPunching = (): boolean => climb().ladder.isRunning('punch');
    const late = holeless(isPunching, signal).then(() => this.#shared.connect(endpoint));
    return firstStream([this.#shared.connectByTcp(endpoint), late]);
  }

  /** Dialled once more, for it is silent, and no hole led there: by TCP it would lose sight of our uTP endpoint, and could introduce us to nobody. */
  #isMetByUtp(endpoint: Endpoint): boolean {
    const key = endpointKey(endpoint);
    return [...this.#owner.peers.connections].some(
      ({ stream, reached }) =>
        reached?.rung === 'direct' && stream.transport === 'utp' && endpointKey(stream.remote) === key,
    );
  }

  cameIn(connection: PeerConnection, nowMs: number): ReturnType<PeerDialler['cameIn']> {
    const met = this.#attempts.cameIn(connection, nowMs);
    if (met === undefined) return undefined;
    const { reached, attempt } = met;
    return { reached, candidate: attempt && (attempt.candidate ?? this.#adoptable(attempt)) };
  }

  /** Somebody whom a relay led us to came in: from now on it can be dialled, called and waited for. */
  #adoptable({ endpoint, answered }: Attempt): Candidate | undefined {
    if (answered === undefined) return undefined;
    const { pool } = this.#owner.peers;
    pool.add([endpoint], 'pex', { isMet: true });
    const candidate = pool.find(endpoint);
    if (candidate?.state !== 'idle') return undefined;
    this.#learn(candidate, answered);
    return candidate;
  }

  /** Relays came or went. */
  handleRelays(): void {
    if (this.#owner.isPrivate) return;
    if (this.#calls.canCall) this.#attempts.handleWay('punch');
    if (this.#calls.canSplice) this.#attempts.handleWay('splice');
  }

  // --- somebody wants us

  decide(call: IncomingCall): Way {
    const { isPrivate, peers } = this.#owner;
    if (isPrivate || peers.room === 0 || this.#shared.isBanned(call.caller.host)) return 'none';
    this.#absent.remove(call.caller.key);
    return this.#calls.decide(call, this.#isSplicedTo(call.caller.key));
  }

  introduce({ way, peer, target, delayMs, relay }: Introduction): void {
    if (way !== 'punch' && way !== 'reverse' && way !== 'tcp-punch') return;
    // The port of a TCP punch leads nowhere later: the peer is known by the one that it announces.
    const endpoint = way === 'tcp-punch' ? endpointOf(peer) : (target ?? endpointOf(peer));
    const { state, key } = peer;
    const as = { rung: way, peer: reachOf(state, peer.filter), state, key, relay, delayMs, endpoint };
    if (way !== 'tcp-punch') this.#introduced(endpoint, way, way === 'punch' ? delayMs : 0, as);
    // Without both ports it was only a word that one is wanted.
    else if (target !== undefined && this.#calls.hasPunchPort(relay))
      this.#introduced(endpoint, way, delayMs, as, (signal) => this.#calls.punchTcp(relay, target, signal));
  }

  /** At once and beside the schedule: the other side's first packets are on the way. */
  #introduced(
    endpoint: Endpoint,
    rung: Rung,
    delayMs: number,
    answered?: Answered,
    open?: (signal: AbortSignal) => Promise<ByteStream>,
  ): void {
    if (isConnectedTo(this.#owner.peers.connections, endpoint)) return;
    const dial = async (signal: AbortSignal): Promise<ByteStream> => {
      await pause(delayMs, signal);
      if (open !== undefined) return open(signal);
      return rung === 'punch'
        ? this.#shared.nat.punch(endpoint, signal, delayMs)
        : this.#shared.nat.dialIntroduced(endpoint, () => this.#shared.connect(endpoint, INTRODUCED_DIAL_MS));
    };
    const attempt = this.#attempts.to(endpoint);
    if (attempt !== undefined) {
      // Introduced by two, or both sides wish it: it is one hole, and the first word of it counts, for the other side goes by that.
      attempt.climb.join(rung, dial);
      return;
    }
    const nowMs = this.#shared.clock.nowMs();
    this.#owner.peers.dialIntroduced(endpoint, (candidate) => {
      if (answered !== undefined) this.#learn(candidate, answered);
      const start = (_rung: Rung, signal: AbortSignal): Promise<ByteStream> => dial(signal);
      return this.#attempts.climb({ endpoint, candidate }, Ladder.only(rung, nowMs), () => start, answered);
    });
  }

  splice(order: SpliceOrder): void {
    const { introduction } = order;
    if (introduction === undefined || this.#calls.handleTicket(order) || introduction.role === 'caller')
      return;
    // The caller speaks first.
    this.#calls.open(order, endpointOf(introduction.peer)).then(
      (stream) => {
        this.#called.noteStream(stream, introduction.peer.key);
        this.#shared.accept(stream);
      },
      (error: unknown) => this.#shared.log('debug', 'no splice', { error: String(error) }),
    );
  }

  /** It may have gone meanwhile, or found others. Whoever is in the open is dialled, everybody else called in turn. */
  handleQueued({ facts, sender }: QueueItem, { from }: QueueEntry, relay: Endpoint): void {
    const { isPrivate, peers } = this.#owner;
    if (isPrivate || !peers.isActive || peers.room === 0 || this.#shared.isBanned(from.host)) return;
    const nowMs = this.#shared.clock.nowMs();
    this.#absent.remove(sender);
    if (!this.#called.takeCallBack(sender, nowMs)) return;
    const target = { host: from.host, port: facts.tcpPort || facts.udpPort };
    if (reachOf(facts.state, facts.filter).isOpen === 'yes' && target.port !== 0) {
      const rule = this.#shared.nat.whyNotFollow(target, relay.host, nowMs);
      if (rule === undefined) this.#introduced(target, 'reverse', 0);
      else this.#shared.log('debug', `a queued call is not followed: ${rule}`);
      return;
    }
    this.#callOut(
      (onAnswer, signal) => this.#calls.callKey(sender, [], onAnswer, signal),
      nowMs,
      () => {},
    );
  }

  // --- slow matters

  tick(nowMs: number): void {
    if (this.#owner.isPrivate) return;
    if (this.#owner.isComplete || !this.#owner.peers.isActive) this.#absent.clear();
    else this.#absent.tick(nowMs);
    for (const connection of this.#owner.peers.connections) this.#upgrade(connection, nowMs);
    if (this.#calls.canCall) this.#callAnybody(nowMs);
  }

  /** Relays know peers that no tracker names: those that reserved a place for this torrent. */
  #callAnybody(nowMs: number): void {
    const { peers, isComplete } = this.#owner;
    if (isComplete || !peers.isActive || peers.countWithDials >= ENOUGH_PEERS || peers.room === 0) return;
    if (!this.#anybody.take(nowMs)) return;
    this.#callOut(
      (onAnswer, signal) => this.#calls.call({}, 'punch', [], onAnswer, signal),
      nowMs,
      () => this.#anybody.handleAnswer(nowMs),
    );
  }

  /** Whoever calls while a relay passes its bytes on wants a straight way, or the splice is dead. */
  #isSplicedTo(key: Uint8Array | undefined): boolean {
    return this.#called.isSpliced(key, this.#owner.peers.connections);
  }

  /** A call to somebody who is no candidate yet: whoever comes of it becomes one. */
  #callOut(
    call: (onAnswer: (answered: Answered) => void, signal: AbortSignal) => Promise<ByteStream>,
    startedAtMs: number,
    onAnswer: () => void,
  ): void {
    const { peers } = this.#owner;
    let answeredAs: Answered | undefined;
    const attempt = call((answered) => {
      // Nobody else reserved there for this torrent: a second connection would be dropped as soon as it stands. A straight one beside a splice
      // would not, and the other side begins: its packets alone would close the hole.
      if (this.#called.isConnected(answered.key, peers.connections)) {
        this.#anybody.handleKnown(toHex(answered.key ?? new Uint8Array()), this.#shared.clock.nowMs());
        const isStraightened = answered.rung !== 'splice' && this.#isSplicedTo(answered.key);
        if (!isStraightened) throw new CallRefused('connected already');
      } else onAnswer();
      answeredAs = answered;
      this.#expect(answered, startedAtMs);
    }, this.#given.signal);
    attempt.then(
      (stream) => {
        const { endpoint, rung, state: peer, relay, ...known } = answeredAs as Answered;
        const how = { rung, startedAtMs, tried: [rung], peer, relay };
        if (!peers.adopt(endpoint, { stream, ...how })) stream.destroy();
        else this.#learn(peers.pool.find(endpoint), known);
        this.#called.noteStream(stream, known.key);
      },
      (error: unknown) => this.#shared.log('debug', 'called through relays', { error: String(error) }),
    );
  }

  /** Whoever answered may come in by itself. */
  #expect(answered: Answered, startedAtMs: number): void {
    const { endpoint, rung } = answered;
    if (rung !== 'reverse' && rung !== 'punch' && rung !== 'tcp-punch') return;
    if (this.#attempts.to(endpoint) !== undefined) return;
    const ladder = Ladder.only(rung, startedAtMs);
    const wait = (_rung: Rung, signal: AbortSignal): Promise<never> =>
      pause(EXPECT_MS, signal).then(() => Promise.reject(new Error('it did not come')));
    const waiting = this.#attempts.climb({ endpoint, candidate: undefined }, ladder, () => wait, answered);
    waiting.catch(() => {});
  }

  /** A splice costs the relay every byte: once a minute the straight ways are tried again, by whoever called. */
  #upgrade(connection: PeerConnection, nowMs: number): void {
    const { candidate } = connection;
    if (candidate === undefined || !this.#upgrades.isOurs(connection)) return;
    const { nat } = this.#shared;
    const { reach = UNKNOWN_REACH, key } = this.#called.get(candidate) ?? {};
    const facts = { own: nat.reach(), ownState: nat.ownFacts().state, peer: reach };
    if (!this.#upgrades.isDue(connection, facts, nowMs)) return;
    // One that the splice has overtaken goes on still.
    if (this.#attempts.to(candidate.endpoint)?.climb.ladder.isRunning('punch') === true) return;
    this.#upgrades.handleTried(connection, nowMs);
    const ladder = new Ladder({
      own: nat.reach(),
      peer: reach,
      ways: this.#waysTo({ endpoint: candidate.endpoint, key }),
      nowMs,
      isUpgrade: true,
    });
    this.#climb(candidate.endpoint, candidate, ladder).then(
      (dialled) => {
        if (!this.#owner.peers.adopt(candidate.endpoint, dialled)) dialled.stream.destroy();
      },
      () => {},
    );
  }
}

/** A call through a relay that is far from the peer; no call at all is found out at once. Whoever hears of it first would spoil the hole. */
const NEIGHBOUR_AFTER_MS = 2_500;

/** How long somebody who said that it would come is waited for. */
const EXPECT_MS = 6_000;
