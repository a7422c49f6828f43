import { describe, expect, it } from 'vitest';
import { Ladder, type Rung } from '../../../core/nat/ladder.ts';
import { reachOf, UNKNOWN_REACH } from '../../../core/nat/ladder-reach.ts';
import { CallRefused } from '../../../core/session/reach/nat-calls.ts';
import { Climb, type Dialled, firstStream, NO_RELAY } from '../../../core/session/reach/nat-climb.ts';
import type { ByteStream, TransportKind } from '../../../core/transport/byte-stream.ts';

class FakeStream {
  readonly transport: TransportKind;
  isDestroyed = false;
  constructor(transport: TransportKind = 'tcp') {
    this.transport = transport;
  }
  destroy(): void {
    this.isDestroyed = true;
  }
  get stream(): ByteStream {
    return this as unknown as ByteStream;
  }
}

/** Attempts that end when the test says so. */
class Attempts {
  readonly started: Rung[] = [];
  readonly ends = new Map<Rung, { resolve(stream: ByteStream): void; reject(error: Error): void }>();
  readonly signals: AbortSignal[] = [];
  readonly start = (rung: Rung, signal: AbortSignal): Promise<ByteStream> => {
    this.started.push(rung);
    this.signals.push(signal);
    return new Promise((resolve, reject) => this.ends.set(rung, { resolve, reject }));
  };
}

const WAYS = { reverse: true, punch: true, splice: true };
const clock = { nowMs: () => 0 };
const ladderOf = (): Ladder =>
  new Ladder({ own: UNKNOWN_REACH, peer: UNKNOWN_REACH, ways: WAYS, nowMs: 0, isHidden: true });

describe('one attempt', () => {
  it('goes on to the next rung when one fails, and the first stream ends the others', async () => {
    const attempts = new Attempts();
    const climb = new Climb(ladderOf(), clock, attempts.start);
    attempts.ends.get('punch')?.reject(new Error('no'));
    await Promise.resolve();
    await Promise.resolve();
    expect(attempts.started).toEqual(['punch', 'direct']);
    const won = new FakeStream();
    attempts.ends.get('direct')?.resolve(won.stream);
    expect(await climb.result).toMatchObject({ stream: won, rung: 'direct' });
    expect(attempts.signals.every(({ aborted }) => aborted)).toBe(true);
  });

  it('is called by what the other side chose instead of a hole for uTP', async () => {
    const named = async (chosen: Rung): Promise<Rung> => {
      const attempts = new Attempts();
      const climb = new Climb(ladderOf(), clock, attempts.start);
      climb.handleAnswer('punch', chosen, reachOf('tcp-only', 'apdf'));
      attempts.ends.get('punch')?.resolve(new FakeStream('tcp').stream);
      return (await climb.result).rung;
    };
    expect(await named('tcp-punch')).toBe('tcp-punch');
    expect(await named('reverse')).toBe('reverse');
    // Dialled beside the hole: nothing was needed.
    expect(await named('punch')).toBe('direct');
  });

  it('has not lost a rung while another attempt at it goes on: two may have introduced us', async () => {
    const attempts = new Attempts();
    const climb = new Climb(ladderOf(), clock, attempts.start);
    let fail: (error: Error) => void = () => {};
    climb.join('punch', () => new Promise((_resolve, reject) => (fail = reject)));
    attempts.ends.get('punch')?.reject(new Error('refused'));
    await new Promise((resolve) => setImmediate(resolve));
    expect(attempts.started).toEqual(['punch']);
    fail(new Error('no hole'));
    await new Promise((resolve) => setImmediate(resolve));
    expect(attempts.started).toEqual(['punch', 'direct']);
    climb.giveUp(new Error('enough'));
    await expect(climb.result).rejects.toThrow('enough');
  });

  it('drops a stream that comes too late', async () => {
    const attempts = new Attempts();
    const climb = new Climb(Ladder.only('punch', 0), clock, attempts.start);
    climb.giveUp(new Error('it came in'));
    const late = new FakeStream();
    attempts.ends.get('punch')?.resolve(late.stream);
    await expect(climb.result).rejects.toThrow('it came in');
    await Promise.resolve();
    expect(late.isDestroyed).toBe(true);
  });

  it('rejects with what the straight way said when nothing leads there', async () => {
    const attempts = new Attempts();
    const climb = new Climb(ladderOf(), clock, attempts.start);
    const failed = climb.result.catch((error: Error) => error.message);
    for (const rung of ['punch', 'direct', 'splice'] as const) {
      await new Promise((resolve) => setImmediate(resolve));
      attempts.ends.get(rung)?.reject(new Error(`${rung} failed`));
    }
    expect(await failed).toBe('direct failed');
  });

  it('is named after what came, not after what was asked for', async () => {
    const attempts = new Attempts();
    const climb = new Climb(ladderOf(), clock, attempts.start);
    climb.handleAnswer('punch', 'splice', reachOf('apdm', 'apdf'));
    attempts.ends.get('punch')?.resolve(new FakeStream('relayed').stream);
    expect((await climb.result).rung).toBe('splice');
    // The straight attempt's packets got in through the hole.
    const both = new Attempts();
    const straight = new Climb(Ladder.only('direct', 0), clock, both.start);
    straight.join('punch', () => new Promise(() => {}));
    both.ends.get('direct')?.resolve(new FakeStream('utp').stream);
    expect((await straight.result).rung).toBe('punch');
    // Even when ours was given up: the peer is known to be hidden, and its own packets have opened the hole.
    const behind = new Attempts();
    const crossed = new Climb(ladderOf(), clock, behind.start);
    crossed.handleAnswer('punch', 'punch', reachOf('eim', 'apdf'));
    crossed.join('direct', (signal) => behind.start('direct', signal));
    behind.ends.get('punch')?.reject(new Error('no'));
    await new Promise((resolve) => setImmediate(resolve));
    behind.ends.get('direct')?.resolve(new FakeStream('utp').stream);
    expect((await crossed.result).rung).toBe('punch');
    // A neighbour's introduction worked although the relay spoke of a splice.
    const again = new Attempts();
    const punched = new Climb(ladderOf(), clock, again.start);
    punched.handleAnswer('punch', 'splice', reachOf('apdm', 'apdf'));
    again.ends.get('punch')?.resolve(new FakeStream('utp').stream);
    expect((await punched.result).rung).toBe('punch');
  });
});

it('begins a splice again when the relay that was missing is there', async () => {
  const attempts = new Attempts();
  const climb = new Climb(ladderOf(), clock, attempts.start);
  climb.join('splice', (signal) => attempts.start('splice', signal));
  attempts.ends.get('splice')?.reject(new CallRefused(NO_RELAY));
  await new Promise((resolve) => setImmediate(resolve));
  climb.handleWay('splice');
  // At once: the hole goes on, and the straight way waits for that.
  attempts.ends.get('splice')?.resolve(new FakeStream('relayed').stream);
  expect((await climb.result).rung).toBe('splice');
  expect(attempts.started).toEqual(['punch', 'splice', 'splice']);
});

describe('a splice that overtakes a hole', () => {
  /** A splice has won, the call for a hole is still under way. */
  async function overtaken() {
    const attempts = new Attempts();
    const straight: Dialled[] = [];
    const climb = new Climb(ladderOf(), clock, attempts.start, (dialled) => straight.push(dialled));
    // Both are asked for at once: the ladder's times are not what this is about.
    climb.join('splice', (signal) => attempts.start('splice', signal));
    const spliced = new FakeStream('relayed');
    attempts.ends.get('splice')?.resolve(spliced.stream);
    expect(await climb.result).toMatchObject({ stream: spliced, rung: 'splice' });
    return { attempts, climb, straight };
  }

  it('carries bytes while the hole is awaited, which then is taken', async () => {
    const { attempts, climb, straight } = await overtaken();
    expect(attempts.signals.some(({ aborted }) => aborted)).toBe(false);
    const hole = new FakeStream('utp');
    attempts.ends.get('punch')?.resolve(hole.stream);
    await climb.ended;
    expect(straight).toMatchObject([{ stream: hole, rung: 'punch' }]);
    expect(attempts.signals.every(({ aborted }) => aborted)).toBe(true);
  });

  it('starts nothing more, and is all when the hole fails', async () => {
    const { attempts, climb, straight } = await overtaken();
    attempts.ends.get('punch')?.reject(new Error('no'));
    await climb.ended;
    expect(straight).toEqual([]);
    expect(attempts.started).toEqual(['punch', 'splice']);
  });

  it('is all when the other side comes in, and needs no second splice', async () => {
    const { attempts, climb, straight } = await overtaken();
    climb.join('splice', (signal) => attempts.start('splice', signal));
    const second = new FakeStream('relayed');
    attempts.ends.get('splice')?.resolve(second.stream);
    await new Promise((resolve) => setImmediate(resolve));
    expect(second.isDestroyed).toBe(true);
    climb.giveUp(new Error('it came in'));
    await climb.ended;
    const late = new FakeStream('utp');
    attempts.ends.get('punch')?.resolve(late.stream);
    await new Promise((resolve) => setImmediate(resolve));
    expect([late.isDestroyed, straight.length]).toEqual([true, 0]);
  });
});

it('of several streams the first is taken, and nothing fails before all have', async () => {
  const [early, late] = [new FakeStream(), new FakeStream()];
  const failing = Promise.reject(new Error('no'));
  expect(await firstStream([failing, Promise.resolve(early.stream), Promise.resolve(late.stream)])).toBe(
    early,
  );
  await Promise.resolve();
  expect([early.isDestroyed, late.isDestroyed]).toEqual([false, true]);
  await expect(firstStream([Promise.reject(new Error('a')), Promise.reject(new Error('b'))])).rejects.toThrow(
    'b',
  );
});
