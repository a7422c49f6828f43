import { describe, expect, it } from 'vitest';
import type { Candidate } from '../../../core/discovery/candidates.ts';
import type { PeerConnection } from '../../../core/session/peer/peer-connection.ts';
import type { SessionShared } from '../../../core/session/shared.ts';
import { type PeersOwner, TorrentPeers } from '../../../core/session/torrent-peers.ts';
import { sharedForPeers } from '../../support/peers-shared.ts';

/** Of `sharedForPeers`; the share of one source in a full house of so many is one. */
const PLACES = 10;
const CROWD = '203.0.113.7';

function hostOf(i: number): string {
  return `198.51.100.${i}`;
}

class FakeConnection {
  readonly stream: { readonly transport: string; readonly remote: { host: string; port: number } };
  readonly handshake: { readonly peerId: Uint8Array };
  readonly banKey: string;
  readonly isIncoming = true;
  readonly openedAtMs: number;
  isAdmitted = false;
  isClosing = false;
  closedFor: string | undefined;
  candidate: Partial<Candidate> | undefined;
  rate = 0;

  constructor(host: string, number: number, transport: string) {
    this.stream = { transport, remote: { host, port: 20_000 + number } };
    this.handshake = { peerId: new Uint8Array(20).fill(number + 10) };
    this.banKey = host;
    this.openedAtMs = number;
  }
  get swarmPeer() {
    const meter = { rateBytesPerSec: () => this.rate / 2 };
    return { down: meter, up: meter };
  }
  close(reason: string): void {
    this.isClosing = true;
    this.closedFor = reason;
  }
}

function scene(changes: Partial<SessionShared> = {}) {
  let number = 0;
  const peers = new TorrentPeers({ ...sharedForPeers(() => 1_000), ...changes }, {
    isActive: true,
    isComplete: false,
  } as PeersOwner);
  const live = new Set<FakeConnection>();
  function come(host: string, transport = 'tcp'): FakeConnection {
    const connection = new FakeConnection(host, number++, transport);
    const refusal = peers.admit(connection as unknown as PeerConnection);
    if (refusal === undefined) connection.isAdmitted = true;
    else connection.close(refusal);
    live.add(connection);
    for (const gone of live) if (gone.isClosing) peers.connections.delete(gone as unknown as PeerConnection);
    return connection;
  }
  return { peers, come, crowd: (count: number) => Array.from({ length: count }, () => come(CROWD)) };
}

describe('a full house', () => {
  it('that one address has filled takes in others, in place of those of it that move the least', () => {
    const { crowd, come, peers } = scene();
    const members = crowd(PLACES);
    for (const [i, member] of members.entries()) member.rate = i === 4 ? 0 : 1_000 + i;
    expect(come(hostOf(1)).closedFor).toBeUndefined();
    expect(
      members.flatMap((member, i) => (member.closedFor === undefined ? [] : [[i, member.closedFor]])),
    ).toEqual([[4, 'made room for another address']]);
    expect(peers.connections.size).toBe(PLACES);
  });

  it('lets a crowd have its share and no less, and ends with places that nobody takes turns for', () => {
    const { crowd, come } = scene();
    const members = crowd(PLACES);
    const others = Array.from({ length: 40 }, (_, i) => come(hostOf(i % 20)));
    expect(members.filter((member) => !member.isClosing)).toHaveLength(1);
    const stay = others.filter((other) => !other.isClosing);
    expect(stay).toHaveLength(PLACES - 1);
    expect(come(hostOf(99)).closedFor).toBe('too many peers');
    expect(come(CROWD).closedFor).toBe('too many peers');
  });

  it('of one address has no place for more of it', () => {
    const { crowd, come } = scene();
    const members = crowd(PLACES);
    expect(come(CROWD).closedFor).toBe('too many peers');
    expect(members.every((member) => !member.isClosing)).toBe(true);
  });

  it('has places to dial for as long as it is a crowd’s', () => {
    const { crowd, come, peers } = scene();
    expect(peers.room).toBe(PLACES);
    crowd(PLACES);
    expect(peers.room).toBeGreaterThan(0);
    for (let i = 0; i < PLACES; i++) come(hostOf(i));
    expect(peers.room).toBe(0);
  });

  it('keeps whom the user named, and those who come through one relay', () => {
    const { come, peers } = scene();
    for (let i = 0; i < PLACES / 2; i++) come(CROWD).candidate = { origin: 'manual' };
    for (let i = 0; i < PLACES / 2; i++) come(hostOf(200), 'relayed');
    expect(come(hostOf(1)).closedFor).toBe('too many peers');
    expect(peers.room).toBe(0);
  });

  it('is none as long as there are places: a NAT may have all but the last', () => {
    const { crowd, come } = scene();
    const members = crowd(PLACES - 1);
    come(hostOf(1));
    expect(members.every((member) => !member.isClosing)).toBe(true);
  });
});

describe('a full session', () => {
  const full = { isFull: () => true, crowdedPlaces: () => 3 };

  it('has places for a torrent that has none of the crowd', () => {
    const hosts: string[] = [];
    const { come, peers } = scene({ ...full, makePlace: (host) => hosts.push(host) === 1 });
    expect(peers.room).toBe(3);
    expect(come(hostOf(1)).closedFor).toBeUndefined();
    expect(come(hostOf(2)).closedFor).toBe('too many peers');
    expect(hosts).toEqual([hostOf(1), hostOf(2)]);
  });
});
