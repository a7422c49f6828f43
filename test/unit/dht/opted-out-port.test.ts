// Who is on the opt-out list hears nothing from a node of ours either, whatever that node does; everybody else does.
import { describe, expect, it } from 'vitest';
import type { DatagramPort, SendFailureHandler } from '../../../core/base/datagram-port.ts';
import type { Endpoint } from '../../../core/base/endpoint.ts';
import { withoutOptedOut } from '../../../dht/crawl/io/opted-out-port.ts';
import { OptOut } from '../../../dht/crawl/opt-out.ts';

class FakePort implements DatagramPort {
  readonly families = [4, 6] as const;
  readonly sent: Endpoint[] = [];
  readonly handlers = new Set<SendFailureHandler>();
  port = (): number => 6881;
  addReceiver = (): (() => void) => () => {};
  close = async (): Promise<void> => {};
  send(_bytes: Uint8Array, to: Endpoint): void {
    this.sent.push(to);
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

const DATAGRAM = Uint8Array.of(1);
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('a port without those who opted out', () => {
  it('sends them nothing, and says so after the call', async () => {
    const fake = new FakePort();
    const port = withoutOptedOut(fake, optOut('192.0.2.0/24\n2001:db8::/32\n'));
    const failures: string[] = [];
    const takeOff = port.addFailureHandler(({ host }, code) => failures.push(`${host} ${code}`));
    const hosts = ['192.0.2.7', '198.51.100.1', '2001:db8::1', '2001:db9::1'];
    for (const host of hosts) port.send(DATAGRAM, { host, port: 6881 }, { reportsFailure: true });
    expect(fake.sent.map(({ host }) => host)).toEqual(['198.51.100.1', '2001:db9::1']);
    expect(failures, 'nobody is called from inside of send').toEqual([]);
    await turn();
    expect(failures).toEqual(['192.0.2.7 EPERM', '2001:db8::1 EPERM']);
    expect(fake.handlers.size).toBe(1);
    takeOff();
    expect(fake.handlers.size).toBe(0);
    port.send(DATAGRAM, { host: '192.0.2.7', port: 6881 });
    await turn();
    expect(failures.length).toBe(2);
  });

  it('is the port itself without a list', () => {
    const fake = new FakePort();
    expect(withoutOptedOut(fake, OptOut.none)).toBe(fake);
  });
});
