// `tt relay` as a user starts it: where it listens, its numbers, a clean end.
import { describe, expect, it } from 'vitest';
import { freePort } from '../support/ports.ts';
import { makePlace, TIMEOUT_MS } from './support.ts';

describe('tt relay', () => {
  const place = makePlace();

  it(
    'says where it listens, serves its numbers and ends when told to',
    async () => {
      const port = await freePort();
      const args = ['relay', '-p', '0', '--no-dht', '--interface', '127.0.0.1', '--proxy-ports', '2'];
      const relay = place.start(...args, '--metrics', `127.0.0.1:${port}`, '--events');
      const line = await relay.waitForLine(/"listening"/, TIMEOUT_MS);
      const listening = JSON.parse(line) as { port: number; proxyPorts: number[] };
      expect(listening.port).toBeGreaterThan(0);
      expect(listening.proxyPorts).toHaveLength(2);
      const response = await fetch(`http://127.0.0.1:${port}/metrics`);
      const text = await response.text();
      expect(text).toMatch(/^tt_relay_reservations 0$/m);
      expect(text).toMatch(/^tt_relay_refusals_total\{code="quota"\} 0$/m);
      expect((await fetch(`http://127.0.0.1:${port}/`)).status).toBe(404);
      await relay.stop('SIGINT');
      expect(relay.child.exitCode).toBe(130);
    },
    TIMEOUT_MS,
  );

  it(
    '--splices of a seed: a count, at most 64, and not beside --no-relays',
    async () => {
      const seed = (...args: string[]) => place.tt('seed', 'nothing', '--no-dht', ...args);
      const results = await Promise.all([
        seed('--splices', '65'),
        seed('--splices', 'many'),
        seed('--splices', '2', '--no-relays'),
      ]);
      expect(results.map(({ code }) => code)).toEqual([2, 2, 2]);
      for (const { stderr } of results) expect(stderr).toContain('--splices');
      // None is what it is by default: the mistake is another one.
      expect((await seed('--splices', '0')).stderr).not.toContain('--splices');
    },
    TIMEOUT_MS,
  );
});
