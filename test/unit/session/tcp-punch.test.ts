// Holes for TCP: the port that a relay sees, the two SYNs, and who speaks first.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { seededRng } from '../../../core/base/clock.ts';
import type { Endpoint } from '../../../core/base/endpoint.ts';
import type { CallResult, Introduction } from '../../../core/relay/client-port.ts';
import { decodeFrame, encodeFrame, encodeMirrorAnswer, seenInMirror } from '../../../core/relay/frame.ts';
import type { Way } from '../../../core/relay/messages.ts';
import { type DialFrom, PunchPorts } from '../../../core/session/reach/punch-ports.ts';
import { agreeOnPorts, punchTcp } from '../../../core/session/reach/tcp-punch.ts';
import type { ByteStream, ByteStreamEvents } from '../../../core/transport/byte-stream.ts';

const RELAY = { host: '44.1.0.1', port: 7000 };
const PEER = { host: '44.3.0.1', port: 5000 };
const SEEN = { host: '44.2.0.1', port: 41_000 };

/** What is waited for needs no time, only turns of the loop: the default of a second says how busy the machine is. */
const HANGS = { timeout: 30_000 };

class FakeStream implements ByteStream {
  readonly transport = 'tcp';
  readonly localPort = 40_123;
  readonly queuedBytes = 0;
  readonly remote: Endpoint;
  events: ByteStreamEvents = { onBytes: () => {}, onDrain: () => {}, onClose: () => {} };
  readonly written: Uint8Array[] = [];
  isDestroyed = false;

  constructor(remote: Endpoint) {
    this.remote = remote;
  }
  write(bytes: Uint8Array): void {
    this.written.push(bytes.slice());
  }
  destroy(): void {
    if (this.isDestroyed) return;
    this.isDestroyed = true;
    this.events.onClose(undefined);
  }
  cork(): void {}
  uncork(): void {}
  pause(): void {}
  resume(): void {}
}

/** What was dialled, and what comes of it. */
class World {
  readonly dials: { to: Endpoint; from: DialFrom }[] = [];
  readonly streams: FakeStream[] = [];
  /** Errors of the next dials, one each; then they work. */
  failures: string[] = [];
  /** While set, dials wait for it. */
  gate: Promise<void> | undefined;
  readonly ports = new PunchPorts({
    rng: seededRng(1),
    nowMs: () => Date.now(),
    dial: async (to, from) => {
      this.dials.push({ to, from });
      await this.gate;
      const code = this.failures.shift();
      if (code !== undefined) throw Object.assign(new Error(code), { code });
      const stream = new FakeStream(to);
      this.streams.push(stream);
      return stream;
    },
  });

  get mirror(): FakeStream {
    return this.streams.find(({ remote }) => remote === RELAY) as FakeStream;
  }

  async prepared(seen: Endpoint = SEEN): Promise<this> {
    const port = this.ports.prepare(RELAY);
    await vi.waitFor(() => expect(this.mirror?.written).toHaveLength(1), HANGS);
    const question = decodeFrame(this.mirror.written[0] as Uint8Array);
    this.mirror.events.onBytes(encodeMirrorAnswer(question?.token as Uint8Array, seen));
    expect(await port).toBe(seen.port);
    return this;
  }
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] });
});
afterEach(() => {
  vi.useRealTimers();
});

const never = new AbortController().signal;

describe('a frame for the mirror', () => {
  it.each([SEEN, { host: '2001:db8::7', port: 9 }])('carries $host', (seen) => {
    const frame = decodeFrame(encodeMirrorAnswer(new Uint8Array(16).fill(3), seen));
    expect(frame?.token).toEqual(new Uint8Array(16).fill(3));
    expect(frame && seenInMirror(frame)).toEqual(seen);
  });

  it('says nothing where it says nonsense', () => {
    for (const length of [0, 1, 5, 7, 19, 255]) {
      const sender = new Uint8Array(20).fill(1);
      sender[0] = length;
      const frame = decodeFrame(encodeFrame('mirror', new Uint8Array(16), sender));
      expect(frame && seenInMirror(frame)).toBeUndefined();
    }
    const splice = decodeFrame(encodeFrame('splice', new Uint8Array(16), new Uint8Array(20).fill(6)));
    expect(splice && seenInMirror(splice)).toBeUndefined();
  });
});

describe('a port to punch from', () => {
  it('is one of its own, asked of the relay once, and dialled from while the relay holds the mapping open', async () => {
    const world = await new World().prepared();
    expect(world.dials).toMatchObject([{ to: RELAY, from: { localPort: undefined } }]);
    expect(await world.ports.prepare(RELAY)).toBe(SEEN.port);
    expect(world.ports.seen(RELAY)).toEqual(SEEN);
    await world.ports.punch(RELAY, PEER, never);
    expect(world.dials.slice(1)).toMatchObject([{ to: PEER, from: { localPort: 40_123 } }]);
    expect(world.mirror.isDestroyed).toBe(false);
  });

  it('is given back when nobody has used it for a while', async () => {
    const world = await new World().prepared();
    vi.advanceTimersByTime(15_000);
    await world.ports.prepare(RELAY);
    vi.advanceTimersByTime(15_000);
    expect(world.ports.seenPort(RELAY)).toBe(SEEN.port);
    vi.advanceTimersByTime(5_001);
    expect(world.mirror.isDestroyed).toBe(true);
    expect(world.ports.seenPort(RELAY)).toBe(0);
    await expect(world.ports.punch(RELAY, PEER, never)).rejects.toThrow('no port');
  });

  it('is none where the relay answers another question, or hangs up, or says nothing', async () => {
    for (const answer of ['other token', 'end', 'silence'] as const) {
      const world = new World();
      const port = world.ports.prepare(RELAY);
      const failed = expect(port).rejects.toThrow('does not say');
      await vi.waitFor(() => expect(world.mirror?.written).toHaveLength(1), HANGS);
      if (answer === 'other token')
        world.mirror.events.onBytes(encodeMirrorAnswer(new Uint8Array(16).fill(9), SEEN));
      else if (answer === 'end') world.mirror.destroy();
      else vi.advanceTimersByTime(4_001);
      await failed;
      expect(world.mirror.isDestroyed).toBe(true);
      expect(world.ports.seenPort(RELAY)).toBe(0);
    }
  });
});

describe('a hole for TCP', () => {
  it('costs a stranger three SYNs: one attempt of 2.9 s, or one that was refused and one of 1.9 s', async () => {
    const quiet = await new World().prepared();
    quiet.failures = ['ETIMEDOUT'];
    await expect(quiet.ports.punch(RELAY, PEER, never)).rejects.toThrow('ETIMEDOUT');
    expect(quiet.dials.slice(1).map(({ from }) => from.timeoutMs)).toEqual([2_900]);

    const refused = await new World().prepared();
    refused.failures = ['ECONNREFUSED', 'ECONNREFUSED'];
    const punching = expect(refused.ports.punch(RELAY, PEER, never)).rejects.toThrow('ECONNREFUSED');
    await vi.advanceTimersByTimeAsync(100);
    await punching;
    expect(refused.dials.slice(1).map(({ from }) => from.timeoutMs)).toEqual([2_900, 1_900]);

    // Refused late: two SYNs are out already.
    const late = await new World().prepared();
    late.failures = ['ECONNREFUSED'];
    let open = (): void => {};
    late.gate = new Promise((resolve) => {
      open = resolve;
    });
    const waiting = expect(late.ports.punch(RELAY, PEER, never)).rejects.toThrow('ECONNREFUSED');
    vi.advanceTimersByTime(1_000);
    open();
    await waiting;
    expect(late.dials).toHaveLength(2);
  });

  it('is punched once where both sides have called each other', async () => {
    const world = await new World().prepared();
    const first = world.ports.punch(RELAY, PEER, never);
    await expect(world.ports.punch(RELAY, PEER, never)).rejects.toThrow('already');
    await first;
  });

  it('has one side that speaks first, whoever called', async () => {
    for (const [own, peer] of [
      [SEEN, PEER],
      [PEER, SEEN],
    ] as const) {
      const roles: string[] = [];
      for (const [me, other] of [
        [own, peer],
        [peer, own],
      ] as const) {
        const { ports } = await new World().prepared(me);
        const given = new AbortController();
        const punching = punchTcp({ ports, accept: () => roles.push('listens') }, RELAY, other, given.signal);
        punching.then(
          () => roles.push('speaks'),
          () => {},
        );
        const soFar = roles.length;
        await vi.waitFor(() => expect(roles.length).toBe(soFar + 1), HANGS);
        given.abort();
      }
      expect(roles.sort()).toEqual(['listens', 'speaks']);
    }
  });
});

describe('two sides that agree on their ports', () => {
  const introduction = (way: Way, target: Endpoint | undefined): Introduction => ({
    nonce: new Uint8Array(16),
    infoHash: new Uint8Array(20),
    role: 'caller',
    way,
    peer: {
      state: 'eim',
      filter: 'apdf',
      tcpPort: 0,
      udpPort: 0,
      host: PEER.host,
      sourcePort: 1,
      isUtp: false,
      key: undefined,
    },
    relay: RELAY,
    target,
    delayMs: 0,
  });
  const agree = async (world: World, first: Introduction, said: number, answers: Introduction[]) => {
    let calls = 0;
    const again = (): Promise<CallResult> => {
      calls++;
      return Promise.resolve({ kind: 'go', introduction: answers.shift() as Introduction });
    };
    const agreed = await agreeOnPorts(world.ports, first, said, again, never).catch((error: Error) => error);
    return { agreed, calls };
  };

  it('call again until the caller has told its port and the called its own', async () => {
    vi.useRealTimers();
    const both = introduction('tcp-punch', PEER);
    const none = introduction('tcp-punch', undefined);
    const world = await new World().prepared();
    expect(await agree(world, both, SEEN.port, [])).toEqual({ agreed: both, calls: 0 });
    // The called knew its port, but not ours.
    expect(await agree(world, both, 0, [both])).toEqual({ agreed: both, calls: 1 });
    expect(await agree(world, none, 0, [none, both])).toEqual({ agreed: both, calls: 2 });
    const never = await agree(world, none, 0, [none, none, none]);
    expect([String(never.agreed), never.calls]).toEqual(['Error: one side has no port to punch from', 3]);
    // The called has thought better of it.
    const splice = introduction('splice', undefined);
    expect(await agree(world, none, 0, [splice])).toEqual({ agreed: splice, calls: 1 });
  });
});
