// The ways to one peer, tried in order: straight, called back through somebody we both know, a hole punched from both sides,
// bytes passed on by a relay. A machine: times come in, steps come out; who performs them is the shell's matter. Pure.
// The next rung starts when the last has had its time, and earlier ones go on meanwhile: the first that works wins.
import { canPunch, canPunchTcp, type Reach, UNKNOWN_REACH } from './ladder-reach.ts';

export type Rung = 'direct' | 'reverse' | 'punch' | 'tcp-punch' | 'splice';

/** Who could help, at this moment. */
export interface Ways {
  /** Somebody passes calls to the peer (tt_relay): it can be asked to dial us. */
  readonly reverse: boolean;
  /** Somebody introduces us to the peer (tt_relay, or BEP 55). */
  readonly punch: boolean;
  /** A relay introduces us, and says as which TCP port it sees us. */
  readonly tcpPunch?: boolean;
  /** A relay passes bytes on. */
  readonly splice: boolean;
}

/** Known endpoints mostly answer within a round trip; then the next rung starts while dialling goes on. */
const DIRECT_BUDGET_MS = 1_000;
/** A call through the relay and a dial back: three to four round trips. */
const REVERSE_BUDGET_MS = 2_000;
/** Three SYNs and their answers, the first 300 ms with a low hop limit. */
const PUNCH_BUDGET_MS = 3_000;
/** Each side learns its port from the relay, two calls, SYNs at 0, 1 and 2 s. */
const TCP_PUNCH_BUDGET_MS = 3_000;
/** Nobody knows whether a hole is possible: bytes shall flow meanwhile, and a hole that comes late still counts. */
const BLIND_PUNCH_BUDGET_MS = 1_500;
/** One side's port cannot be foretold, and nobody knows whether the other's filter minds: mostly it does. */
const MOVING_PUNCH_BUDGET_MS = 700;
/** A gateway that answered an early packet keeps its port occupied for 30 s after the last one: only silence helps. */
export const PUNCH_SILENCE_MS = 35_000;
/** How often a spliced connection is tried to be made a direct one. */
export const UPGRADE_INTERVAL_MS = 60_000;
/** The first time, where a hole must be possible: it was missed, by packets that were lost or a machine that was slow. */
export const UPGRADE_SOON_MS = 5_000;
/** A direct connection that lived so long makes the splice beside it superfluous. */
export const SPLICE_LINGER_MS = 5_000;

export interface LadderOptions {
  readonly own: Reach;
  /** As far as known; `learnPeer` corrects it. */
  readonly peer: Reach;
  readonly ways: Ways;
  readonly nowMs: number;
  /** The peer was told of by somebody who was dialled by it: hole first, since a stray early packet can close the door. */
  readonly isHidden?: boolean;
  /** An upgrade of a spliced connection: everything but another splice. */
  readonly isUpgrade?: boolean;
}

export interface Reached {
  readonly rung: Rung;
  /** From the first step to the stream that won. */
  readonly ms: number;
}

/** The rungs worth trying, in order. */
export function rungsFor(
  options: Pick<LadderOptions, 'own' | 'peer' | 'ways' | 'isHidden' | 'isUpgrade'>,
): Rung[] {
  const { own, peer, ways } = options;
  const holes: Rung[] = [
    ...(ways.punch && canPunch(own, peer) !== 'no' ? (['punch'] as const) : []),
    ...(ways.tcpPunch === true && canPunchTcp(own, peer) !== 'no' ? (['tcp-punch'] as const) : []),
  ];
  const last: Rung[] = ways.splice && options.isUpgrade !== true ? ['splice'] : [];
  if (peer.isOpen === 'yes') return ['direct', ...holes, ...last];
  // It can dial us: that works whatever its NAT does.
  if (own.isOpen === 'yes' && ways.reverse) {
    const straight: Rung[] = peer.isOpen === 'unknown' ? ['direct'] : [];
    const back: Rung[] = options.isHidden === true ? ['reverse', ...straight] : [...straight, 'reverse'];
    return [...back, ...holes, ...last];
  }
  const helped = [...holes, ...last];
  if (peer.isOpen === 'no' && helped.length > 0) return helped;
  if (options.isUpgrade === true) return helped;
  // A stranger's endpoint mostly is what it seems; one we were told to call for is called for first.
  if (options.isHidden === true && holes.length > 0) return [...holes, 'direct', ...last];
  return ['direct', ...helped];
}

/**
 * What the called peer answers: it knows both sides, so it decides.
 * @param tried what the caller has tried in vain
 */
export function answerTo(
  own: Reach,
  caller: Reach,
  ways: { readonly splice: boolean; readonly tcpPunch?: boolean },
  tried: ReadonlySet<Rung>,
): 'reverse' | 'punch' | 'tcp-punch' | 'splice' | 'no' {
  if (caller.isOpen === 'yes' && !tried.has('reverse')) return 'reverse';
  if (canPunch(own, caller) !== 'no' && !tried.has('punch')) return 'punch';
  if (ways.tcpPunch === true && canPunchTcp(own, caller) !== 'no' && !tried.has('tcp-punch'))
    return 'tcp-punch';
  return ways.splice ? 'splice' : 'no';
}

export class Ladder {
  readonly #own: Reach;
  #peer: Reach;
  #ways: Ways;
  /** The other side chose: no other rung comes to it. */
  #isFixed = false;
  /** Of a spliced connection: everything but another splice. */
  readonly isUpgrade: boolean;
  readonly #startedAtMs: number;
  /** Still to come, in order. */
  #waiting: Rung[];
  readonly #running = new Set<Rung>();
  readonly #tried = new Set<Rung>();
  #last: Rung | undefined;
  #nextAtMs: number;
  #reached: Reached | undefined;

  constructor(options: LadderOptions) {
    this.#own = options.own;
    this.#peer = options.peer;
    this.#ways = options.ways;
    this.isUpgrade = options.isUpgrade === true;
    this.#startedAtMs = options.nowMs;
    this.#nextAtMs = options.nowMs;
    this.#waiting = rungsFor(options);
  }

  /** One rung that the other side chose, with all its time. */
  static only(rung: Rung, nowMs: number): Ladder {
    const ways = { reverse: false, punch: false, splice: false };
    const ladder = new Ladder({ own: UNKNOWN_REACH, peer: UNKNOWN_REACH, ways, nowMs });
    ladder.#waiting = [rung];
    ladder.#isFixed = true;
    return ladder;
  }

  get reached(): Reached | undefined {
    return this.#reached;
  }

  /** Nothing runs and nothing is left to try. */
  get isExhausted(): boolean {
    return this.#reached === undefined && this.#running.size === 0 && this.#waiting.length === 0;
  }

  isRunning(rung: Rung): boolean {
    return this.#running.has(rung);
  }

  /** The rung whose other end may come in by itself; undefined when nobody was told of us. */
  get expectsIncoming(): Rung | undefined {
    if (this.#running.has('reverse')) return 'reverse';
    if (this.#running.has('tcp-punch')) return 'tcp-punch';
    return this.#tried.has('punch') ? 'punch' : undefined;
  }

  /** Everything that was started, for whoever is called. */
  get tried(): ReadonlySet<Rung> {
    return this.#tried;
  }

  /** Datagrams of the straight way would not get in unless a hole is open: so there is one. */
  get isThroughHole(): boolean {
    return this.#running.has('punch') || (this.#tried.has('punch') && this.#peer.isOpen === 'no');
  }

  /** A hole was tried in vain: once more after so long a silence, for the sake of gateways that answer strangers. */
  get wantsSilence(): boolean {
    return this.#reached === undefined && this.#tried.has('punch');
  }

  /** @returns a rung to start now; call until there is none */
  next(nowMs: number): Rung | undefined {
    if (this.#reached !== undefined || nowMs < this.#nextAtMs) return undefined;
    const rung = this.#waiting[this.#nextIndex];
    if (rung === undefined) return undefined;
    this.#waiting.splice(this.#nextIndex, 1);
    this.#last = rung;
    this.#running.add(rung);
    this.#tried.add(rung);
    this.#nextAtMs = nowMs + this.#budgetMs(rung);
    return rung;
  }

  /** A straight packet beside a hole would be the early one that closes the door: it waits until there is none, and the others do not. */
  get #nextIndex(): number {
    return this.#waiting[0] === 'direct' && this.#running.has('punch') ? 1 : 0;
  }

  /** When `next` may have a rung; Infinity when nothing is left. */
  nextTimeoutMs(): number {
    return this.#reached !== undefined || this.#waiting[this.#nextIndex] === undefined
      ? Number.POSITIVE_INFINITY
      : this.#nextAtMs;
  }

  /** It will not come any more. */
  handleFailed(rung: Rung, nowMs: number): void {
    this.#running.delete(rung);
    if (rung === this.#last) this.#nextAtMs = nowMs;
  }

  /** Nobody was there to help with it: it waits for `handleWay`. */
  handleMissing(rung: Rung, nowMs: number): void {
    this.handleFailed(rung, nowMs);
    this.#tried.delete(rung);
  }

  /** A relay came to be known. */
  handleWay(rung: 'punch' | 'splice'): void {
    if (this.#isFixed || (rung === 'splice' && this.isUpgrade)) return;
    this.#ways = { ...this.#ways, [rung]: true };
    if (this.#tried.has(rung) || this.#waiting.includes(rung)) return;
    if (rung === 'punch' && canPunch(this.#own, this.#peer) === 'no') return;
    if (rung === 'punch') this.#waiting.unshift(rung);
    else this.#waiting.push(rung);
  }

  /**
   * The called peer chose a rung, perhaps another than we did; it is under way already.
   * @param delayMs so much nearer to the relay we are than the peer: we wait for it, and then it for our packets
   */
  handleAnswer(asked: Rung, chosen: Rung, nowMs: number, delayMs = 0): void {
    if (asked !== chosen) this.#running.delete(asked);
    this.#waiting = this.#waiting.filter((rung) => rung !== chosen);
    // The peer wants to try a hole first; should that lead nowhere, bytes can still be passed on.
    if (asked === 'splice' && chosen !== 'splice') {
      this.#tried.delete('splice');
      this.#waiting.push('splice');
    }
    this.#running.add(chosen);
    this.#tried.add(chosen);
    this.#last = chosen;
    this.#nextAtMs = nowMs + this.#budgetMs(chosen) + 2 * delayMs;
  }

  /** The peer said what it is: what cannot work is not tried, and what waited for it starts at once. */
  learnPeer(peer: Reach, nowMs: number): void {
    this.#peer = peer;
    const wanted = rungsFor({ own: this.#own, peer, ways: this.#ways, isUpgrade: this.isUpgrade });
    this.#waiting = wanted.filter((rung) => !this.#tried.has(rung));
    if (this.#last === 'punch' && canPunch(this.#own, peer) === 'no') this.#nextAtMs = nowMs;
  }

  /** A stream stands. Only the first counts. */
  handleConnected(rung: Rung, nowMs: number): void {
    this.#reached ??= { rung, ms: nowMs - this.#startedAtMs };
  }

  #budgetMs(rung: Rung): number {
    if (rung === 'direct') return DIRECT_BUDGET_MS;
    if (rung === 'reverse') return REVERSE_BUDGET_MS;
    if (rung === 'splice') return Number.POSITIVE_INFINITY;
    if (rung === 'tcp-punch') return TCP_PUNCH_BUDGET_MS;
    if (canPunch(this.#own, this.#peer) === 'yes') return PUNCH_BUDGET_MS;
    const isMoving = this.#own.mapping === 'per-remote' || this.#peer.mapping === 'per-remote';
    return isMoving ? MOVING_PUNCH_BUDGET_MS : BLIND_PUNCH_BUDGET_MS;
  }
}
