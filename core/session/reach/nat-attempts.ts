// The attempts of one torrent to reach peers: which are under way, what came of them a moment ago, and to which of them a connection
// that came in belongs.
import { type Endpoint, endpointKey } from '../../base/endpoint.ts';
import type { Candidate } from '../../discovery/candidates.ts';
import type { Ladder, Rung } from '../../nat/ladder.ts';
import type { PeerConnection } from '../peer/peer-connection.ts';
import type { SessionShared } from '../shared.ts';
import type { Answered } from './nat-calls.ts';
import { CAME_IN, Climb, type Dialled, type StartRung } from './nat-climb.ts';
import type { ReachedBy } from './reach-stats.ts';
import { RecentReaches } from './recent-reaches.ts';

export interface Attempt {
  readonly endpoint: Endpoint;
  readonly candidate: Candidate | undefined;
  readonly climb: Climb;
  /** What the called peer said of itself. */
  answered: Answered | undefined;
  /** A straight way that came after a splice. */
  late: Rung | undefined;
}

export interface AttemptEvents {
  /** A straight way to a peer whose bytes a relay passes on already. @returns false when it is not wanted; then it is the caller's */
  adopt(endpoint: Endpoint, dialled: Dialled): boolean;
  /** The neighbour that introduced us to there (BEP 55), which knows nothing of either place. */
  introducerOf(endpoint: Endpoint): Endpoint | undefined;
  /** Nothing is under way to there any more. */
  onEnded(endpoint: Endpoint): void;
}

export class NatAttempts {
  readonly #shared: SessionShared;
  readonly #events: AttemptEvents;
  /** Under way, by endpoint. */
  readonly #attempts = new Map<string, Attempt>();
  readonly #reached = new RecentReaches();

  constructor(shared: SessionShared, events: AttemptEvents) {
    this.#shared = shared;
    this.#events = events;
  }

  to(endpoint: Endpoint): Attempt | undefined {
    return this.#attempts.get(endpointKey(endpoint));
  }

  /** A relay came to be known, or came back. */
  handleWay(rung: 'punch' | 'splice'): void {
    for (const { climb } of [...this.#attempts.values()]) climb.handleWay(rung);
  }

  close(): void {
    for (const { climb } of this.#attempts.values()) climb.giveUp(new Error('stopped'));
  }

  async climb(
    target: Pick<Attempt, 'endpoint' | 'candidate'>,
    ladder: Ladder,
    start: (climb: () => Climb) => StartRung,
    answered?: Answered,
  ): Promise<Dialled> {
    const { endpoint } = target;
    const takeLate = (dialled: Dialled): void => {
      attempt.late = dialled.rung;
      if (!this.#events.adopt(endpoint, { ...dialled, ...this.#introducedBy(attempt) }))
        dialled.stream.destroy();
    };
    const climb: Climb = new Climb(
      ladder,
      this.#shared.clock,
      start(() => climb),
      takeLate,
    );
    const key = endpointKey(endpoint);
    const attempt: Attempt = { ...target, climb, answered, late: undefined };
    this.#attempts.set(key, attempt);
    void climb.ended.then(() => {
      if (this.#attempts.get(key) === attempt) this.#attempts.delete(key);
      this.#events.onEnded(endpoint);
    });
    try {
      const dialled = { ...(await climb.result), ...this.#introducedBy(attempt) };
      const { rung, startedAtMs } = dialled;
      void climb.ended.then(() => this.#countPunch(ladder, attempt.late ?? rung));
      this.#reached.add({ endpoint, rung, startedAtMs, atMs: this.#shared.clock.nowMs() });
      return dialled;
    } catch (error) {
      const cameIn = (error as NodeJS.ErrnoException).code === CAME_IN;
      this.#countPunch(ladder, cameIn ? ladder.expectsIncoming : undefined);
      throw error;
    }
  }

  #countPunch(ladder: Ladder, won: Rung | undefined): void {
    // Overtaken by another way it says nothing about holes.
    if (ladder.tried.has('punch') && (won === undefined || won === 'punch' || won === 'splice'))
      this.#shared.nat.stats.handlePunch(won === 'punch');
  }

  /** @returns how, and by which attempt, which is over then; undefined when it is the other end of none */
  cameIn(
    { stream, openedAtMs }: PeerConnection,
    nowMs: number,
  ): { readonly reached: ReachedBy; readonly attempt: Attempt | undefined } | undefined {
    const { remote, transport } = stream;
    if (transport === 'relayed') {
      const by = stream.relay === undefined ? {} : { relay: endpointKey(stream.relay) };
      return { reached: { rung: 'splice', ms: nowMs - openedAtMs, ...by }, attempt: undefined };
    }
    // A port that cannot be foretold: the address has to do.
    const attempt =
      this.to(remote) ?? [...this.#attempts.values()].find(({ endpoint }) => endpoint.host === remote.host);
    if (attempt === undefined) {
      const other = this.#reached.otherEndOf(remote, nowMs);
      if (other === undefined) return undefined;
      return { reached: { rung: other.rung, ms: nowMs - other.startedAtMs }, attempt: undefined };
    }
    const { climb } = attempt;
    const isHole = this.#shared.nat.punchPorts?.hasPunched(remote) === true && transport === 'tcp';
    const expected = isHole ? 'tcp-punch' : climb.ladder.expectsIncoming;
    if (expected === undefined) return undefined;
    // Holes of uTP let uTP in: whoever came by TCP needed none.
    const rung = expected === 'punch' && transport === 'tcp' ? 'direct' : expected;
    attempt.late = rung;
    climb.giveUp(Object.assign(new Error('it reached us first'), { code: CAME_IN }));
    const how = { rung, ms: nowMs - climb.startedAtMs, tried: [...climb.ladder.tried] };
    const { peer, relay } = this.#introducedBy(attempt);
    const by = { ...(peer && { peer }), ...(relay && { relay: endpointKey(relay) }) };
    return { reached: { ...how, ...by }, attempt };
  }

  #introducedBy({ answered, endpoint }: Attempt): Pick<Dialled, 'peer' | 'relay'> {
    if (answered !== undefined) return { peer: answered.state, relay: answered.relay };
    const relay = this.#events.introducerOf(endpoint);
    return relay === undefined ? {} : { relay };
  }
}
