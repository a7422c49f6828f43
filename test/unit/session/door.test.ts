import { describe, expect, it } from 'vitest';
import { Door, IN_VAIN, OFFENCE, type Visitor } from '../../../core/session/door.ts';

const HOST = '203.0.113.7';

class World {
  readonly told: [string, number][] = [];
  readonly door = new Door({ onSlow: (source, turnedAway) => this.told.push([source, turnedAway]) });
  nowMs = 0;
  admitted: string[] = [];
  refused: string[] = [];

  knock(name: string, host = HOST): void {
    const visitor: Visitor = {
      admit: () => void this.admitted.push(name),
      refuse: () => void this.refused.push(name),
    };
    this.door.knock(host, visitor, this.nowMs);
  }
  /** Timers fire as a shell would let them. */
  turn(ms: number): void {
    const endMs = this.nowMs + ms;
    for (let dueMs = this.door.nextTimeoutMs(); dueMs <= endMs; dueMs = this.door.nextTimeoutMs()) {
      this.nowMs = Math.max(this.nowMs + 0.01, dueMs);
      this.door.handleTimeout(this.nowMs);
    }
    this.nowMs = endMs;
  }
  offend(times: number, host = HOST, weight = OFFENCE): void {
    for (let i = 0; i < times; i++) this.door.handleEnd(host, weight, this.nowMs);
  }
  /** Uses up what may come at once. */
  exhaust(): void {
    for (let i = 0; i < 4; i++) this.knock('burst');
    this.admitted = [];
  }
}

describe('the door', () => {
  it('lets everybody in who did nothing, as often as they come', () => {
    const world = new World();
    for (let i = 0; i < 5_000; i++) world.knock('x');
    world.offend(15);
    for (let i = 0; i < 5_000; i++) world.knock('x');
    expect(world.admitted).toHaveLength(10_000);
    expect(world.told).toEqual([]);
  });

  it('takes in an offender ever more slowly, and never less than eight a second', () => {
    const world = new World();
    const rates: number[] = [];
    for (let second = 0; second < 12; second++) {
      const before = world.admitted.length;
      for (let i = 0; i < 800; i++) {
        const had = world.admitted.length;
        world.knock('x');
        world.turn(1.25);
        // Each that got in breaks the protocol.
        world.offend(world.admitted.length - had);
      }
      rates.push(world.admitted.length - before);
    }
    expect(rates[0]).toBeLessThan(80);
    for (const rate of rates.slice(1)) expect(rate).toBeLessThanOrEqual(13);
    expect(rates.at(-1)).toBeGreaterThanOrEqual(8);
    expect(world.refused.length).toBeGreaterThan(9_000);
    expect(world.door.waitingCount).toBeLessThanOrEqual(16);
    expect(world.told).toHaveLength(1);
  });

  it('serves who waits in turn, within two seconds: eight who come back at once hold nobody up', () => {
    const world = new World();
    world.offend(64);
    world.exhaust();
    for (let i = 0; i < 8; i++) world.knock(`bad ${i}`);
    world.knock('good');
    world.turn(2_000);
    expect(world.admitted).toContain('good');
    expect(world.refused).toEqual([]);
  });

  it('when the queue is full who came first goes, so that a crowd that stays away holds nobody up', () => {
    const world = new World();
    world.offend(64);
    world.exhaust();
    for (let i = 0; i < 40; i++) world.knock(`bad ${i}`);
    world.knock('good');
    world.turn(999);
    expect(world.refused).toEqual([]);
    world.turn(1_100);
    expect(world.refused).toHaveLength(25);
    expect(world.admitted.at(-1)).toBe('good');
  });

  it('forgets: half a minute halves it', () => {
    const world = new World();
    world.offend(64);
    world.turn(60_000);
    expect(world.door.mayEnter(HOST, world.nowMs)).toBe(true);
    world.turn(1_000);
    world.exhaust();
    for (let i = 0; i < 100; i++) world.knock('x');
    expect(world.admitted).toHaveLength(100);
  });

  it('who is refused learns of it a second later, while few are: forty who come again at once are slow', () => {
    const world = new World();
    world.offend(64);
    let attempts = 0;
    const come = (): void => {
      attempts++;
      const again = (): void => come();
      world.door.knock(HOST, { admit: () => world.offend(1), refuse: again }, world.nowMs);
    };
    for (let i = 0; i < 40; i++) come();
    world.turn(10_000);
    expect(attempts).toBeLessThan(40 + 10 * 40);
  });

  it('counts what came to nothing less, and a /64 of IPv6 as one', () => {
    const world = new World();
    world.offend(63, HOST, IN_VAIN);
    for (let i = 0; i < 50; i++) world.knock('x');
    expect(world.admitted).toHaveLength(50);
    for (let i = 0; i < 64; i++) world.offend(1, `2001:db8::${i.toString(16)}:1`);
    for (let i = 0; i < 50; i++) world.knock('six', `2001:db8::5:${i}`);
    expect(world.admitted.filter((name) => name === 'six').length).toBeLessThan(5);
    world.knock('neighbour', '2001:db8:0:1::1');
    expect(world.admitted).toContain('neighbour');
  });

  it('uTP is asked to come again instead of waiting', () => {
    const world = new World();
    world.offend(64);
    const taken = Array.from({ length: 100 }, () => world.door.mayEnter(HOST, world.nowMs)).filter(Boolean);
    expect(taken).toHaveLength(4);
    world.nowMs += 1_000;
    expect(world.door.mayEnter(HOST, world.nowMs)).toBe(true);
  });

  it('keeps few sources and few who wait, and refuses those at the end', () => {
    const world = new World();
    for (let i = 0; i < 3_000; i++) world.offend(64, `10.0.${i >>> 8}.${i & 255}`);
    for (let i = 2_000; i < 3_000; i++) {
      for (let k = 0; k < 20; k++) world.knock('x', `10.0.${i >>> 8}.${i & 255}`);
    }
    expect(world.door.waitingCount).toBeLessThanOrEqual(128);
    world.door.close();
    expect(world.admitted.length + world.refused.length).toBe(20_000);
  });
});
