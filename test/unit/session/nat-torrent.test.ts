// A call for anybody whom a relay knows: to whom it may lead, and when it is worth another one.
import { describe, expect, it } from 'vitest';
import type { Candidate } from '../../../core/discovery/candidates.ts';
import { UNKNOWN_REACH } from '../../../core/nat/ladder-reach.ts';
import type { CallOptions } from '../../../core/relay/client-calls.ts';
import type { CallResult, Introduction, SpliceOrder } from '../../../core/relay/client-port.ts';
import type { Way } from '../../../core/relay/messages.ts';
import type { PeerConnection } from '../../../core/session/peer/peer-connection.ts';
import { NatTorrent, type NatTorrentOwner } from '../../../core/session/reach/nat-torrent.ts';
import type { SessionShared } from '../../../core/session/shared.ts';
import type { ByteStream } from '../../../core/transport/byte-stream.ts';

const RELAY = { host: '44.9.9.9', port: 7000 };
const keyOf = (n: number): Uint8Array => new Uint8Array(32).fill(n);
const hostOf = (n: number): string => `44.1.1.${n}`;

/** Lets everything that waits for nothing happen. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function scene() {
  const scene = {
    nowMs: 0,
    calls: 0,
    /** Whom the next calls lead to, and how. */
    answers: [] as [peer: number, way: Way][],
    punched: [] as string[],
    adopted: [] as [host: string, transport: string][],
    refused: [] as string[],
    dials: [] as string[],
  };
  const connections = new Set<PeerConnection>();
  const stream = (transport: string): ByteStream =>
    ({ transport, remote: RELAY, write: () => {}, destroy: () => {} }) as unknown as ByteStream;
  const nat = {
    add: () => {},
    remove: () => {},
    hasUtpPeers: true,
    reach: () => UNKNOWN_REACH,
    canFollow: () => true,
    hasUtp: true,
    punchPorts: undefined,
    stats: { handleIntroduction: () => {}, handlePunch: () => {} },
    punch: ({ host }: { host: string }) => {
      scene.punched.push(host);
      return Promise.resolve(stream('utp'));
    },
    relays: {
      linksFor: () => [1],
      report: () => {},
      call: (_link: number, { infoHash }: CallOptions, onResult: (result: CallResult) => void) => {
        scene.calls++;
        const [peer, way] = scene.answers.shift() ?? [0, 'none'];
        if (way === 'none') {
          onResult({ kind: 'refused', code: 'unknown' });
          return;
        }
        const target = { host: hostOf(peer), port: 6881 };
        const facts = { state: 'eim', filter: 'apdf', tcpPort: 6881, udpPort: 6881 } as const;
        const record = { ...facts, host: target.host, sourcePort: 6881, isUtp: true, key: keyOf(peer) };
        const nonce = new Uint8Array(16).fill(scene.calls);
        const common = {
          nonce,
          infoHash,
          role: 'caller',
          way,
          peer: record,
          relay: RELAY,
          delayMs: 0,
        } as const;
        const introduction: Introduction = { ...common, target: way === 'punch' ? target : undefined };
        onResult({ kind: 'go', introduction });
        if (way !== 'splice') return;
        const limits = { bytes: 0, seconds: 0, bytesPerSec: 0 };
        const order: SpliceOrder = { relay: RELAY, ticket: nonce, limits, introduction, remote: target };
        torrent.splice(order);
      },
    },
  };
  const peers = {
    connections,
    isActive: true,
    room: 8,
    countWithDials: 0,
    pool: { find: () => undefined },
    adopt: ({ host }: { host: string }, dialled: { stream: ByteStream }) => {
      scene.adopted.push([host, dialled.stream.transport]);
      connections.add({ isAdmitted: true, isClosing: false, stream: dialled.stream } as PeerConnection);
      return true;
    },
  };
  const shared = {
    clock: { nowMs: () => scene.nowMs },
    nat,
    connect: () => {
      scene.dials.push('any');
      return new Promise(() => {});
    },
    connectByTcp: () => {
      scene.dials.push('tcp');
      return new Promise(() => {});
    },
    connectToRelay: () => Promise.resolve(stream('tcp')),
    log: (_level: string, _text: string, { error }: { error: string }) => void scene.refused.push(error),
    isSelf: () => false,
  };
  const owner = { infoHashBytes: new Uint8Array(20), isPrivate: false, isComplete: false, peers };
  const torrent = new NatTorrent(shared as unknown as SessionShared, owner as unknown as NatTorrentOwner);
  /** @returns whether it called */
  const tickAt = async (nowMs: number, peer?: number, way: Way = 'punch'): Promise<boolean> => {
    scene.nowMs = nowMs;
    scene.answers = peer === undefined ? [] : [[peer, way]];
    const before = scene.calls;
    torrent.tick(nowMs);
    await turn();
    return scene.calls > before;
  };
  return { scene, tickAt, torrent, connections };
}

describe('a call for anybody', () => {
  it('that led to a peer is followed by another three seconds later; one in vain by ever rarer ones', async () => {
    const { scene: met, tickAt } = scene();
    expect(await tickAt(0, 1)).toBe(true);
    expect(met.adopted).toEqual([[hostOf(1), 'utp']]);
    expect([await tickAt(2_999), await tickAt(3_000)]).toEqual([false, true]);
    expect([await tickAt(3_999), await tickAt(4_000)]).toEqual([false, true]);
    expect([await tickAt(5_999), await tickAt(6_000)]).toEqual([false, true]);
  });

  it('that leads to whom we are connected with dials nobody; when it does so twice, everybody is met for five minutes', async () => {
    const { scene: met, tickAt } = scene();
    await tickAt(0, 1);
    expect(await tickAt(3_000, 1)).toBe(true);
    expect([met.punched, met.refused]).toEqual([[hostOf(1)], [expect.stringContaining('connected already')]]);
    expect(await tickAt(4_000, 1)).toBe(true);
    expect(met.punched).toEqual([hostOf(1)]);
    expect([await tickAt(303_999, 2), await tickAt(304_000, 2)]).toEqual([false, true]);
    expect(met.punched).toEqual([hostOf(1), hostOf(2)]);
  });

  it('that leads to whom a relay passes bytes on is a try at a straight way: the other side has begun', async () => {
    const { scene: met, tickAt } = scene();
    await tickAt(0, 1, 'splice');
    expect(met.adopted).toEqual([[hostOf(1), 'relayed']]);
    await tickAt(3_000, 1);
    expect([met.punched, met.refused]).toEqual([[hostOf(1)], []]);
    expect(met.adopted.at(-1)).toEqual([hostOf(1), 'utp']);
    // It is no news all the same: nobody else is there.
    expect(await tickAt(5_000, 1)).toBe(true);
    expect([await tickAt(304_999), await tickAt(305_000)]).toEqual([false, true]);
  });

  it('but not another splice beside the first', async () => {
    const { scene: met, tickAt } = scene();
    await tickAt(0, 1, 'splice');
    await tickAt(3_000, 1, 'splice');
    expect(met.adopted).toEqual([[hostOf(1), 'relayed']]);
    expect(met.refused).toEqual([expect.stringContaining('connected already')]);
  });
});

describe('a straight dial where a hole may come', () => {
  it.each([
    // A packet of uTP that comes before the hole is open closes it.
    ['a stranger', undefined, ['tcp']],
    ['a silent peer behind a hole', 'punch', ['tcp']],
    // The neighbour sees our uTP endpoint, by which it introduces us.
    ['a silent neighbour in the open, met by uTP', 'direct', ['any']],
  ])('to %s', async (_who, rung, expected) => {
    const { scene: met, torrent, connections } = scene();
    const endpoint = { host: hostOf(7), port: 6881 };
    const wire = { peerTakes: () => false };
    const stream = { transport: 'utp', remote: endpoint };
    if (rung !== undefined)
      connections.add({
        isAdmitted: true,
        isClosing: false,
        wire,
        stream,
        reached: { rung },
      } as unknown as PeerConnection);
    const dialled = torrent.dial({ endpoint, failures: 0 } as Candidate);
    dialled.catch(() => {});
    expect(met.dials).toEqual(expected);
    torrent.close();
    await expect(dialled).rejects.toThrow('stopped');
  });
});
