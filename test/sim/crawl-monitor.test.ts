// The monitor on virtual time: who stays how long comes out as it is, although long sessions are met more often, short ones are
// gone before anybody looks, and most have not ended when the window closes.
import { expect, it } from 'vitest';
import { seededRng } from '../../core/base/clock.ts';
import { DhtAddress } from '../../dht/base/address.ts';
import { Id160 } from '../../dht/base/node-id.ts';
import { RAW_TEXT } from '../../dht/crawl/io/privacy.ts';
import { JournalBuffer, JournalReader } from '../../dht/crawl/journal.ts';
import {
  MONITOR_PACE,
  type MonitoredSession,
  MonitorMachine,
  type MonitorPort,
  type Verdict,
} from '../../dht/crawl/monitor-machine.ts';
import { POLITE } from '../../dht/crawl/prober.ts';
import { observedSession, sessionRow, sessionSummary } from '../../dht/crawl/session-rows.ts';
import { middleOf } from '../../dht/crawl/survival.ts';
import type { SessionRow } from '../../dht/dataset/more-tables.ts';
import { CRAWL_START_MS, CrawlWorld } from '../../dht/sim/crawl-world.ts';
import { CALIBRATION_NETWORK } from '../../dht/sim/latency.ts';
import { runMonitorTrial } from '../../dht/sim/monitor-trial.ts';
import { survivalOfSessions } from '../../dht/sim/sessions.ts';

const MINUTE_MS = 60_000;
const WINDOW_MS = 180 * MINUTE_MS;
const RESCAN_MS = 2 * MINUTE_MS;
const MEDIAN_MIN = 40;

/** A monitor that hands on what it sends and the sessions that end: only a run that may be killed hears the rest. */
function monitorThat(hands: Pick<MonitorPort, 'send' | 'onSession'>): MonitorMachine {
  return new MonitorMachine(
    {
      family: 4,
      rng: seededRng(1),
      ownId: Id160.random(seededRng(2)),
      version: new Uint8Array(0),
      policy: POLITE,
      pace: MONITOR_PACE,
    },
    { onWatched: () => {}, onProbed: () => {}, ...hands },
  );
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
  const monitor = monitorThat({
    send: (datagram, to) => {
      queries++;
      send(datagram, to);
    },
    onSession: (session) =>
      rows.push(sessionRow(session, { runId: 'r', number: rows.length, text: RAW_TEXT })),
  });
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
    expect(
      Math.abs((found?.value ?? 0) - survivalOfSessions(minutes, MEDIAN_MIN)),
      `${minutes} min`,
    ).toBeLessThan(0.1);
  }
  // The mean of sessions that were seen to end says something else entirely.
  const closed = shifted
    .filter(({ is_censored }) => !is_censored)
    .map((row) => middleOf(observedSession(row)));
  const naiveMean =
    closed.reduce((sum, { startMs, endMs }) => sum + endMs - startMs, 0) / closed.length / MINUTE_MS;
  const trueMean = (MEDIAN_MIN / 200) * (0.866 * 235.5 + 0.134 * 6000);
  expect(naiveMean).toBeLessThan(trueMean / 2);
  // 400 nodes, at most one probe a minute and fewer for those that stay.
  expect(queries / (WINDOW_MS / MINUTE_MS) / 400).toBeLessThan(0.8);
});

it('sessions begin and end where they do in truth, neither earlier nor later', () => {
  const seed = 3;
  const windowMs = 100 * MINUTE_MS;
  const world = new CrawlWorld({
    seed,
    nodes: 300,
    deadShare: 0.25,
    natShare: 0.15,
    network: { ...CALIBRATION_NETWORK, lossShare: 0.01 },
    medianSessionMin: 10,
    horizonMs: windowMs + MINUTE_MS,
  });
  // Slow crawls: they last a good part of the time between them.
  const { rows, truth, scans } = runMonitorTrial(world, {
    ...{ seed, windowMs, rescanMs: 3 * MINUTE_MS },
    policy: { total: { perSecond: 25, burst: 5 } },
    pace: { factor: 1, leastMs: MINUTE_MS, mostMs: MINUTE_MS },
  });
  expect(scans).toBeGreaterThan(20);
  const seen = rows.flatMap((row, i) => {
    const stay = truth[i];
    return row.is_created && stay !== undefined
      ? [{ row, stay, middle: middleOf(observedSession(row)) }]
      : [];
  });
  // Those who were there from the start and missed by two crawls are few.
  const known = seen.filter(({ stay }) => stay.fromMs > 0);
  expect(seen.length - known.length).toBeLessThan(seen.length / 50);
  const ended = known.filter(({ row }) => !row.is_censored);
  expect(ended.length).toBeGreaterThan(300);
  const error = (list: typeof seen, of: (each: (typeof seen)[number]) => number) => {
    const errors = list.map((each) => of(each) / 1000);
    const mean = errors.reduce((sum, each) => sum + each, 0) / errors.length;
    const variance = errors.reduce((sum, each) => sum + (each - mean) ** 2, 0) / errors.length;
    return { mean, deviation: Math.sqrt(variance / errors.length) };
  };
  // An end lies within a minute of probes: 17 s in each, and hundreds of them. A wait for late answers is 11.5 s.
  const end = error(ended, ({ stay, middle }) => middle.endMs - stay.untilMs);
  expect(end.deviation).toBeLessThan(1.2);
  expect(Math.abs(end.mean)).toBeLessThan(3 * end.deviation);
  const start = error(known, ({ stay, middle }) => middle.startMs - stay.fromMs);
  // One crawl in thirty misses a newcomer, who then seems to have come four minutes later; half of a crawl's length is half a minute.
  expect(Math.abs(start.mean)).toBeLessThan(14);
  // Who went in the last minutes is asked once more, so that nobody's end is left open who was in doubt.
  const cut = rows.filter(({ end_reason: reason }) => reason === 'window');
  expect(cut.length).toBeGreaterThan(100);
  const gone = rows.filter(
    ({ end_reason: reason }, i) => reason === 'window' && (truth[i]?.untilMs ?? 0) < windowMs,
  );
  expect(gone.every(({ last_success_us: us }) => us / 1000 > windowMs - 2.3 * MINUTE_MS)).toBe(true);
});

it('an id that moves is one id at two endpoints', () => {
  const ends: number[] = [];
  const monitor = monitorThat({
    send: () => {},
    onSession: ({ endpointChanges }) => ends.push(endpointChanges),
  });
  const id = Id160.random(seededRng(3));
  monitor.add(id, DhtAddress.v4(20 << 24, 1), 0, undefined);
  monitor.add(id, DhtAddress.v4(21 << 24, 1), 1, undefined);
  monitor.add(Id160.random(seededRng(4)), DhtAddress.v4(22 << 24, 1), 1, undefined);
  monitor.stop();
  expect(ends).toEqual([1, 1, 0]);
});

it('killed and gone on with from its journal is what it would have been; after a long pause nothing is invented', () => {
  const nodes = 60;
  const rng = seededRng(7);
  const made = Array.from({ length: nodes }, (_, i) => ({
    id: Id160.random(rng),
    address: DhtAddress.v4((20 << 24) + (i << 8), 6881),
  }));
  /** What happens, by minute: one probe of somebody. */
  const events = Array.from({ length: 2_000 }, (_, minute) => ({
    node: Math.floor(rng.next() * nodes),
    verdict: (['there', 'there', 'there', 'silent', 'silent', 'other_id'] as const)[
      Math.floor(rng.next() * 6)
    ] as Verdict,
    atMs: minute * MINUTE_MS,
  }));
  interface Seen {
    readonly monitor: MonitorMachine;
    readonly sessions: MonitoredSession[];
  }
  const begin = (): Seen => {
    const sessions: MonitoredSession[] = [];
    const monitor = monitorThat({
      send: () => {},
      onSession: (session) => sessions.push(session),
    });
    return { monitor, sessions };
  };
  const plain = (sessions: readonly MonitoredSession[]): unknown[] =>
    sessions.map(({ id, address, ...facts }) => ({ id: id.hex, host: address.host, ...facts }));

  const whole = begin();
  for (const { id, address } of made) whole.monitor.add(id, address, 0, undefined);
  for (const { node, verdict, atMs } of events) whole.monitor.probed(node, verdict, atMs);
  const ended = plain(whole.sessions);
  expect(ended.length).toBeGreaterThan(100);

  for (const cut of [0, 1, 700, 1_999]) {
    const first = begin();
    for (const { id, address } of made) first.monitor.add(id, address, 0, undefined);
    for (const { node, verdict, atMs } of events.slice(0, cut)) first.monitor.probed(node, verdict, atMs);
    // Through the bytes of the journal.
    const buffer = new JournalBuffer();
    for (const state of first.monitor.states()) buffer.watched(state);
    for (const { node, verdict, atMs } of events.slice(cut)) buffer.probed(node, verdict, atMs);
    const second = begin();
    const columns = { visit: [], edge: [], sample: [] };
    const result = new JournalReader(4, columns).read(buffer.take(), (record) => {
      if (record.kind === 'watched') second.monitor.restore(record.state);
      else if (record.kind === 'probed') second.monitor.probed(record.node, record.verdict, record.atMs);
    });
    expect(result.ok).toBe(true);
    expect(plain([...first.sessions, ...second.sessions])).toEqual(ended);
    const lookedMs = events.at(-1)?.atMs as number;
    const states = (monitor: MonitorMachine): unknown[] =>
      [...monitor.states()].map(({ id, address, ...facts }) => ({
        id: id.hex,
        host: address.host,
        ...facts,
      }));
    expect(states(second.monitor)).toEqual(states(whole.monitor));

    // A pause within the pace changes nothing.
    const { present } = second.monitor;
    const before = second.sessions.length;
    second.monitor.resume(lookedMs + MONITOR_PACE.mostMs, lookedMs);
    expect([second.monitor.present, second.sessions.length]).toEqual([present, before]);
    // A longer one cuts what was open, and whoever is seen afterwards was not seen to come.
    const atMs = lookedMs + MONITOR_PACE.mostMs + 1;
    second.monitor.resume(atMs, lookedMs);
    expect(second.monitor.present).toBe(0);
    const cutOff = second.sessions.slice(before);
    expect(cutOff.map(({ endReason }) => endReason)).toEqual(Array(present).fill('interrupted'));
    const row = sessionRow(cutOff[0] as MonitoredSession, { runId: 'r', number: 0, text: RAW_TEXT });
    expect(row).toMatchObject({ is_censored: true, first_failure_us: null });
    for (let node = 0; node < nodes; node++) second.monitor.probed(node, 'there', atMs + 1);
    second.monitor.stop();
    const after = second.sessions.slice(before + present);
    expect(after).toHaveLength(nodes);
    expect(
      after.every(({ beforeMs, firstSuccessMs }) => beforeMs === undefined && firstSuccessMs > atMs),
    ).toBe(true);
  }
});
