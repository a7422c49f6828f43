// One peer tries to reach another in virtual time, with the ladder of the real client: calls go through a relay, SYNs through
// two NATs, and the first stream wins.

import { EventQueue } from '../../base/event-queue.ts';
import { answerTo, Ladder, type Reached, type Rung } from '../ladder.ts';
import { canPunch, type Reach, UNKNOWN_REACH } from '../ladder-reach.ts';
import { type NatModel, NatState } from './nat-model.ts';

export interface AttemptWorld {
  /** One way, in ms, between caller, target and relay. */
  readonly latencyMs: { readonly direct: number; readonly callerRelay: number; readonly targetRelay: number };
  /** What the two know about themselves; default what is true. */
  readonly knowsItself?: boolean;
  /** Rungs that this world's client has. */
  readonly rungs: ReadonlySet<Rung>;
  /** Somebody passes calls on between the two. */
  readonly hasRelay: boolean;
  /** Somebody passes bytes on. */
  readonly hasSplice: boolean;
}

const CALLER = 1;
const TARGET = 2;
const RELAY = 3;
const RELAY_PORT = 6881;
/** Resends of uTP and of TCP SYNs alike. */
const SYN_TIMES_MS = [0, 1_000, 3_000];
/** The first packet of a hole dies before it reaches the other gateway. */
const PUNCH_TIMES_MS = [300, 1_000, 3_000];
const GIVE_UP_MS = 6_000;
const LIMIT_MS = 30_000;

interface Side {
  readonly host: number;
  readonly nat: NatState;
  readonly reach: Reach;
  /** Where the relay sees it; what the other one is told. */
  readonly seenPort: number;
}

/** @returns the rung that won, or undefined when none did */
export function attempt(caller: NatModel, target: NatModel, world: AttemptWorld): Reached | undefined {
  return new Attempt(caller, target, world).run();
}

class Attempt {
  readonly #queue = new EventQueue();
  readonly #world: AttemptWorld;
  readonly #caller: Side;
  readonly #target: Side;
  readonly #ladder: Ladder;
  /** Remembered by the target for the next call of the same caller. */
  readonly #triedByTarget = new Set<Rung>();

  constructor(caller: NatModel, target: NatModel, world: AttemptWorld) {
    this.#world = world;
    const side = (host: number, model: NatModel): Side => {
      const nat = new NatState(model);
      const reach = world.knowsItself === false ? UNKNOWN_REACH : model.reach;
      return { host, nat, reach, seenPort: nat.outbound(RELAY, RELAY_PORT) };
    };
    this.#caller = side(CALLER, caller);
    this.#target = side(TARGET, target);
    const { rungs, hasRelay, hasSplice } = world;
    this.#ladder = new Ladder({
      own: this.#caller.reach,
      peer: UNKNOWN_REACH,
      ways: {
        reverse: hasRelay && rungs.has('reverse'),
        punch: hasRelay && rungs.has('punch'),
        splice: hasSplice && rungs.has('splice'),
      },
      nowMs: 0,
      isHidden: hasRelay && target.filtering !== 'open',
    });
  }

  run(): Reached | undefined {
    this.#step();
    while (this.#ladder.reached === undefined && this.#queue.step(LIMIT_MS));
    return this.#ladder.reached;
  }

  #step(): void {
    const nowMs = this.#queue.nowMs;
    for (let rung = this.#ladder.next(nowMs); rung !== undefined; rung = this.#ladder.next(nowMs)) {
      if (rung === 'direct') this.#dial(this.#caller, this.#target, SYN_TIMES_MS, 'direct');
      else this.#call(rung);
    }
    const dueMs = this.#ladder.nextTimeoutMs();
    if (dueMs !== Number.POSITIVE_INFINITY) this.#queue.at(dueMs, () => this.#step());
  }

  /** Through the relay to the target, which decides, and back to both. */
  #call(asked: Rung): void {
    const { callerRelay, targetRelay } = this.#world.latencyMs;
    const { rungs, hasSplice } = this.#world;
    this.#queue.after(callerRelay + targetRelay, () => {
      const offers = { splice: hasSplice && rungs.has('splice') };
      const answer = answerTo(this.#target.reach, this.#caller.reach, offers, this.#triedByTarget);
      const way = answer === 'no' || !rungs.has(answer) ? undefined : answer;
      if (way !== undefined) this.#triedByTarget.add(way);
      this.#queue.after(targetRelay, () => {
        this.#queue.after(callerRelay, () => this.#goCaller(asked, way));
        if (way !== undefined) this.#queue.after(targetRelay, () => this.#goTarget(way));
      });
    });
  }

  #goCaller(asked: Rung, way: Rung | undefined): void {
    const { nowMs } = this.#queue;
    this.#ladder.learnPeer(this.#target.reach, nowMs);
    if (way === undefined) this.#ladder.handleFailed(asked, nowMs);
    else {
      this.#ladder.handleAnswer(asked, way, nowMs);
      if (way === 'punch') this.#dial(this.#caller, this.#target, PUNCH_TIMES_MS, 'punch');
      // A connection of its own to the relay, and the target's beside it.
      if (way === 'splice') {
        const { callerRelay, targetRelay } = this.#world.latencyMs;
        this.#queue.after(3 * Math.max(callerRelay, targetRelay), () => this.#win('splice'));
      }
    }
    this.#step();
  }

  #goTarget(way: Rung): void {
    if (way === 'punch') this.#dial(this.#target, this.#caller, PUNCH_TIMES_MS, 'punch');
    if (way === 'reverse') this.#dial(this.#target, this.#caller, SYN_TIMES_MS, 'reverse');
  }

  #dial(from: Side, to: Side, timesMs: readonly number[], rung: Rung): void {
    if (rung === 'punch') from.nat.outbound(to.host, to.seenPort);
    const needsUdp = rung === 'punch';
    if (needsUdp && !(from.nat.model.passesUdp && to.nat.model.passesUdp)) return;
    const { direct } = this.#world.latencyMs;
    for (const waitMs of timesMs) {
      this.#queue.after(waitMs, () => {
        const source = from.nat.outbound(to.host, to.seenPort);
        this.#queue.after(direct, () => {
          if (!to.nat.admits(to.seenPort, from.host, source)) return;
          to.nat.outbound(from.host, source);
          this.#queue.after(direct, () => this.#win(rung));
        });
      });
    }
    this.#queue.after(GIVE_UP_MS, () => {
      if (from !== this.#caller) return;
      this.#ladder.handleFailed(rung, this.#queue.nowMs);
      this.#step();
    });
  }

  #win(rung: Rung): void {
    this.#ladder.handleConnected(rung, this.#queue.nowMs);
  }
}

/** For tests: what the matrix says of a pair, without any packet. */
export function expectedRung(caller: NatModel, target: NatModel): Rung {
  if (target.reach.isOpen === 'yes') return 'direct';
  if (caller.reach.isOpen === 'yes') return 'reverse';
  return canPunch(caller.reach, target.reach) === 'no' ? 'splice' : 'punch';
}
