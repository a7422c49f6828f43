// Addresses of `tt lab net --addresses`: as many as there may be, all of this machine, in subnets of their own as long as there are any.
import { expect, it } from 'vitest';
import { loopbackAddress } from '../../../cli/commands/lab-net.ts';

it('spreads nodes over addresses of this machine, the first of them the usual one', () => {
  const all = Array.from({ length: 5_000 }, (_, i) => loopbackAddress(i));
  expect(all[0]).toBe('127.0.0.1');
  expect(new Set(all).size).toBe(5_000);
  for (const address of all) {
    const bytes = address.split('.').map(Number);
    expect(bytes).toHaveLength(4);
    expect(bytes[0]).toBe(127);
    for (const byte of bytes) expect(byte).toBeLessThan(256);
    // No address of a network as a whole, none of everybody in it.
    expect(bytes[3]).toBeGreaterThan(0);
    expect(bytes[3]).toBeLessThan(255);
  }
  const subnets = new Set(all.slice(0, 2_000).map((address) => address.slice(0, address.lastIndexOf('.'))));
  expect(subnets.size).toBe(2_000);
});
