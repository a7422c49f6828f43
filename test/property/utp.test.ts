// uTP against schedules and packets that nobody would think of.

import { describe, expect, it } from 'vitest';
import { seededRng } from '../../core/base/clock.ts';
import { feed, type Told, UtpNet } from '../sim/utp-net.ts';
import { check, patterned } from '../sim/utp-scenarios.ts';
import fc from '../support/property.ts';

const line = fc.record({
  bytesPerSec: fc.constantFrom(0, 30_000, 1_000_000, 50_000_000),
  delayMs: fc.constantFrom(0, 1, 20, 200),
  queueBytes: fc.constantFrom(5_000, 50_000, 1_000_000),
  jitterMs: fc.constantFrom(0, 0.5, 10, 80),
  lossShare: fc.constantFrom(0, 0.01, 0.1),
  repeatShare: fc.constantFrom(0, 0.05, 0.3),
  largestBytes: fc.constantFrom(548, 1_000, 1_472, 65_535),
});

describe('uTP', () => {
  it('delivers both ways in order and once, on any line, with readers that pause', () => {
    fc.assert(
      fc.property(
        fc.nat(),
        line,
        line,
        fc.integer({ min: 1, max: 120_000 }),
        fc.boolean(),
        (seed, there, back, bytes, pauses) => {
          const net = new UtpNet(seed);
          const [a, b] = [net.host(), net.host()];
          net.connect(a, b, net.line(there));
          net.connect(b, a, net.line(back));
          const told = a.dial(b);
          const outbound = patterned(bytes);
          const inbound = patterned(bytes >> 1);
          let wrongThere = (): number => 0;
          let received: Told | undefined;
          told.opened = () => feed(a, told, outbound.next);
          const wrongBack = check(told).wrong;
          b.onAccepted = (accepted) => {
            received = accepted;
            wrongThere = check(accepted).wrong;
            feed(b, accepted, inbound.next);
            if (!pauses) return;
            const { took } = accepted;
            accepted.took = (payload) => {
              took(payload);
              accepted.connection?.pause();
              net.queue.after(5, () => {
                accepted.connection?.resume(net.queue.nowMs);
                b.poke(accepted);
              });
            };
          };
          const isDone = (): boolean =>
            received?.receivedBytes === bytes && told.receivedBytes === bytes >> 1;
          net.runUntil(3_600_000, isDone);
          expect([received?.receivedBytes, told.receivedBytes]).toEqual([bytes, bytes >> 1]);
          expect([wrongThere(), wrongBack()]).toEqual([0, 0]);
          // And it ends: for the one who is told, and without leaving anything behind.
          told.connection?.close(net.queue.nowMs);
          a.poke(told);
          net.runUntil(net.queue.nowMs + 600_000, () => a.mux.connectionCount + b.mux.connectionCount === 0);
          expect([a.mux.connectionCount, b.mux.connectionCount]).toEqual([0, 0]);
          expect(received?.closedWith).not.toBe('not yet');
        },
      ),
      { numRuns: 60 },
    );
  });

  it('neither breaks nor grows whatever datagrams come, and its neighbours go on', () => {
    fc.assert(
      fc.property(fc.nat(), fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 60 }), (seed, noise) => {
        const net = new UtpNet(seed);
        const [a, b, evil] = [net.host(), net.host(), net.host()];
        const good = net.line({ delayMs: 5, bytesPerSec: 1_000_000 });
        net.connect(a, b, good);
        net.connect(b, a, net.line({ delayMs: 5 }));
        const rng = seededRng(seed);
        const told = a.dial(b);
        const pattern = patterned(100_000);
        let wrong = (): number => 0;
        let received: Told | undefined;
        b.onAccepted = (accepted) => {
          received ??= accepted;
          if (received === accepted) wrong = check(accepted).wrong;
        };
        told.opened = () => feed(a, told, pattern.next);
        for (const bytes of noise) {
          // A good first byte gets it past the door.
          if (bytes.length > 0) bytes[0] = (Math.floor(rng.next() * 5) << 4) | 1;
          net.queue.after(rng.next() * 150, () => b.receive(bytes, evil.endpoint));
        }
        net.runUntil(60_000, () => received?.receivedBytes === 100_000);
        expect([received?.receivedBytes, wrong()]).toEqual([100_000, 0]);
        expect(b.mux.connectionCount).toBeLessThan(64);
      }),
      { numRuns: 40 },
    );
  });
});
