// A peer that is wanted while it is away: the call waits with three relays and reaches it when it is back, by real sessions and sockets.
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { Session } from '../../../core/session/session.ts';
import { freePort } from '../../support/ports.ts';
import { RelayRig } from '../../support/relay-rig.ts';
import { waitFor } from '../../support/wait.ts';
import { sameContent, untilEvent, World } from '../session/support.ts';

const FILES = { 'a.bin': 1_500_000 };
const TIMEOUT_MS = 60_000;
const SEED_HOST = '127.0.0.2';

function reserved(session: Session, count: number): Promise<unknown> {
  return waitFor(
    () => (session.snapshot().relays ?? []).filter(({ state }) => state === 'reserved').length === count,
    { what: 'reservations', timeoutMs: TIMEOUT_MS },
  );
}

function queueOf(session: Session) {
  return session.snapshot().reach?.queue ?? { pushes: 0, stored: 0, taken: 0, repeats: 0 };
}

it('a call for a seed that is away waits at three relays; the seed comes back, calls, and the download ends', async () => {
  await using world = new World();
  const limits = { totalBytesPerSec: 200_000 };
  await using one = await RelayRig.open({ limits });
  await using two = await RelayRig.open({ limits });
  await using three = await RelayRig.open({ limits });
  const rigs = [one, two, three];
  const relays = { given: rigs.map(({ endpoint }) => endpoint) };
  const made = await world.make(FILES);
  const port = await freePort(SEED_HOST);
  const place = {
    relays,
    bindAddresses: [SEED_HOST],
    portRange: [port, port] as const,
    stateDir: world.path('state-of-the-seed'),
  };
  const seed = await world.seed(made, place);
  await reserved(seed, 3);
  const [keyFile = ''] = readdirSync(join(place.stateDir, 'relay-keys'));
  expect(statSync(join(place.stateDir, 'relay-keys', keyFile)).mode & 0o077).toBe(0);

  const leech = await world.session('leech', { relays, bindAddresses: ['127.0.0.3'] });
  const completed = untilEvent(leech, 'completed');
  const directory = world.path('out');
  await leech.add({ source: { metainfo: made.metainfo }, directory });
  await waitFor(() => (leech.snapshot().torrents[0]?.downloadedBytes ?? 0) > 100_000, {
    what: 'the first bytes',
    timeoutMs: TIMEOUT_MS,
  });
  await seed.close(500);
  await waitFor(() => rigs.every(({ node }) => node.server.queues.itemCount === 1), {
    what: () => `the call to be left with all three\n${JSON.stringify(queueOf(leech))}`,
    timeoutMs: TIMEOUT_MS,
  });
  await waitFor(() => queueOf(leech).pushes === 1, { what: 'their answers', timeoutMs: TIMEOUT_MS });
  expect(queueOf(leech)).toMatchObject({ pushes: 1, stored: 1 });
  expect(leech.snapshot().torrents[0]?.state).toBe('downloading');

  const back = await world.seed(made, place);
  await waitFor(() => queueOf(back).taken === 1, { what: 'the call to be taken', timeoutMs: TIMEOUT_MS });
  await completed;
  expect(sameContent(made, directory, Object.keys(FILES))).toBe(true);
  expect(leech.snapshot().torrents[0]?.wastedBytes.failedHash).toBe(0);
  await waitFor(() => rigs.every(({ node }) => node.server.queues.itemCount === 0), {
    what: 'the call to be popped everywhere',
    timeoutMs: TIMEOUT_MS,
  });
  expect(queueOf(back).taken).toBe(1);
}, 240_000);
