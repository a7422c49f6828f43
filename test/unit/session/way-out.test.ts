// Which way a session takes to a peer, and what it remembers of it.
import { describe, expect, it } from 'vitest';
import type { Endpoint } from '../../../core/base/endpoint.ts';
import { DIAL_TIMEOUT_MS, UTP_TRY_MS } from '../../../core/session/peer-limits.ts';
import { WayOut, type WayOutOptions } from '../../../core/session/reach/way-out.ts';
import type { ByteStream } from '../../../core/transport/byte-stream.ts';
import type { UtpConnectOptions, UtpStack } from '../../../core/transport/utp-api.ts';
import { freePort } from '../../support/ports.ts';

function fakeUtp(families: readonly (4 | 6)[] = [4, 6]) {
  const calls: { endpoint: Endpoint; options: UtpConnectOptions }[] = [];
  const stack: UtpStack = {
    port: (family) => (families.includes(family) ? 6881 : 0),
    connect: async (endpoint, options) => {
      calls.push({ endpoint, options });
      return { transport: 'utp', remote: endpoint, destroy: () => {} } as unknown as ByteStream;
    },
    listen: () => {},
    close: async () => {},
  };
  return { stack, calls };
}

function wayOut(utp: UtpStack | undefined, options: Partial<WayOutOptions> = {}): WayOut {
  return new WayOut({ utp: () => utp, onProxyFault: () => {}, ...options });
}

/** Nobody listens there for TCP. */
async function refusing(): Promise<Endpoint> {
  return { host: '127.0.0.1', port: await freePort('127.0.0.1') };
}

describe('the way out', () => {
  it('tries TCP first, then uTP, and the next time what worked', async () => {
    const { stack, calls } = fakeUtp();
    const out = wayOut(stack);
    const peer = await refusing();
    const first = out.connect(peer);
    expect(calls.length).toBe(0);
    expect((await first).transport).toBe('utp');
    const second = out.connect(peer);
    expect(calls.length).toBe(2);
    await second;
    // Of somebody else nothing is known.
    const other = out.connect(await refusing());
    expect(calls.length).toBe(2);
    await other;
    out.close();
  });

  it('waits longer for those of whom PEX says that they speak uTP', async () => {
    const { stack, calls } = fakeUtp();
    const out = wayOut(stack);
    const [stranger, told] = [await refusing(), await refusing()];
    out.noteUtp(told);
    await out.connect(stranger);
    await out.connect(told);
    expect(calls.map(({ options }) => options.timeoutMs)).toEqual([UTP_TRY_MS, DIAL_TIMEOUT_MS]);
    out.close();
  });

  it('takes uTP alone without TCP, TCP alone without uTP of the family, and says so when nothing is left', async () => {
    const { stack, calls } = fakeUtp([4]);
    const alone = wayOut(stack, { tcp: false });
    const peer = await refusing();
    expect((await alone.connect(peer)).transport).toBe('utp');
    await expect(alone.connect({ host: '::1', port: peer.port })).rejects.toMatchObject({ slug: 'network' });
    await expect(wayOut(undefined).connect(peer)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    expect(calls.length).toBe(1);
  });

  it('never takes uTP beside a proxy', async () => {
    const { stack, calls } = fakeUtp();
    const peer = await refusing();
    const proxy = `socks5://127.0.0.1:${peer.port}`;
    await expect(wayOut(stack, { proxy }).connect(peer)).rejects.toMatchObject({ slug: 'network' });
    await expect(wayOut(stack, { proxy, tcp: false }).connect(peer)).rejects.toMatchObject({
      slug: 'network',
    });
    expect(calls).toEqual([]);
  });
});
