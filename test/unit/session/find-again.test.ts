import { describe, expect, it } from 'vitest';
import type { Endpoint } from '../../../core/base/endpoint.ts';
import type { Candidate } from '../../../core/discovery/candidates.ts';
import type { PeerConnection } from '../../../core/session/peer/peer-connection.ts';
import {
  FIND_AGAIN_MAX_MS,
  FIND_AGAIN_MS,
  FOUND_AGAIN_MS,
  HANDSHAKE_TIMEOUT_MS,
  STALLED_MS,
} from '../../../core/session/peer-limits.ts';
import type { Dialled } from '../../../core/session/reach/nat-climb.ts';
import { closeDeadSplices } from '../../../core/session/reach/nat-splice.ts';
import { type PeersOwner, TorrentPeers } from '../../../core/session/torrent-peers.ts';
import { OWN_PEER_ID, sharedForPeers } from '../../support/peers-shared.ts';

const PEER = new Uint8Array(20).fill(1);
const ENDPOINT = { host: '203.0.113.7', port: 6881 };
const OTHER_ADDRESS = { host: '198.51.100.7', port: 6881 };
const START_MS = 1_000_000;

class FakeConnection {
  readonly stream: { transport: string; remote: Endpoint; relay?: Endpoint; destroy: () => void };
  readonly handshake = { peerId: PEER };
  readonly banKey = ENDPOINT.host;
  readonly address = '203.0.113.7:6881';
  readonly wire = { sendKeepAlive: () => {} };
  readonly openedAtMs = START_MS;
  readonly isIncoming: boolean;
  heldUntilMs = Number.NEGATIVE_INFINITY;
  lastReceivedAtMs = START_MS;
  lastSentAtMs = START_MS;
  isAdmitted = true;
  isClosing = false;
  soughtCount = 0;
  seekCount = 0;
  seekAtMs = 0;
  leaveAtMs: number | undefined;
  closedFor: string | undefined;
  candidate: Candidate | undefined;
  requestsOut = 0;
  requestsIn = 0;
  isServed = false;
  queuedBytes = 0;
  payloadBytes = 0;

  constructor(isIncoming: boolean, remote = ENDPOINT) {
    this.isIncoming = isIncoming;
    this.stream = { transport: 'tcp', remote, destroy: () => {} };
  }
  get swarmPeer() {
    const { requestsOut, requestsIn, isServed } = this;
    return {
      requests: { size: requestsOut },
      requestsIn,
      peerInterested: isServed,
      amChoking: !isServed,
    };
  }
  close(reason: string): void {
    this.isClosing = true;
    this.closedFor = reason;
  }
}

/** @param ownPeerId less or greater than the peer's decides which of two connections that crossed stays */
function scene(ownPeerId = OWN_PEER_ID) {
  const scene = {
    nowMs: START_MS,
    dials: [] as number[],
    checks: 0,
    peers: undefined as unknown as TorrentPeers,
    connect,
    tickUntil,
  };
  const relays = { check: () => scene.checks++ };
  const shared = sharedForPeers(() => scene.nowMs, relays, ownPeerId);
  scene.peers = new TorrentPeers(shared, { isActive: true, isComplete: false } as PeersOwner);
  scene.peers.dialler = {
    dial: () => {
      scene.dials.push(scene.nowMs - START_MS);
      return new Promise<Dialled>(() => {});
    },
    cameIn: () => undefined,
  };
  function connect(isIncoming = false, remote = ENDPOINT): FakeConnection {
    const connection = new FakeConnection(isIncoming, remote);
    if (!isIncoming) {
      scene.peers.pool.add([ENDPOINT], 'tracker');
      connection.candidate = scene.peers.pool.find(ENDPOINT);
    }
    connection.lastReceivedAtMs = scene.nowMs;
    connection.lastSentAtMs = scene.nowMs;
    const refusal = scene.peers.admit(connection as unknown as PeerConnection);
    if (refusal !== undefined) connection.close(refusal);
    return connection;
  }
  function tickUntil(ms: number): void {
    for (; scene.nowMs < START_MS + ms; scene.nowMs += 1_000) scene.peers.tick(scene.nowMs);
  }
  return scene;
}

describe('the encryption of a connection that we opened', () => {
  it.each([
    ['tcp', 4_000],
    // The other end of a splice is not there yet when ours is, and is far away.
    ['relayed', 8_000],
  ])('may take its time over %s: %i ms', (transport, limitMs) => {
    const it = scene();
    const connection = Object.assign(it.connect(), { isAdmitted: false, isNegotiating: true });
    connection.stream.transport = transport;
    it.peers.tick(START_MS + limitMs);
    expect(connection.closedFor).toBeUndefined();
    it.peers.tick(START_MS + limitMs + 1);
    expect(connection.closedFor).toBe('encryption timed out');
  });
});

describe('a peer that we wait for and that is silent', () => {
  it('is dialled once more after a while, a few times soon and then ever more rarely', () => {
    const it = scene();
    const connection = it.connect();
    connection.requestsOut = 3;
    it.tickUntil(STALLED_MS);
    expect(it.dials).toEqual([]);
    it.tickUntil(170_000);
    expect(it.dials[0]).toBe(STALLED_MS);
    expect((it.dials[1] ?? 0) - (it.dials[0] ?? 0)).toBe(FIND_AGAIN_MS);
    const gaps = it.dials.slice(1).map((at, i) => at - (it.dials[i] ?? 0));
    expect(Math.max(...gaps)).toBeLessThanOrEqual(FIND_AGAIN_MAX_MS);
    expect(it.dials.length).toBeLessThan(10);
    expect(it.checks).toBe(it.dials.length);
  });

  it('is left alone while something comes, when nothing is asked of it, and while our own limit holds it', () => {
    const it = scene();
    const connection = it.connect();
    it.tickUntil(60_000);
    connection.requestsOut = 3;
    connection.lastReceivedAtMs = it.nowMs;
    connection.heldUntilMs = Number.POSITIVE_INFINITY;
    it.tickUntil(120_000);
    expect(it.dials).toEqual([]);
    expect(it.checks).toBe(0);
  });

  it('found again: the new connection stays, the old one leaves a little later and only then', () => {
    const it = scene();
    const old = it.connect();
    old.requestsOut = 1;
    it.tickUntil(STALLED_MS + 2_000);
    const fresh = it.connect();
    expect([old.isClosing, fresh.isClosing]).toEqual([false, false]);
    expect(fresh.candidate).toBeDefined();
    it.tickUntil(STALLED_MS + 2_000 + FOUND_AGAIN_MS + 2_000);
    expect([old.closedFor, fresh.closedFor]).toEqual(['found again', undefined]);
  });

  it('and does not want two: the old connection stays', () => {
    const it = scene();
    const old = it.connect();
    old.requestsOut = 1;
    it.tickUntil(STALLED_MS + 2_000);
    const fresh = it.connect();
    fresh.isClosing = true;
    it.peers.closed(fresh as unknown as PeerConnection, {
      text: 'connected already',
      inNegotiation: false,
      code: undefined,
    });
    it.tickUntil(STALLED_MS + 2_000 + FOUND_AGAIN_MS + 2_000);
    expect(old.closedFor).toBeUndefined();
    expect(old.candidate).toBeDefined();
  });
});

describe('a peer that dials us once more', () => {
  it('takes the place of its connection when that has said nothing since we spoke', () => {
    const it = scene();
    const old = it.connect(true);
    it.nowMs += STALLED_MS;
    old.lastSentAtMs = it.nowMs - 1_000;
    const fresh = it.connect(true);
    expect([old.closedFor, fresh.closedFor]).toEqual(['the peer came back', undefined]);
  });

  it('is refused when that one was heard after we spoke, or just now', () => {
    const it = scene();
    const old = it.connect(true);
    it.nowMs += STALLED_MS;
    old.lastReceivedAtMs = old.lastSentAtMs + 1;
    old.requestsIn = 1;
    // It waits for us: we may be slow.
    expect(it.connect(true).closedFor).toBe('connected already');
    old.lastReceivedAtMs = it.nowMs;
    old.lastSentAtMs = it.nowMs + 1;
    expect(it.connect(true).closedFor).toBe('connected already');
    expect(old.closedFor).toBeUndefined();
  });

  it('takes its place when that wants nothing more, though it was heard after we spoke: what we sent did not get there', () => {
    const it = scene();
    const old = it.connect(true);
    it.nowMs += STALLED_MS;
    old.lastReceivedAtMs = old.lastSentAtMs + 1;
    expect(it.connect(true).closedFor).toBe('connected already');
    it.nowMs += 1;
    expect(it.connect(true, OTHER_ADDRESS).closedFor).toBe('connected already');
    expect([it.connect(true).closedFor, old.closedFor]).toEqual([undefined, 'the peer came back']);
  });

  it('takes its place too when that takes nothing of what we have for it', () => {
    const it = scene();
    const old = it.connect(true);
    it.nowMs += STALLED_MS + 1;
    old.lastReceivedAtMs = old.lastSentAtMs + 1;
    old.queuedBytes = 1;
    expect([it.connect(true).closedFor, old.closedFor]).toEqual([undefined, 'the peer came back']);
  });

  it('makes us ask the relays for a sign, when we were sending to it; ever more rarely', () => {
    const it = scene();
    const connection = it.connect(true);
    connection.isServed = true;
    connection.lastSentAtMs = it.nowMs + 1;
    it.tickUntil(STALLED_MS + 1_000);
    expect(it.checks).toBe(1);
    it.tickUntil(170_000);
    expect(it.checks).toBeGreaterThan(5);
    expect(it.checks).toBeLessThan(12);
    expect(it.dials).toEqual([]);
  });
});

describe('splices of a relay that is silent', () => {
  const relay = { host: '192.0.2.1', port: 7000 };
  const spliced = (through: Endpoint | undefined, heardMs: number): FakeConnection => {
    const connection = new FakeConnection(true);
    connection.lastReceivedAtMs = heardMs;
    if (through !== undefined) connection.stream.relay = through;
    return connection;
  };

  it('are closed, but for those that live, those of other relays and straight connections', () => {
    const nowMs = START_MS + STALLED_MS;
    const [dead, alive, other, straight] = [
      spliced(relay, START_MS),
      spliced(relay, START_MS + 1),
      spliced({ ...relay, port: 7001 }, START_MS),
      spliced(undefined, START_MS),
    ];
    closeDeadSplices([dead, alive, other, straight] as unknown as PeerConnection[], relay, nowMs);
    const ends = [dead, alive, other, straight].map(({ closedFor }) => closedFor);
    expect(ends).toEqual(['the relay is silent', undefined, undefined, undefined]);
  });
});

describe('somebody at another address who says that he is a peer of ours', () => {
  // The ids are such that of two connections the one stays that the other side dialled.
  const twins = (): { it: ReturnType<typeof scene>; ours: FakeConnection } => {
    const it = scene(new Uint8Array(20));
    return { it, ours: it.connect(false) };
  };

  it('does not take the place of a connection that payload came over', () => {
    const { it, ours } = twins();
    ours.payloadBytes = 16_384;
    expect(it.connect(true, OTHER_ADDRESS).closedFor).toBe('connected already');
    expect(ours.closedFor).toBeUndefined();
    expect(ours.candidate).toBeDefined();
  });

  it('nor that of one that stands for a while, as long as it is heard', () => {
    const { it, ours } = twins();
    it.nowMs += HANDSHAKE_TIMEOUT_MS + 1;
    ours.lastReceivedAtMs = it.nowMs - 1;
    expect(it.connect(true, OTHER_ADDRESS).closedFor).toBe('connected already');
    expect(ours.closedFor).toBeUndefined();
    it.nowMs += STALLED_MS;
    ours.lastSentAtMs = it.nowMs;
    expect(it.connect(true, OTHER_ADDRESS).closedFor).toBeUndefined();
  });

  it('does where the two have crossed, and from the same address', () => {
    const crossed = twins();
    expect(crossed.it.connect(true, OTHER_ADDRESS).closedFor).toBeUndefined();
    expect(crossed.ours.closedFor).toBe('connected already');
    const again = twins();
    again.ours.payloadBytes = 16_384;
    expect(again.it.connect(true).closedFor).toBeUndefined();
    expect(again.ours.closedFor).toBe('connected already');
  });
});
