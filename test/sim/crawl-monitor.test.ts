// The monitor on virtual time: who stays how long comes out as it is, although long sessions are met more often, short ones are
// gone before anybody looks, and most have not ended when the window closes.
import { expect, it } from 'vitest';
import { seededRng } from '../../core/base/clock.ts';
import { DhtAddress } from '../../dht/address.ts';
import { RAW_TEXT } from '../../dht/crawl/io/privacy.ts';
import { MONITOR_PACE, MonitorMachine } from '../../dht/crawl/monitor-machine.ts';
import { POLITE } from '../../dht/crawl/prober.ts';
import { observedSession, sessionRow, sessionSummary } from '../../dht/crawl/session-rows.ts';
import type { SessionRow } from '../../dht/dataset/more-tables.ts';
import { Id160 } from '../../dht/node-id.ts';
import { CRAWL_START_MS, CrawlWorld } from '../../dht/sim/crawl-world.ts';
import { CALIBRATION_NETWORK } from '../../dht/sim/latency.ts';

const MINUTE_MS = 60_000;
const WINDOW_MS = 180 * MINUTE_MS;
const RESCAN_MS = 2 * MINUTE_MS;
const MEDIAN_MIN = 40;

/** Share of the sessions of dht/sim/sessions.ts that last longer than so many minutes. */
function trueSurvival(minutes: number): number {
  const scale = MEDIAN_MIN / 200;
  return 0.866 * Math.exp(-minutes / (235.5 * scale)) + 0.134 * Math.exp(-minutes / (6000 * scale));
}

it('survival of sessions is that of the world', () => {
  const world = new CrawlWorld({
    seed: 3,
    nodes: 400,
    deadShare: 0,
    natShare: 0,
    network: { ...CALIBRATION_NETWORK, lossShare: 0.02 },
    medianSessionMin: MEDIAN_MIN,
    horizonMs: WINDOW_MS,
  });
  const rows: SessionRow[] = [];
  let queries = 0;
  const send = world.join();
  const monitor = new MonitorMachine(
    {
      family: 4,
      rng: seededRng(1),
      ownId: Id160.random(seededRng(2)),
      version: new Uint8Array(0),
      policy: POLITE,
      pace: MONITOR_PACE,
    },
    {
      send: (datagram, to) => {
        queries++;
        send(datagram, to);
      },
      onSession: (session) =>
        rows.push(sessionRow(session, { runId: 'r', number: rows.length, text: RAW_TEXT })),
    },
  );
  let absentMs: number | undefined;
  for (let atMs = CRAWL_START_MS; atMs < CRAWL_START_MS + WINDOW_MS; atMs += RESCAN_MS) {
    world.run(monitor, () => monitor.isDone, atMs);
    for (const host of world.reachableHosts(atMs))
      monitor.add(world.id(host), world.address(host), atMs, absentMs);
    absentMs = atMs;
  }
  world.run(monitor, () => monitor.isDone, CRAWL_START_MS + WINDOW_MS);
  expect(monitor.present).toBeGreaterThan(300);
  monitor.stop();

  const shifted = rows.map((row) => ({
    ...row,
    first_success_us: row.first_success_us - CRAWL_START_MS * 1000,
    last_success_us: row.last_success_us - CRAWL_START_MS * 1000,
    before_us: row.before_us === null ? null : row.before_us - CRAWL_START_MS * 1000,
    first_failure_us: row.first_failure_us === null ? null : row.first_failure_us - CRAWL_START_MS * 1000,
  }));
  const summary = sessionSummary('r', shifted, WINDOW_MS);
  const created = shifted.filter(({ is_created }) => is_created).length;
  expect(created).toBeGreaterThan(150);
  for (const minutes of [15, 30, 60]) {
    const found = summary.find(({ item }) => item === `${minutes} min`);
    expect(Math.abs((found?.value ?? 0) - trueSurvival(minutes)), `${minutes} min`).toBeLessThan(0.1);
  }
  // The mean of sessions that were seen to end says something else entirely.
  const closed = shifted.filter(({ is_censored }) => !is_censored).map(observedSession);
  const naiveMean =
    closed.reduce((sum, { startMs, endMs }) => sum + endMs - startMs, 0) / closed.length / MINUTE_MS;
  const trueMean = (MEDIAN_MIN / 200) * (0.866 * 235.5 + 0.134 * 6000);
  expect(naiveMean).toBeLessThan(trueMean / 2);
  // 400 nodes, at most one probe a minute and fewer for those that stay.
  expect(queries / (WINDOW_MS / MINUTE_MS) / 400).toBeLessThan(0.8);
});

it('an id that moves is one id at two endpoints', () => {
  const ends: number[] = [];
  const monitor = new MonitorMachine(
    {
      family: 4,
      rng: seededRng(1),
      ownId: Id160.random(seededRng(2)),
      version: new Uint8Array(0),
      policy: POLITE,
      pace: MONITOR_PACE,
    },
    { send: () => {}, onSession: ({ endpointChanges }) => ends.push(endpointChanges) },
  );
  const id = Id160.random(seededRng(3));
  monitor.add(id, DhtAddress.v4(20 << 24, 1), 0, undefined);
  monitor.add(id, DhtAddress.v4(21 << 24, 1), 1, undefined);
  monitor.add(Id160.random(seededRng(4)), DhtAddress.v4(22 << 24, 1), 1, undefined);
  monitor.stop();
  expect(ends).toEqual([1, 1, 0]);
});
