import { expect, it } from 'vitest';
import type { Endpoint } from '../../../core/base/endpoint.ts';
import { Ladder } from '../../../core/nat/ladder.ts';
import type { PeerConnection } from '../../../core/session/peer/peer-connection.ts';
import { NatAttempts } from '../../../core/session/reach/nat-attempts.ts';
import { ReachStats } from '../../../core/session/reach/reach-stats.ts';
import type { SessionShared } from '../../../core/session/shared.ts';
import type { ByteStream } from '../../../core/transport/byte-stream.ts';

const PEER = { host: '203.0.113.7', port: 6881 };
const NEIGHBOUR = { host: '198.51.100.2', port: 6881 };
const RELAY = { host: '192.0.2.1', port: 7000 };

function attemptsWith(introducer: Endpoint | undefined): NatAttempts {
  const nat = { stats: new ReachStats(), punchPorts: undefined };
  const shared = { clock: { nowMs: () => 0 }, nat } as unknown as SessionShared;
  return new NatAttempts(shared, {
    adopt: () => false,
    introducerOf: () => introducer,
    onEnded: () => {},
  });
}

it('a hole on the word of a neighbour names the neighbour, whichever side opened it', async () => {
  const target = { endpoint: PEER, candidate: undefined };
  const stream = { transport: 'utp', remote: PEER, destroy: () => {} } as unknown as ByteStream;
  const dialled = await attemptsWith(NEIGHBOUR).climb(
    target,
    Ladder.only('punch', 0),
    () => () => Promise.resolve(stream),
  );
  expect(dialled).toMatchObject({ rung: 'punch', relay: NEIGHBOUR });

  const attempts = attemptsWith(NEIGHBOUR);
  const waiting = attempts.climb(target, Ladder.only('punch', 0), () => () => new Promise(() => {}));
  const met = attempts.cameIn({ stream, openedAtMs: 0 } as PeerConnection, 5);
  await expect(waiting).rejects.toThrow('it reached us first');
  expect(met?.reached).toMatchObject({ rung: 'punch', relay: '198.51.100.2:6881' });
});

it('a splice that came in names the relay', () => {
  const stream = { transport: 'relayed', remote: PEER, relay: RELAY } as unknown as ByteStream;
  const met = attemptsWith(undefined).cameIn({ stream, openedAtMs: 0 } as PeerConnection, 5);
  expect(met?.reached).toEqual({ rung: 'splice', ms: 5, relay: '192.0.2.1:7000' });
});
