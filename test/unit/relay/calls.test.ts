// Reservations, calls and splices between the two machines.
import { describe, expect, it } from 'vitest';
import type { CallResult } from '../../../core/relay/client-port.ts';
import { RelayWorld } from '../../support/relay-world.ts';

const TORRENT = new Uint8Array(20).fill(7);

function connected(world: RelayWorld, options: Parameters<RelayWorld['relay']>[1] = {}) {
  const relay = world.relay('44.1.0.1', options);
  const target = world.peer('44.2.0.1', { torrents: [TORRENT], latencyMs: 5 });
  target.client.addGiven(relay.endpoint, world.nowMs);
  const caller = world.peer('44.3.0.1', { wantsRelays: false, latencyMs: 25 });
  world.advance(1_000);
  return { relay, target, caller };
}

function call(
  world: RelayWorld,
  caller: ReturnType<RelayWorld['peer']>,
  relay: ReturnType<RelayWorld['relay']>,
) {
  const results: CallResult[] = [];
  caller.client.callThrough(
    relay.endpoint,
    { infoHash: TORRENT },
    (result) => results.push(result),
    world.nowMs,
  );
  return results;
}

describe('a reservation', () => {
  it('stands after the connection, with what the relay saw of us', () => {
    const world = new RelayWorld(1);
    const { relay, target } = connected(world);
    expect(relay.server.links.slotCount).toBe(1);
    expect(target.client.observations()).toEqual([
      { relay: relay.endpoint, observed: { host: '44.2.0.1', port: 40_000 }, isUtp: true },
    ]);
  });

  it('is made again after the relay has restarted with nothing', () => {
    const world = new RelayWorld(2);
    const { relay } = connected(world);
    relay.kill();
    world.advance(20_000);
    relay.restart();
    expect(relay.server.links.slotCount).toBe(0);
    world.advance(60_000);
    expect(relay.server.links.slotCount).toBe(1);
  });

  it('is not made by who can be reached, but the relay that the user named is kept for calls while a torrent seeks peers', () => {
    const world = new RelayWorld(13);
    const { relay } = connected(world);
    const sought = [TORRENT];
    const seeker = world.peer('44.4.0.1', { wantsRelays: false, sought });
    seeker.client.addGiven(relay.endpoint, world.nowMs);
    world.advance(10 * 60_000);
    expect(relay.server.links.slotCount).toBe(1);
    const [link] = seeker.client.linksFor(TORRENT);
    const results: CallResult[] = [];
    seeker.client.call(link as number, { infoHash: TORRENT }, (result) => results.push(result), world.nowMs);
    world.advance(1_000);
    expect(results).toMatchObject([{ kind: 'go' }]);
    sought.pop();
    world.advance(60_000);
    expect(seeker.client.linksFor(TORRENT)).toEqual([]);
  });

  it('moves to the new network at once: the relay was not lost', () => {
    const world = new RelayWorld(42);
    const { relay, target } = connected(world);
    target.client.handleNetworkChange(world.nowMs);
    // A handshake and a reservation, no wait before them.
    world.advance(100);
    expect(relay.server.links.slotCount).toBe(1);
    expect(relay.server.counters.reservations).toBe(2);
  });

  it('is kept by renewal, and lost when the peer falls silent', () => {
    const world = new RelayWorld(3);
    const { relay, target } = connected(world);
    world.advance(3 * 3_600_000);
    expect(relay.server.links.slotCount).toBe(1);
    expect(relay.server.counters.reservations).toBeGreaterThan(4);
    // A cable is pulled: nobody says goodbye.
    for (const wire of relay.wires.values()) wire.isUp = false;
    world.peers.splice(world.peers.indexOf(target), 1);
    world.advance(100_000);
    expect(relay.server.links.slotCount).toBe(0);
  });
});

describe('a relay that is cut off without a word', () => {
  it('is given up within seconds when somebody asks for a sign, and calls go through another one meanwhile', () => {
    const world = new RelayWorld(11);
    const relays = ['44.1.0.1', '44.1.1.1'].map((host) => world.relay(host));
    const [cut, other] = relays as [(typeof relays)[0], (typeof relays)[0]];
    const peer = world.peer('44.2.0.1', { torrents: [TORRENT] });
    for (const { endpoint } of relays) peer.client.addGiven(endpoint, world.nowMs);
    world.advance(5_000);
    const relayOf = (link: number | undefined): unknown =>
      [...cut.wires.values()].some(({ clientLink }) => clientLink === link) ? cut : other;
    expect(peer.client.linksFor(TORRENT).map(relayOf)).toContain(cut);
    for (const wire of cut.wires.values()) wire.isUp = false;
    const cutAtMs = world.nowMs;
    peer.client.checkLinks(world.nowMs);
    world.advance(1_000);
    expect(relayOf(peer.client.linksFor(TORRENT)[0])).toBe(other);
    expect(peer.silent).toEqual([]);
    world.advance(9_000);
    expect(peer.silent).toMatchObject([{ relay: cut.endpoint }]);
    expect((peer.silent[0]?.atMs ?? 0) - cutAtMs).toBeLessThanOrEqual(3_000);
    expect(other.server.links.slotCount).toBe(1);
  });

  it('is connected with once more in the same moment: the way to it died, perhaps, and nobody can call us meanwhile', () => {
    const world = new RelayWorld(13);
    const { relay, target } = connected(world);
    const before = relay.server.counters.reservations;
    // What a gateway that restarted has forgotten; what is opened from now on it lets through.
    for (const wire of relay.wires.values()) wire.isUp = false;
    target.client.checkLinks(world.nowMs);
    world.advance(3_500);
    expect(relay.server.counters.reservations).toBe(before + 1);
  });

  it('is noticed by nobody who is answered', () => {
    const world = new RelayWorld(12);
    const { target } = connected(world);
    for (let i = 0; i < 20; i++) {
      target.client.checkLinks(world.nowMs);
      world.advance(500);
    }
    world.advance(120_000);
    expect(target.silent).toEqual([]);
  });
});

describe('a call', () => {
  it('reaches a peer by torrent, and the ends are told of each other as the relay sees them', () => {
    const world = new RelayWorld(4);
    const { relay, target, caller } = connected(world);
    const results = call(world, caller, relay);
    world.advance(2_000);
    expect(target.calls[0]?.caller).toMatchObject({ host: '44.3.0.1', udpPort: 40_000, state: 'apdm' });
    expect(results).toMatchObject([
      { kind: 'go', introduction: { way: 'splice', peer: { host: '44.2.0.1' } } },
    ]);
    expect(target.splices).toHaveLength(1);
    expect(caller.splices).toHaveLength(1);
    expect(target.splices[0]?.remote.host).toBe('44.3.0.1');
  });

  it('starts the nearer side later, by half of what the round trips differ', () => {
    const world = new RelayWorld(5);
    const relay = world.relay('44.1.0.1');
    const target = world.peer('44.2.0.1', { torrents: [TORRENT], latencyMs: 5, decide: () => 'punch' });
    const caller = world.peer('44.3.0.1', { torrents: [TORRENT], latencyMs: 105 });
    for (const peer of [target, caller]) peer.client.addGiven(relay.endpoint, world.nowMs);
    world.advance(3_000);
    const results = call(world, caller, relay);
    world.advance(3_000);
    expect(results[0]).toMatchObject({ kind: 'go', introduction: { delayMs: 0 } });
    expect(target.introductions[0]?.delayMs).toBe(100);
  });

  it('for anybody leads behind another address first: neighbours find each other by themselves', () => {
    const world = new RelayWorld(40);
    const relay = world.relay('44.1.0.1');
    const caller = world.peer('44.3.0.1', { wantsRelays: false });
    const [near, far] = ['44.3.0.1', '44.2.0.1'].map((host) => world.peer(host, { torrents: [TORRENT] }));
    near!.client.addGiven(relay.endpoint, world.nowMs);
    // Both have never been called, and `near` was there first.
    world.advance(1_000);
    far!.client.addGiven(relay.endpoint, world.nowMs);
    world.advance(1_000);
    const called: number[][] = [];
    for (let i = 0; i < 2; i++) {
      call(world, caller, relay);
      world.advance(2_000);
      called.push([far!.calls.length, near!.calls.length]);
    }
    expect(called).toEqual([
      [1, 0],
      [1, 1],
    ]);
  });

  it('ends with a word when nobody is there, nobody answers, or the other does not want', () => {
    const world = new RelayWorld(6);
    const { relay, caller } = connected(world);
    const none: CallResult[] = [];
    caller.client.callThrough(
      relay.endpoint,
      { infoHash: new Uint8Array(20) },
      (r) => none.push(r),
      world.nowMs,
    );
    world.advance(1_000);
    expect(none).toEqual([{ kind: 'refused', code: 'unknown' }]);
    const unwanted = world.peer('44.4.0.1', { torrents: [new Uint8Array(20).fill(9)], decide: () => 'none' });
    unwanted.client.addGiven(relay.endpoint, world.nowMs);
    world.advance(1_000);
    const refused: CallResult[] = [];
    const infoHash = new Uint8Array(20).fill(9);
    caller.client.callThrough(relay.endpoint, { infoHash }, (r) => refused.push(r), world.nowMs);
    world.advance(1_000);
    expect(refused).toEqual([{ kind: 'refused', code: 'policy' }]);
    for (const wire of relay.wires.values()) if (wire.peer === unwanted) wire.isUp = false;
    const silent: CallResult[] = [];
    caller.client.callThrough(relay.endpoint, { infoHash }, (r) => silent.push(r), world.nowMs);
    world.advance(10_000);
    expect(silent).toEqual([{ kind: 'refused', code: 'late' }]);
  });

  it('leads to another peer each time', () => {
    const world = new RelayWorld(7);
    const relay = world.relay('44.1.0.1');
    const targets = [2, 3, 4].map((n) =>
      world.peer(`44.${n}.0.1`, { torrents: [TORRENT], decide: () => 'punch' }),
    );
    for (const peer of targets) peer.client.addGiven(relay.endpoint, world.nowMs);
    const caller = world.peer('44.9.0.1', { wantsRelays: false });
    world.advance(1_000);
    for (let i = 0; i < 3; i++) {
      call(world, caller, relay);
      world.advance(1_000);
    }
    expect(targets.map(({ calls }) => calls.length)).toEqual([1, 1, 1]);
  });

  it('through a private torrent is refused', () => {
    const world = new RelayWorld(8);
    const { relay, caller } = connected(world, { isPrivate: () => true });
    const results = call(world, caller, relay);
    world.advance(1_000);
    expect(results).toEqual([{ kind: 'refused', code: 'private' }]);
    expect(relay.server.links.slotCount).toBe(0);
  });
});

describe('a dial-back', () => {
  it('goes to the address of the connection, whatever else is said', () => {
    const world = new RelayWorld(9);
    const { relay, target } = connected(world);
    const [link] = target.client.linksFor(TORRENT);
    const results: unknown[] = [];
    const ways = { tcp: true, udp: true, udpOtherPort: true };
    target.client.test(
      link as number,
      { tcpPort: 5_000, udpPort: 5_001, ways },
      (r) => results.push(r),
      world.nowMs,
    );
    world.advance(1_000);
    expect(relay.tests).toMatchObject([{ host: '44.2.0.1', tcpPort: 5_000, udpPort: 5_001, ways }]);
    relay.server.handleTested(relay.tests[0]!, true);
    world.advance(1_000);
    expect(results).toMatchObject([
      { kind: 'tested', tested: { tcpReached: true, observed: { host: '44.2.0.1' } } },
    ]);
  });

  it('is not for services, and not for ever', () => {
    const world = new RelayWorld(10);
    const { relay, target } = connected(world);
    const [link] = target.client.linksFor(TORRENT);
    const ways = { tcp: true, udp: false, udpOtherPort: false };
    const codes: unknown[] = [];
    const ask = (tcpPort: number) =>
      target.client.test(link as number, { tcpPort, udpPort: 0, ways }, (r) => codes.push(r), world.nowMs);
    ask(22);
    for (let i = 0; i < 10; i++) ask(5_000);
    world.advance(1_000);
    expect(relay.tests).toHaveLength(6);
    expect(codes[0]).toEqual({ kind: 'refused', code: 'policy' });
    expect(codes.filter((each) => (each as { code?: string }).code === 'quota')).toHaveLength(4);
  });
});
