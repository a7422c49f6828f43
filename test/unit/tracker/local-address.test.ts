import { describe, expect, it } from 'vitest';
import { isLocalAddress, isLoopbackAddress } from '../../../core/base/local-address.ts';
import { destinationRefusal } from '../../../tracker/local-address.ts';

describe('local addresses', () => {
  it.each([
    ['127.0.0.1', '127.9.9.9', '0.0.0.0', '10.1.2.3', '172.16.0.1', '172.31.255.255'],
    ['192.168.1.1', '169.254.0.5', '100.64.0.1', '100.127.1.1', '::1', '::', 'fd00::1', 'fc00::1', 'fe80::1'],
  ])('are known: %s and more', (...hosts) => {
    expect(hosts.filter((host) => !isLocalAddress(host))).toEqual([]);
  });

  it('are not confused with public ones', () => {
    const hosts = [
      '128.0.0.1',
      '172.32.0.1',
      '172.15.0.1',
      '192.169.0.1',
      '100.128.0.1',
      '169.253.0.1',
      '2001:db8::1',
      'fec0::1',
    ];
    expect(hosts.filter(isLocalAddress)).toEqual([]);
    expect(isLocalAddress('tracker.example')).toBe(false);
  });

  it('include the loopback ones', () => {
    expect(['127.0.0.1', '::1', '10.0.0.1', '::2'].map(isLoopbackAddress)).toEqual([
      true,
      true,
      false,
      false,
    ]);
  });
});

describe('a request', () => {
  const request = {
    address: '127.0.0.1',
    target: '/x/announce.php?a=/b',
    fromPublic: false,
    guardLocal: true,
  };

  it('may go to any public address, and to local trackers', () => {
    expect(destinationRefusal(request)).toBeUndefined();
    expect(destinationRefusal({ ...request, address: '192.168.0.1', target: '/x' })).toBeUndefined();
    expect(
      destinationRefusal({ ...request, address: '192.0.2.1', target: '/x', fromPublic: true }),
    ).toBeUndefined();
    expect(destinationRefusal({ ...request, target: '/x', guardLocal: false })).toBeUndefined();
  });

  it('may not be sent to our own network from outside, nor to other services of this machine', () => {
    for (const address of ['127.0.0.1', '192.168.0.1', 'fd00::1']) {
      const refusal = destinationRefusal({ ...request, address, fromPublic: true, guardLocal: false });
      expect(refusal).toBe('redirected from a public tracker to a local address');
    }
    for (const address of ['127.0.0.1', '127.0.0.2', '::1', '0.0.0.0', '::']) {
      for (const target of ['/', '/admin', '/announce/', '/x?announce']) {
        expect(destinationRefusal({ ...request, address, target })).toMatch(
          /must have a path ending in announce/,
        );
      }
    }
  });
});
