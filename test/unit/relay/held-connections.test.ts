// Connections that a relay keeps after their one question: how many, of whom, for how long.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { HeldConnections } from '../../../core/relay/io/held-connections.ts';
import type { ByteStream, ByteStreamEvents } from '../../../core/transport/byte-stream.ts';

const HOLD_MS = 1_000;

class StillStream implements ByteStream {
  readonly transport = 'tcp';
  readonly remote: { host: string; port: number };
  readonly localPort = 1;
  readonly queuedBytes = 0;
  isClosed = false;
  events: ByteStreamEvents = { onBytes: () => {}, onDrain: () => {}, onClose: () => {} };

  constructor(host: string) {
    this.remote = { host, port: 1234 };
  }
  write(): void {}
  cork(): void {}
  uncork(): void {}
  pause(): void {}
  resume(): void {}
  destroy(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.events.onClose(undefined);
  }
}

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const held = (): HeldConnections => new HeldConnections({ holdMs: HOLD_MS, connections: 3, perHost: 2 });

describe('held connections', () => {
  it('are so many of one host and so many in all; a place is free again when its connection has ended', () => {
    const desk = held();
    const [a, b, c] = ['192.0.2.1', '192.0.2.1', '192.0.2.1'].map((host) => new StillStream(host)) as [
      StillStream,
      StillStream,
      StillStream,
    ];
    expect([a, b, c].map((stream) => desk.hold(stream))).toEqual([true, true, false]);
    expect([a, b, c].map(({ isClosed }) => isClosed)).toEqual([false, false, true]);
    a.destroy();
    expect(desk.hold(new StillStream('192.0.2.1'))).toBe(true);
    expect(desk.hold(new StillStream('192.0.2.2'))).toBe(true);
    const late = new StillStream('192.0.2.3');
    expect(desk.hold(late)).toBe(false);
    expect(late.isClosed).toBe(true);
  });

  it('count a /64 as one host', () => {
    const desk = held();
    const hosts = ['2001:db8::1', '2001:db8::2', '2001:db8::3', '2001:db8:0:1::1'];
    expect(hosts.map((host) => desk.hold(new StillStream(host)))).toEqual([true, true, false, true]);
  });

  it('end with their time, with another word, and with the relay, and tell it once', () => {
    const desk = held();
    const ends: string[] = [];
    const open = (name: string, host: string): StillStream => {
      const stream = new StillStream(host);
      expect(desk.hold(stream, () => ends.push(name))).toBe(true);
      return stream;
    };
    const timed = open('time', '192.0.2.1');
    vi.advanceTimersByTime(HOLD_MS - 1);
    expect(desk.has(timed)).toBe(true);
    vi.advanceTimersByTime(1);
    expect(desk.has(timed)).toBe(false);
    const spoken = open('word', '192.0.2.2');
    spoken.events.onBytes(new Uint8Array(1));
    const last = open('relay', '192.0.2.3');
    desk.close();
    expect([timed, spoken, last].every(({ isClosed }) => isClosed)).toBe(true);
    // What was on its way already.
    last.events.onClose(undefined);
    expect(ends).toEqual(['time', 'word', 'relay']);
    expect(vi.getTimerCount()).toBe(0);
  });
});
