import { describe, expect, it } from 'vitest';
import { SPLICE_LINGER_MS } from '../../../core/nat/ladder.ts';
import type { PeerConnection } from '../../../core/session/peer/peer-connection.ts';
import { type PeersOwner, TorrentPeers } from '../../../core/session/torrent-peers.ts';
import { sharedForPeers } from '../../support/peers-shared.ts';

const PEER = new Uint8Array(20).fill(1);
const ENDPOINT = { host: '203.0.113.7', port: 6881 };

class FakeConnection {
  readonly stream: { readonly transport: string; readonly remote: typeof ENDPOINT };
  readonly isIncoming: boolean;
  readonly handshake = { peerId: PEER };
  readonly banKey = ENDPOINT.host;
  readonly openedAtMs = 0;
  lastReceivedAtMs = 0;
  lastSentAtMs = 0;
  isAdmitted = false;
  isClosing = false;
  closedFor: string | undefined;
  reached: unknown;
  leaveAtMs: number | undefined;
  candidate: unknown;

  constructor(transport: 'tcp' | 'utp' | 'relayed', isIncoming: boolean) {
    this.stream = { transport, remote: ENDPOINT };
    this.isIncoming = isIncoming;
  }
  close(reason: string): void {
    this.isClosing = true;
    this.closedFor = reason;
  }
}

function scene() {
  const scene = { nowMs: 1000, peers: undefined as unknown as TorrentPeers, admit };
  const shared = sharedForPeers(() => scene.nowMs);
  scene.peers = new TorrentPeers(shared, { isActive: true, isComplete: false } as PeersOwner);
  function admit(connection: FakeConnection): string | undefined {
    const refusal = scene.peers.admit(connection as unknown as PeerConnection);
    if (refusal === undefined) connection.isAdmitted = true;
    else connection.close(refusal);
    return refusal;
  }
  return scene;
}

describe('a spliced connection makes way', () => {
  it('to a straight one to the same peer, five seconds after that stands, whoever opened it', () => {
    for (const isIncoming of [true, false]) {
      const { peers, admit, ...rest } = scene();
      const [spliced, straight] = [
        new FakeConnection('relayed', !isIncoming),
        new FakeConnection('utp', isIncoming),
      ];
      expect(admit(spliced)).toBeUndefined();
      expect(admit(straight)).toBeUndefined();
      expect([spliced.isClosing, straight.isClosing]).toEqual([false, false]);
      peers.tick(rest.nowMs + SPLICE_LINGER_MS - 1);
      expect(spliced.closedFor).toBeUndefined();
      peers.tick(rest.nowMs + SPLICE_LINGER_MS);
      expect(spliced.closedFor).toBe('a straight way was found');
      expect(straight.isClosing).toBe(false);
    }
  });

  it('but stays when the straight one has died meanwhile', () => {
    const { peers, admit, nowMs } = scene();
    const [spliced, straight] = [new FakeConnection('relayed', true), new FakeConnection('utp', true)];
    admit(spliced);
    admit(straight);
    straight.close('closed by peer');
    peers.connections.delete(straight as unknown as PeerConnection);
    peers.tick(nowMs + SPLICE_LINGER_MS);
    expect(spliced.isClosing).toBe(false);
    expect(spliced.leaveAtMs).toBeUndefined();
  });

  it('and is refused where a straight one stands already', () => {
    const { admit } = scene();
    const [straight, spliced] = [new FakeConnection('tcp', true), new FakeConnection('relayed', false)];
    admit(straight);
    expect(admit(spliced)).toBe('connected already');
    expect(straight.isClosing).toBe(false);
  });
});

describe('two straight connections that crossed', () => {
  it('the one that the greater peer id dialled stays, and takes the candidate along', () => {
    const { peers, admit } = scene();
    peers.pool.add([ENDPOINT], 'pex');
    const candidate = peers.pool.find(ENDPOINT);
    const [ours, theirs] = [new FakeConnection('utp', false), new FakeConnection('utp', true)];
    // We are the greater: what came in goes when ours stands.
    expect(admit(theirs)).toBeUndefined();
    theirs.candidate = undefined;
    ours.candidate = candidate;
    expect(admit(ours)).toBeUndefined();
    expect(theirs.closedFor).toBe('connected already');
    expect(candidate?.state).toBe('connected');
  });
});
