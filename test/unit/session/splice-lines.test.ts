// Connections to relays that wait for the ticket of a splice.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Endpoint } from '../../../core/base/endpoint.ts';
import { SpliceLines } from '../../../core/session/reach/splice-lines.ts';
import type { ByteStream, ByteStreamEvents } from '../../../core/transport/byte-stream.ts';

const RELAY = { host: '44.9.9.9', port: 7000 };
const OTHER = { host: '44.9.9.8', port: 7000 };
const HOLD_MS = 6_000;

interface FakeStream {
  events: ByteStreamEvents;
  isClosed: boolean;
  destroy(): void;
}

function fakeStream(): FakeStream & ByteStream {
  const stream: FakeStream = {
    events: { onBytes: () => {}, onDrain: () => {}, onClose: () => {} },
    isClosed: false,
    destroy() {
      if (stream.isClosed) return;
      stream.isClosed = true;
      stream.events.onClose(undefined);
    },
  };
  return stream as FakeStream & ByteStream;
}

/** Dials end when the test says so. */
function scene() {
  const dials: { to: Endpoint; open: () => FakeStream; fail: () => void }[] = [];
  const lines = new SpliceLines(
    (to) =>
      new Promise<ByteStream>((resolve, reject) => {
        const stream = fakeStream();
        const open = (): FakeStream => {
          resolve(stream);
          return stream;
        };
        dials.push({ to, open, fail: () => reject(new Error('refused')) });
      }),
  );
  return { dials, lines };
}

const turn = async (): Promise<void> => {
  for (let i = 0; i < 10; i++) await Promise.resolve();
};

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe('a connection that waits for its ticket', () => {
  it('is the one that a ticket of its relay gets, once; another relay is dialled', async () => {
    const { dials, lines } = scene();
    lines.prepare(RELAY);
    const prepared = dials[0]?.open();
    await turn();
    const other = lines.take(OTHER);
    expect(dials.map(({ to }) => to)).toEqual([RELAY, OTHER]);
    expect(await lines.take(RELAY)).toBe(prepared);
    void lines.take(RELAY);
    expect(dials.map(({ to }) => to)).toEqual([RELAY, OTHER, RELAY]);
    const dialled = dials[1]?.open();
    expect(await other).toBe(dialled);
    vi.advanceTimersByTime(HOLD_MS);
    lines.close();
    expect(prepared?.isClosed).toBe(false);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('is waited for while it is being dialled; when that fails, or it has ended, a new one is', async () => {
    const { dials, lines } = scene();
    lines.prepare(RELAY);
    const early = lines.take(RELAY);
    const stream = dials[0]?.open();
    expect(await early).toBe(stream);

    lines.prepare(RELAY);
    const refused = lines.take(RELAY);
    dials[1]?.fail();
    await turn();
    const again = dials[2]?.open();
    expect(await refused).toBe(again);

    lines.prepare(RELAY);
    const ended = dials[3]?.open();
    await turn();
    ended?.destroy();
    void lines.take(RELAY);
    expect(dials).toHaveLength(5);
  });

  it('ends when no ticket comes, when no splice came of it, when the relay speaks first, and with the torrent', async () => {
    const { dials, lines } = scene();
    const prepare = async (): Promise<FakeStream | undefined> => {
      lines.prepare(RELAY);
      const stream = dials.at(-1)?.open();
      await turn();
      return stream;
    };
    const late = await prepare();
    vi.advanceTimersByTime(HOLD_MS - 1);
    expect(late?.isClosed).toBe(false);
    vi.advanceTimersByTime(1);
    const unwanted = await prepare();
    lines.release(OTHER);
    expect(unwanted?.isClosed).toBe(false);
    lines.release(RELAY);
    const talking = await prepare();
    talking?.events.onBytes(new Uint8Array(1));
    const last = await prepare();
    // Still being dialled.
    lines.prepare(RELAY);
    lines.close();
    const tooLate = dials.at(-1)?.open();
    await turn();
    expect([late, unwanted, talking, last, tooLate].map((stream) => stream?.isClosed)).toEqual(
      Array(5).fill(true),
    );
    lines.prepare(RELAY);
    expect(dials).toHaveLength(5);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('is one of four at the most, however many call', () => {
    const { dials, lines } = scene();
    for (let i = 0; i < 100; i++) lines.prepare(RELAY);
    expect(dials).toHaveLength(4);
    lines.close();
  });
});
