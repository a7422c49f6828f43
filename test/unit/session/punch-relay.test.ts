import { describe, expect, it } from 'vitest';
import { fromHex, toHex } from '../../../core/base/bytes.ts';
import type { Endpoint } from '../../../core/base/endpoint.ts';
import { MAX_SIGNALS_PER_MINUTE } from '../../../core/nat/ladder-rules.ts';
import type { PeerConnection } from '../../../core/session/peer/peer-connection.ts';
import { Introducers } from '../../../core/session/reach/punch-introducers.ts';
import { PunchRelay } from '../../../core/session/reach/punch-relay.ts';
import { decodeHolepunch, encodeHolepunch, PUNCH_ERRORS } from '../../../core/wire/ut-holepunch.ts';

interface FakeOptions {
  readonly transport?: 'tcp' | 'utp';
  readonly isIncoming?: boolean;
  readonly listenPort?: number;
  readonly takes?: boolean;
}

class FakePeer {
  readonly heard: Uint8Array[] = [];
  readonly stream: { readonly remote: Endpoint; readonly transport: string };
  readonly isIncoming: boolean;
  readonly isAdmitted = true;
  readonly isClosing = false;
  readonly extended: { readonly listenPort: number | undefined };
  readonly wire: {
    peerTakes: (name: string) => boolean;
    sendExtended: (name: string, payload: Uint8Array) => void;
  };

  constructor(remote: Endpoint, options: FakeOptions = {}) {
    this.stream = { remote, transport: options.transport ?? 'utp' };
    this.isIncoming = options.isIncoming ?? true;
    this.extended = { listenPort: options.listenPort };
    this.wire = {
      peerTakes: (name) => name === 'ut_holepunch' && options.takes !== false,
      sendExtended: (_name, payload) => this.heard.push(payload),
    };
  }

  get connection(): PeerConnection {
    return this as unknown as PeerConnection;
  }
  /** What it was told last. */
  get last(): unknown {
    const decoded = decodeHolepunch(this.heard.at(-1) ?? new Uint8Array(0));
    return decoded.ok ? decoded.value : decoded.reason;
  }
}

const OWN = { host: '198.51.100.1', port: 6881 };
const A = { host: '203.0.113.10', port: 40_000 };
const B = { host: '203.0.113.20', port: 20_123 };

function ask(asker: FakePeer, endpoint: Endpoint, others: FakePeer[], relay = newRelay(), nowMs = 0): void {
  const connections = [asker, ...others].map(({ connection }) => connection);
  relay.handleRendezvous(
    asker.connection,
    endpoint,
    encodeHolepunch('rendezvous', endpoint),
    connections,
    nowMs,
  );
}
const newRelay = (): PunchRelay => new PunchRelay(({ host, port }) => host === OWN.host && port === OWN.port);
const error = (endpoint: Endpoint, code: number) => ({ kind: 'error', endpoint, code });

describe('we introduce two of our neighbours (BEP 55)', () => {
  it('tells each where the other is seen', () => {
    const [a, b] = [new FakePeer(A), new FakePeer(B)];
    ask(a, B, [b]);
    expect(a.last).toEqual({ kind: 'connect', endpoint: B });
    expect(b.last).toEqual({ kind: 'connect', endpoint: A });
    expect([a.heard.length, b.heard.length]).toEqual([1, 1]);
    expect(a.heard[0]).toHaveLength(12);
  });

  it('finds the target by the port it announced as well, and names the port that is seen', () => {
    const [a, b] = [new FakePeer(A), new FakePeer(B, { listenPort: 6881 })];
    ask(a, { host: B.host, port: 6881 }, [b]);
    expect(a.last).toEqual({ kind: 'connect', endpoint: B });
  });

  it('of several behind one address the one with exactly that port is meant', () => {
    const first = new FakePeer({ host: B.host, port: 30_000 }, { listenPort: B.port });
    const [a, b] = [new FakePeer(A), new FakePeer(B)];
    ask(a, B, [first, b]);
    expect(b.last).toEqual({ kind: 'connect', endpoint: A });
    expect(first.heard).toEqual([]);
  });

  it('does not introduce who is met inside our network to who is met outside: neither is found where we see it', () => {
    const [inside, outside] = [new FakePeer({ host: '192.168.1.10', port: 6881 }), new FakePeer(B)];
    ask(inside, B, [outside]);
    expect(inside.last).toEqual(error(B, PUNCH_ERRORS.notConnected));
    expect(outside.heard).toEqual([]);
  });

  it('asks no neighbour inside our network for somebody outside', () => {
    const [inside, outside] = [new FakePeer({ host: '192.168.1.10', port: 6881 }), new FakePeer(A)];
    const connections = [inside, outside].map(({ connection }) => connection);
    const introducers = new Introducers();
    expect(introducers.for(B, connections)).toEqual([outside.connection]);
    expect(introducers.for({ host: '192.168.1.11', port: 6881 }, connections)).toHaveLength(2);
  });

  it('an asker that came by TCP goes by the port it listens on: its source port is nobody', () => {
    const a = new FakePeer({ host: A.host, port: 51_000 }, { transport: 'tcp', listenPort: 6999 });
    const b = new FakePeer(B);
    ask(a, B, [b]);
    expect(b.last).toEqual({ kind: 'connect', endpoint: { host: A.host, port: 6999 } });
  });

  it('says why not: nobody can be there, not connected, no support, itself', () => {
    const a = new FakePeer(A, { listenPort: 6881 });
    const deaf = new FakePeer(B, { takes: false });
    const zero = { host: B.host, port: 0 };
    ask(a, zero, [deaf]);
    expect(a.last).toEqual(error(zero, PUNCH_ERRORS.noSuchPeer));
    ask(a, { host: '0.1.2.3', port: 6881 }, [deaf]);
    expect(a.last).toMatchObject({ code: PUNCH_ERRORS.noSuchPeer });
    ask(a, { host: '203.0.113.99', port: 1 }, [deaf]);
    expect(a.last).toMatchObject({ code: PUNCH_ERRORS.notConnected });
    ask(a, B, [deaf]);
    expect(a.last).toEqual(error(B, PUNCH_ERRORS.noSupport));
    ask(a, OWN, [deaf]);
    expect(a.last).toEqual(error(OWN, PUNCH_ERRORS.noSelf));
    ask(a, { host: A.host, port: 6881 }, [deaf]);
    expect(a.last).toMatchObject({ code: PUNCH_ERRORS.noSelf });
    expect(deaf.heard).toEqual([]);
  });

  it('echoes the address as it was written', () => {
    const a = new FakePeer(A);
    const payload = fromHex('000100000000000000000000ffffcb0071631ae1') as Uint8Array;
    newRelay().handleRendezvous(a.connection, { host: '203.0.113.99', port: 6881 }, payload, [], 0);
    expect(toHex(a.heard[0] as Uint8Array)).toBe('020100000000000000000000ffffcb0071631ae100000002');
  });

  it('does not hear whoever does not take the extension, nor a flood', () => {
    const deaf = new FakePeer(A, { takes: false });
    const b = new FakePeer(B);
    ask(deaf, B, [b]);
    expect([deaf.heard, b.heard]).toEqual([[], []]);
    const relay = newRelay();
    const a = new FakePeer(A);
    for (let i = 0; i < 1000; i++) ask(a, B, [b], relay, i);
    expect(a.heard).toHaveLength(MAX_SIGNALS_PER_MINUTE);
    expect(b.heard).toHaveLength(MAX_SIGNALS_PER_MINUTE);
  });

  it('a thousand askers cannot flood one target', () => {
    const relay = newRelay();
    const b = new FakePeer(B);
    for (let i = 0; i < 200; i++) ask(new FakePeer({ host: `203.0.114.${i}`, port: 7000 }), B, [b], relay, i);
    expect(b.heard).toHaveLength(MAX_SIGNALS_PER_MINUTE);
  });
});

describe('who can introduce us', () => {
  const endpoint = B;
  it('those who told of the peer first, then a few who may know it', () => {
    const introducers = new Introducers();
    const peers = [1, 2, 3, 4].map((n) => new FakePeer({ host: `203.0.115.${n}`, port: 6881 }));
    const deaf = new FakePeer({ host: '203.0.115.9', port: 6881 }, { takes: false });
    const teller = peers[3] as FakePeer;
    introducers.handleTold(teller.connection, { endpoint, supportsHolepunch: true });
    const all = [deaf, ...peers].map(({ connection }) => connection);
    expect(introducers.for(endpoint, all)).toEqual([teller, peers[0], peers[1]]);
    expect(introducers.toldOf(endpoint)).toEqual({ isHidden: true, supportsHolepunch: true });
    // Somebody else dialled it: it is not hidden.
    introducers.handleTold((peers[0] as FakePeer).connection, { endpoint, isReachable: true });
    expect(introducers.toldOf(endpoint)).toEqual({ isHidden: false, supportsHolepunch: true });
    introducers.leave(teller.connection);
    introducers.leave((peers[0] as FakePeer).connection);
    expect(introducers.toldOf(endpoint)).toBeUndefined();
  });

  it('forgets the oldest when one teller tells of thousands', () => {
    const introducers = new Introducers();
    const teller = new FakePeer(A).connection;
    for (let i = 0; i < 5000; i++)
      introducers.handleTold(teller, { endpoint: { host: '203.0.116.1', port: 1024 + i } });
    expect(introducers.toldOf({ host: '203.0.116.1', port: 1024 })).toBeUndefined();
    expect(introducers.toldOf({ host: '203.0.116.1', port: 6023 })).toBeDefined();
  });
});
