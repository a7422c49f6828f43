// Row 15 of the NAT matrix: what a splice may carry, on real sockets. And what the relay's port does with what is none of its business.
import { describe, expect, it } from 'vitest';
import type { SpliceOrder } from '../../../core/relay/client-port.ts';
import { encodeFrame } from '../../../core/relay/frame.ts';
import { RelayIdentity } from '../../../core/relay/identity.ts';
import { ClientShell } from '../../../core/relay/io/client-shell.ts';
import type { RelayLimits } from '../../../core/relay/limits.ts';
import { systemClock, systemRng } from '../../../core/session/system.ts';
import type { ByteStream } from '../../../core/transport/byte-stream.ts';
import { dialTcp } from '../../../core/transport/tcp.ts';
import { RelayRig } from '../../support/relay-rig.ts';
import { waitFor } from '../../support/wait.ts';

const TORRENT = new Uint8Array(20).fill(7);
const CHUNK = new Uint8Array(16 * 1024).fill(1);

/** A peer that agrees to every splice and keeps its tickets. */
class Peer {
  readonly orders: SpliceOrder[] = [];
  readonly shell: ClientShell;

  constructor(relay: RelayRig, localAddress: string) {
    this.shell = new ClientShell(
      {
        clock: systemClock,
        rng: systemRng,
        log: () => {},
        policy: 'prefer',
        client: 'test',
        peerId: new Uint8Array(20).fill(65),
        identity: RelayIdentity.random(systemRng),
        wallMs: () => Date.now(),
        facts: () => ({ state: 'apdm', filter: 'apdf', tcpPort: 0, udpPort: 0 }),
        torrents: () => [TORRENT],
        sought: () => [],
        proxied: () => [],
        wantsRelays: () => true,
        whyNotFollow: () => undefined,
        dialControl: (endpoint) => dialTcp(endpoint, { timeoutMs: 5_000, localAddress }),
        listenPort: () => 0,
      },
      {
        decide: () => 'splice',
        introduce: () => {},
        splice: (order) => this.orders.push(order),
        onQueued: () => {},
        onSilent: () => {},
        onChanged: () => {},
        findRelays: () => {},
      },
    );
    this.shell.run((client, nowMs) => client.addGiven(relay.endpoint, nowMs));
  }

  get isReserved(): boolean {
    return this.shell.client.status().some(({ state }) => state === 'reserved');
  }
}

class End {
  readonly stream: ByteStream;
  received = 0;
  closedAtMs: number | undefined;

  constructor(stream: ByteStream) {
    this.stream = stream;
    stream.events = {
      onBytes: (bytes) => {
        this.received += bytes.length;
      },
      onDrain: () => {},
      onClose: () => {
        this.closedAtMs = performance.now();
      },
    };
  }

  /** Keeps the socket full until it closes. */
  flood(): void {
    const more = (): void => {
      if (this.closedAtMs !== undefined) return;
      for (let i = 0; i < 64 && this.stream.queuedBytes < 1 << 20; i++) this.stream.write(CHUNK);
      setTimeout(more, 2);
    };
    more();
  }
}

async function spliced(limits: Partial<RelayLimits>) {
  const relay = await RelayRig.open({ limits });
  const [a, b] = [new Peer(relay, '127.0.0.2'), new Peer(relay, '127.0.0.3')];
  await waitFor(() => a.isReserved && b.isReserved, { what: 'both reservations', timeoutMs: 10_000 });
  a.shell.run((client, nowMs) =>
    client.call(client.linksFor(TORRENT)[0]!, { infoHash: TORRENT }, () => {}, nowMs),
  );
  await waitFor(() => a.orders.length === 1 && b.orders.length === 1, { what: 'tickets', timeoutMs: 10_000 });
  const open = async (order: SpliceOrder): Promise<End> => {
    const stream = await dialTcp(order.relay, { timeoutMs: 5_000 });
    const end = new End(stream);
    stream.write(encodeFrame('splice', order.ticket));
    return end;
  };
  const ends = [await open(a.orders[0]!), await open(b.orders[0]!)] as const;
  await waitFor(() => relay.node.server.counters.splices === 1, {
    what: 'the pair to be joined',
    timeoutMs: 10_000,
  });
  const close = async (): Promise<void> => {
    for (const { shell } of [a, b]) shell.close();
    for (const { stream } of ends) stream.destroy();
    await relay[Symbol.asyncDispose]();
  };
  return { relay, ends, peers: [a, b] as const, close };
}

describe('a splice', () => {
  it('ends after the bytes that it may carry, exactly', async () => {
    const bytes = 3_000_000;
    const world = await spliced({ splice: { bytes, seconds: 600, bytesPerSec: 0 } });
    const [from, to] = world.ends;
    from.flood();
    await waitFor(() => to.closedAtMs !== undefined, { what: 'the end', timeoutMs: 20_000 });
    expect(to.received).toBe(bytes);
    expect(world.relay.node.server.counters.spliceEnds.bytes).toBe(1);
    expect(world.relay.node.server.splices.size).toBe(0);
    await world.close();
  }, 120_000);

  it('ends when its time is over', async () => {
    const world = await spliced({ splice: { bytes: 1 << 40, seconds: 2, bytesPerSec: 0 } });
    await waitFor(() => world.ends.every(({ closedAtMs }) => closedAtMs !== undefined), {
      what: 'the end',
      timeoutMs: 20_000,
    });
    expect(world.relay.node.server.counters.spliceEnds.time).toBe(1);
    await world.close();
  }, 120_000);

  it('is as fast as it may be, within a tenth, both ways at once', async () => {
    const bytesPerSec = 2_000_000;
    const world = await spliced({ splice: { bytes: 6_000_000, seconds: 600, bytesPerSec } });
    const startedMs = performance.now();
    for (const end of world.ends) end.flood();
    await waitFor(() => world.ends.every(({ closedAtMs }) => closedAtMs !== undefined), {
      what: 'the end',
      timeoutMs: 30_000,
    });
    const seconds = ((world.ends[1].closedAtMs ?? 0) - startedMs) / 1000;
    const most = Math.max(...world.ends.map(({ received }) => received));
    expect(most).toBe(6_000_000);
    // Never faster; how much slower is the machine's affair.
    expect(most / seconds).toBeLessThan(bytesPerSec * 1.1);
    await world.close();
  }, 120_000);

  it('passes no memory: who does not read stops who writes', async () => {
    const world = await spliced({ splice: { bytes: 1 << 40, seconds: 600, bytesPerSec: 0 } });
    const [from, to] = world.ends;
    to.stream.pause();
    from.flood();
    let last = -1;
    await waitFor(
      () => {
        const now = world.relay.node.server.counters.splicedBytes;
        const stands = now === last && now > 0;
        last = now;
        return stands;
      },
      { what: 'the flow to stop', timeoutMs: 20_000, everyMs: 500 },
    );
    // Socket buffers of four ends, and the quarter MiB that the relay holds.
    expect(last).toBeLessThan(32 << 20);
    await world.close();
  }, 120_000);
});

describe("the relay's port", () => {
  it('hangs up on random tickets and on strangers, and forgets who says nothing', async () => {
    await using relay = await RelayRig.open();
    const ends: End[] = [];
    for (let i = 0; i < 50; i++) {
      const end = new End(await dialTcp(relay.endpoint, { timeoutMs: 5_000 }));
      ends.push(end);
      if (i % 2 === 0) end.stream.write(encodeFrame('splice', new Uint8Array(16).fill(i)));
      else {
        const handshake = new Uint8Array(68);
        handshake.set(new TextEncoder().encode('\x13BitTorrent protocol'));
        end.stream.write(handshake);
      }
    }
    await waitFor(() => ends.every(({ closedAtMs }) => closedAtMs !== undefined), {
      what: 'all to be hung up on',
      timeoutMs: 20_000,
    });
    expect(relay.node.server.counters.badTickets).toBe(25);
    expect(relay.node.linkCount).toBe(0);
  }, 120_000);
});
