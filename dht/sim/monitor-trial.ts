// One run of the real monitor in a simulated world: its scans by the real crawler, its probes, its sessions as rows, and beside each
// of them what is true of it.

import type { DhtAddress } from '../base/address.ts';
import { Id160 } from '../base/node-id.ts';
import { CLIENT_VERSION } from '../base/options.ts';
import { CrawlMachine } from '../crawl/crawl-machine.ts';
import { RAW_TEXT } from '../crawl/io/privacy.ts';
import { MONITOR_PACE, MonitorMachine, type MonitorPace } from '../crawl/monitor-machine.ts';
import { OptOut } from '../crawl/opt-out.ts';
import { POLITE, type ProbePolicy } from '../crawl/prober.ts';
import { ScanHistory } from '../crawl/scan-history.ts';
import { sessionRow } from '../crawl/session-rows.ts';
import { Zone } from '../crawl/zone.ts';
import type { SessionRow } from '../dataset/more-tables.ts';
import { stream } from './chance.ts';
import type { CrawlWorld } from './crawl-world.ts';

export interface MonitorTrialOptions {
  readonly seed: number;
  readonly windowMs: number;
  readonly rescanMs: number;
  readonly policy?: Partial<ProbePolicy>;
  readonly pace?: MonitorPace;
}

export interface MonitorTrialOutcome {
  /** Times count from the start of the trial. */
  readonly rows: readonly SessionRow[];
  /** By place in `rows`: when the node came and went, milliseconds from the start; its one session. */
  readonly truth: readonly { readonly fromMs: number; readonly untilMs: number }[];
  readonly scans: number;
  readonly sent: number;
}

const ENTRIES = 8;

export function runMonitorTrial(world: CrawlWorld, options: MonitorTrialOptions): MonitorTrialOutcome {
  const { seed, windowMs, rescanMs, pace = MONITOR_PACE } = options;
  const policy = { ...POLITE, ...options.policy };
  world.reseed(seed);
  const send = world.join();
  const startMs = world.nowMs;
  const rows: SessionRow[] = [];
  const hosts: number[] = [];
  const ids = stream(seed, 'ids', 400);
  const common = { family: 4, version: CLIENT_VERSION, policy } as const;
  const monitor = new MonitorMachine(
    { ...common, rng: stream(seed, 'protocol', 400), ownId: Id160.random(ids), pace },
    {
      send,
      onWatched: () => {},
      onProbed: () => {},
      onSession: (session) => {
        hosts.push(world.hostAt(session.address));
        rows.push(sessionRow(session, { runId: 'r', number: rows.length, text: RAW_TEXT }));
      },
    },
  );
  const history = new ScanHistory();
  let scans = 0;
  let sent = 0;
  let scan: CrawlMachine | undefined;
  const beginScan = (): void => {
    scans++;
    history.begin(world.nowMs - startMs);
    const machine = new CrawlMachine(
      {
        ...common,
        zone: Zone.everything,
        isTopology: false,
        method: 'find_node',
        seed: seed * 31 + scans,
        rng: stream(seed, 'protocol', 500 + scans),
        ownId: Id160.random(ids),
        readOnly: true,
        wantsBoth: false,
        optOut: OptOut.none,
        startMs,
      },
      {
        send,
        onListed: () => {},
        onSent: () => {},
        onVisit: ({ outcome, idObserved, address }) => {
          if (idObserved === undefined || (outcome !== 'ok' && outcome !== 'stalled_late')) return;
          const nowMs = world.nowMs - startMs;
          monitor.add(idObserved, address, nowMs, history.absentMs);
          history.found(nowMs);
        },
      },
    );
    for (const host of world.stableHosts(ENTRIES)) machine.addBootstrap(world.address(host), world.nowMs);
    scan = machine;
    machine.start(world.nowMs);
  };
  const endScan = (): void => {
    if (scan?.isDone !== true) return;
    sent += scan.prober.sent;
    history.end();
    scan = undefined;
  };
  const nextScanMs = (): number => Math.max(startMs, startMs + history.nextMs(rescanMs));
  // Two machines at one address: each knows its own answers by their transactions. The monitor counts from the start.
  const both = {
    handleDatagram: (bytes: Uint8Array, from: DhtAddress, nowMs: number): void => {
      monitor.handleDatagram(bytes, from, nowMs - startMs);
      scan?.handleDatagram(bytes, from, nowMs);
      endScan();
    },
    nextTimeoutMs: (nowMs: number): number =>
      Math.min(
        startMs + monitor.nextTimeoutMs(nowMs - startMs),
        scan === undefined ? nextScanMs() : scan.nextTimeoutMs(nowMs),
      ),
    handleTimeout: (nowMs: number): void => {
      monitor.handleTimeout(nowMs - startMs);
      if (scan === undefined && nowMs >= nextScanMs()) beginScan();
      scan?.handleTimeout(nowMs);
      endScan();
    },
  };
  world.run(both, () => false, startMs + windowMs);
  monitor.close(windowMs);
  world.run(
    {
      handleDatagram: (bytes, from, nowMs) => monitor.handleDatagram(bytes, from, nowMs - startMs),
      nextTimeoutMs: (nowMs) => startMs + monitor.nextTimeoutMs(nowMs - startMs),
      handleTimeout: (nowMs) => monitor.handleTimeout(nowMs - startMs),
    },
    () => monitor.isDone,
  );
  monitor.stop();
  world.drain();
  const truth = hosts.map((host) => {
    const { fromMs, untilMs } = world.stay(host);
    return { fromMs: fromMs - startMs, untilMs: untilMs - startMs };
  });
  return { rows, truth, scans, sent: sent + monitor.prober.sent };
}
