import { describe, expect, it } from 'vitest';
import { ConnectionShares } from '../../../tracker/serve/connection-shares.ts';

const PLACES = 64;
const SHARE = 2;

function enter(shares: ConnectionShares, host: string, times: number): number {
  let entered = 0;
  for (let i = 0; i < times; i++) if (shares.enter(host)) entered++;
  return entered;
}

describe('places for connections', () => {
  it('half of them may be one address’s, and others still get in', () => {
    const shares = new ConnectionShares(PLACES);
    expect(enter(shares, '192.0.2.1', 100)).toBe(PLACES / 2);
    expect(enter(shares, '192.0.2.2', 100)).toBe(SHARE);
    expect(enter(shares, '2001:db8::1', 1) + enter(shares, '2001:db8::2', 100)).toBe(SHARE);
    shares.leave('192.0.2.2');
    expect(enter(shares, '192.0.2.1', 1)).toBe(0);
    expect(enter(shares, '192.0.2.2', 2)).toBe(1);
  });

  it('are no more than there are, and come back', () => {
    const shares = new ConnectionShares(PLACES);
    const hosts = Array.from({ length: PLACES + 1 }, (_, i) => `198.51.100.${i}`);
    expect(hosts.filter((host) => shares.enter(host))).toHaveLength(PLACES);
    for (const host of hosts.slice(0, PLACES)) shares.leave(host);
    expect(enter(shares, '192.0.2.1', 100)).toBe(PLACES / 2);
  });
});
