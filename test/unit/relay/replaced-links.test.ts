// A second connection to a relay that we have a place at: by another transport, so that it sees another endpoint of ours.
import { describe, expect, it } from 'vitest';
import type { CallResult } from '../../../core/relay/client-port.ts';
import { RelayWorld } from '../../support/relay-world.ts';

const TORRENT = new Uint8Array(20).fill(7);

function connected(seed: number) {
  const world = new RelayWorld(seed);
  const relay = world.relay('44.1.0.1', { proxyPorts: [7001] });
  const options = { torrents: [TORRENT], proxied: [TORRENT], latencyMs: 300, decide: () => 'punch' as const };
  const target = world.peer('44.2.0.1', options);
  target.client.addGiven(relay.endpoint, world.nowMs);
  const caller = world.peer('44.3.0.1', { sought: [TORRENT], wantsRelays: false, latencyMs: 5 });
  caller.client.addGiven(relay.endpoint, world.nowMs);
  world.advance(5_000);
  const results: CallResult[] = [];
  const call = (): void => {
    const [link] = caller.client.linksFor(TORRENT);
    const { publicKey: key } = target.client;
    caller.client.call(
      link as number,
      { infoHash: TORRENT, key },
      (result) => results.push(result),
      world.nowMs,
    );
  };
  return { world, relay, target, results, call };
}

describe('a second connection to a relay', () => {
  it('takes the place of the first: at every moment somebody can be called', () => {
    const { world, relay, target, results, call } = connected(1);
    const [first] = target.client.linksFor(TORRENT);
    target.connect(relay.endpoint);
    // Each way takes 300 ms: the connection stands after 600, the reservation after 1,200.
    for (let ms = 0; ms < 2_000; ms += 200) {
      call();
      world.advance(200);
      expect(relay.server.links.slotCount).toBe(1);
      expect(target.client.proxyEndpoints()).toEqual([{ host: '44.1.0.1', port: 7001 }]);
    }
    world.advance(20_000);
    expect(results.map(({ kind }) => kind)).toEqual(Array.from({ length: 10 }, () => 'go'));
    expect(target.introductions).toHaveLength(10);
    // Of the first nothing is left.
    expect(target.client.linksFor(TORRENT)).not.toContain(first);
    expect(target.client.status()).toMatchObject([{ state: 'reserved' }]);
    expect(relay.wires.size).toBe(2);
    expect(relay.server.counters.reservations).toBe(2);
  });

  it('that ends before it has a place leaves the first where it is, and the relay is not taken for lost', () => {
    const { world, relay, target, results, call } = connected(2);
    const [first] = target.client.linksFor(TORRENT);
    const before = relay.server.counters.reservations;
    target.connect(relay.endpoint);
    world.advance(610);
    expect(target.client.linksFor(TORRENT)).toHaveLength(2);
    const [, second] = [...relay.wires.values()].filter(({ peer }) => peer === target);
    relay.hangUp(second?.serverLink as number);
    world.advance(60_000);
    expect(target.client.linksFor(TORRENT)).toEqual([first]);
    // It cannot know whether its place has gone over: asked again, once.
    expect(relay.server.counters.reservations).toBe(before + 1);
    call();
    world.advance(1_000);
    expect(results).toMatchObject([{ kind: 'go' }]);
  });

  it('that ends with the place on its hands gives it back to the first', () => {
    const { world, relay, target, results, call } = connected(4);
    target.connect(relay.endpoint);
    // The relay has moved the reservation, and its answer is on the way.
    world.advance(1_000);
    const [, second] = [...relay.wires.values()].filter(({ peer }) => peer === target);
    relay.hangUp(second?.serverLink as number);
    expect(relay.server.links.slotCount).toBe(0);
    world.advance(3_000);
    expect(relay.server.links.slotCount).toBe(1);
    call();
    world.advance(1_000);
    expect(results).toMatchObject([{ kind: 'go' }]);
  });

  it('that outlives the first while it waits for its place gets it', () => {
    const { world, relay, target } = connected(3);
    target.connect(relay.endpoint);
    world.advance(610);
    const [first] = [...relay.wires.values()].filter(({ peer }) => peer === target);
    relay.hangUp(first?.serverLink as number);
    world.advance(1_000);
    expect(relay.server.links.slotCount).toBe(1);
    expect(target.client.status()).toMatchObject([{ state: 'reserved' }]);
  });
});
