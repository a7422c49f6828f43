// Who is on the opt-out list hears nothing from a node of ours either, whatever that node does, and it is no faster than the crawl.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { DatagramPort, SendFailureHandler } from '../../../core/base/datagram-port.ts';
import type { Endpoint } from '../../../core/base/endpoint.ts';
import { PolitePort } from '../../../dht/crawl/io/polite-port.ts';
import { OptOut } from '../../../dht/crawl/opt-out.ts';

class FakePort implements DatagramPort {
  readonly families = [4, 6] as const;
  readonly sent: { readonly byte: number | undefined; readonly host: string }[] = [];
  readonly handlers = new Set<SendFailureHandler>();
  isClosed = false;
  port = (): number => 6881;
  addReceiver = (): (() => void) => () => {};
  close = async (): Promise<void> => {
    this.isClosed = true;
  };
  send(bytes: Uint8Array, { host }: Endpoint): void {
    this.sent.push({ byte: bytes[0], host });
  }
  addFailureHandler(handler: SendFailureHandler): () => void {
    this.handlers.add(handler);
    return () => this.handlers.delete(handler);
  }
}

function optOut(text: string): OptOut {
  const parsed = OptOut.parse(text);
  if (!parsed.ok) throw new Error(parsed.reason.what);
  return parsed.value;
}

const FAST = { perSecond: 1e6, burst: 1e6 };
const HOST = '198.51.100.1';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});
const now = (): number => performance.now();

describe('a polite port', () => {
  it('sends nothing to those who opted out, and says so after the call', () => {
    const fake = new FakePort();
    const port = new PolitePort(fake, optOut('192.0.2.0/24\n2001:db8::/32\n'), FAST, now);
    const failures: string[] = [];
    const takeOff = port.addFailureHandler(({ host }, code) => failures.push(`${host} ${code}`));
    const hosts = ['192.0.2.7', HOST, '2001:db8::1', '2001:db9::1'];
    for (const host of hosts) port.send(Uint8Array.of(1), { host, port: 6881 }, { reportsFailure: true });
    expect(fake.sent.map(({ host }) => host)).toEqual([HOST, '2001:db9::1']);
    expect(failures, 'nobody is called from inside of send').toEqual([]);
    vi.runAllTimers();
    expect(failures).toEqual(['192.0.2.7 EPERM', '2001:db8::1 EPERM']);
    expect(fake.handlers.size).toBe(1);
    takeOff();
    expect(fake.handlers.size).toBe(0);
    port.send(Uint8Array.of(1), { host: '192.0.2.7', port: 6881 });
    vi.runAllTimers();
    expect(failures.length).toBe(2);
  });

  it('keeps the rate, the order, and its own copy of what waits', () => {
    const fake = new FakePort();
    const port = new PolitePort(fake, OptOut.none, { perSecond: 10, burst: 2 }, now);
    const buffer = new Uint8Array(1);
    for (let i = 0; i < 12; i++) {
      buffer[0] = i;
      port.send(buffer, { host: HOST, port: 6881 });
    }
    expect(fake.sent.length).toBe(2);
    vi.advanceTimersByTime(500);
    expect(fake.sent.length).toBe(7);
    vi.advanceTimersByTime(10_000);
    expect(fake.sent.map(({ byte }) => byte)).toEqual(Array.from({ length: 12 }, (_, i) => i));
  });

  it('refuses what would wait for ever, and forgets what waits when it is closed', async () => {
    const fake = new FakePort();
    const port = new PolitePort(fake, OptOut.none, { perSecond: 1, burst: 1 }, now);
    let refused = 0;
    port.addFailureHandler(() => refused++);
    for (let i = 0; i < 2_000; i++) port.send(Uint8Array.of(1), { host: HOST, port: 6881 });
    vi.advanceTimersByTime(1);
    expect(refused).toBe(2_000 - 1 - 1_024);
    await port.close();
    vi.advanceTimersByTime(60_000);
    expect([fake.sent.length, fake.isClosed]).toEqual([1, true]);
  });
});
