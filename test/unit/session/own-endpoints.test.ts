// Trackers, peers and the DHT tell everybody of everybody, us included.
import { describe, expect, it } from 'vitest';
import { OwnEndpoints, type OwnPlace } from '../../../core/session/own-endpoints.ts';

const MACHINE = ['127.0.0.1', '192.168.1.5', '::1', 'fe80::1', '2A00:1:0:0:0:0:0:5'];

function world(place: Partial<OwnPlace> = {}) {
  const clock = { nowMs: 0, gathered: 0 };
  const own = new OwnEndpoints(
    {
      bound: undefined,
      ports: (family) => (family === 4 ? [6881, 6882] : [6891, 0]),
      outerHosts: () => [],
      outerPorts: () => [],
      ...place,
    },
    () => clock.nowMs,
    () => {
      clock.gathered++;
      return MACHINE;
    },
  );
  const has = (text: string): boolean => {
    const [, host = '', port] = /^\[?([^\]]+?)\]?:(\d+)$/.exec(text) ?? [];
    return own.has({ host, port: Number(port) });
  };
  return { own, has, clock };
}

describe('endpoints that lead to ourselves', () => {
  it('ports of this machine at its addresses, for TCP and uTP, in each family', () => {
    const { has } = world();
    for (const own of [
      '192.168.1.5:6881',
      '192.168.1.5:6882',
      '127.0.0.1:6881',
      '[2a00:1::5]:6891',
      '[::1]:6891',
    ])
      expect([own, has(own)]).toEqual([own, true]);
    for (const other of [
      '192.168.1.5:6883',
      '192.168.1.6:6881',
      '[2a00:1::5]:6881',
      '192.168.1.5:6891',
      '1.2.3.4:6881',
    ])
      expect([other, has(other)]).toEqual([other, false]);
  });

  it('bound to certain addresses only those', () => {
    const { has } = world({ bound: ['192.168.1.5'] });
    expect(has('192.168.1.5:6881')).toBe(true);
    expect(has('127.0.0.1:6881')).toBe(false);
    expect(has('[::1]:6891')).toBe(false);
  });

  it('the outer address with our own port, the mapped one, and the one that others see', () => {
    const { has } = world({
      outerHosts: (family) => (family === 4 ? ['44.1.1.1', undefined] : ['2a00:9::9']),
      outerPorts: (family) => (family === 4 ? [40_001, undefined, 50_002] : []),
    });
    for (const own of [
      '44.1.1.1:6881',
      '44.1.1.1:6882',
      '44.1.1.1:40001',
      '44.1.1.1:50002',
      '[2a00:9::9]:6891',
    ])
      expect([own, has(own)]).toEqual([own, true]);
    // A neighbour behind the same gateway; a stranger; inside nobody reaches us by the mapped port.
    for (const other of ['44.1.1.1:6999', '44.1.1.2:6881', '192.168.1.5:40001', '[2a00:9::9]:40001'])
      expect([other, has(other)]).toEqual([other, false]);
  });

  it('nothing without a port', () => {
    const { has } = world({
      ports: () => [0],
      outerHosts: () => ['44.1.1.1'],
      outerPorts: () => [undefined, 0],
    });
    expect(has('44.1.1.1:6881')).toBe(false);
  });

  it('what becomes known later counts: at once when somebody said it, within a second otherwise', () => {
    let outer: string | undefined;
    const { own, has, clock } = world({ outerHosts: () => [outer] });
    expect(has('44.1.1.1:6881')).toBe(false);
    outer = '44.1.1.1';
    own.refresh();
    expect(has('44.1.1.1:6881')).toBe(true);
    outer = '44.1.1.2';
    clock.nowMs += 1_000;
    expect(has('44.1.1.1:6881')).toBe(false);
    expect(has('44.1.1.2:6881')).toBe(true);
  });

  it('a pool of thousands costs no look at the interfaces each', () => {
    const { has, clock } = world();
    for (let i = 0; i < 3_000; i++) has(`1.2.${i >> 8}.${i & 255}:6881`);
    expect(clock.gathered).toBe(1);
  });
});
