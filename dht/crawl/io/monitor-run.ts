// Sessions over a window of time: a crawl of the zone finds who is there, another one now and then finds who came, and in between
// everybody known is asked at the pace of the monitor, on a socket of its own.
import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { DhtAddress } from '../../address.ts';
import type { DatasetStore } from '../../dataset/io/store.ts';
import { lossOf, summarise } from '../../dataset/io/summarise.ts';
import { SESSION_TABLE, type SessionRow, SUMMARY_TABLE } from '../../dataset/more-tables.ts';
import { RUN_TABLE, type RunRow } from '../../dataset/run-table.ts';
import { systemRng } from '../../io/system-rng.ts';
import { Id160 } from '../../node-id.ts';
import { CLIENT_VERSION } from '../../options.ts';
import type { CrawlConfig } from '../config.ts';
import { JournalBuffer } from '../journal.ts';
import { MONITOR_PACE, MonitorMachine, type MonitorPace } from '../monitor-machine.ts';
import type { ProbePolicy } from '../prober.ts';
import { sessionRow, sessionSummary } from '../session-rows.ts';
import type { Visit } from '../visit.ts';
import { type CrawlResult, type CrawlSetup, JOURNAL_FILE } from './crawl-run.ts';
import { Driver } from './drive.ts';
import { JournalFile } from './journal-file.ts';
import { beginRun } from './open-run.ts';
import { Pass, Vantage } from './pass.ts';
import { addressText } from './privacy.ts';
import { writeHeader } from './run-header.ts';
import { HEADER_FILE, hexOfId, passOptions, zoneOf } from './run-parts.ts';

export interface MonitorSetup extends Omit<CrawlSetup, 'config' | 'onStart' | 'timeMs'> {
  readonly config: CrawlConfig;
  readonly windowMs: number;
  /** Between two crawls that look for newcomers. */
  readonly rescanMs: number;
  readonly pace?: MonitorPace;
  readonly onStart: (run: MonitorRun) => void;
}

export interface MonitorProgress {
  readonly runId: string;
  readonly elapsedMs: number;
  readonly windowMs: number;
  readonly watched: number;
  readonly present: number;
  readonly sessions: number;
  readonly scans: number;
}

/** Crawl and monitor share the rate. */
function half(policy: ProbePolicy): ProbePolicy {
  const { perSecond, burst } = policy.total;
  return { ...policy, total: { perSecond: perSecond / 2, burst: Math.max(1, Math.ceil(burst / 2)) } };
}

export class MonitorRun {
  readonly setup: MonitorSetup;
  readonly #store: DatasetStore;
  readonly #journal: JournalFile;
  readonly #monitor: MonitorMachine;
  readonly #startedUnixMs = Date.now();
  readonly #startedMs = performance.now();
  readonly #sessions: SessionRow[] = [];
  #driver: Driver | undefined;
  #scanDriver: Driver | undefined;
  #scans = 0;
  #header: RunRow;
  #isStopped = false;
  #wake: () => void = () => {};

  private constructor(setup: MonitorSetup, store: DatasetStore, journal: JournalFile, header: RunRow) {
    this.setup = setup;
    this.#store = store;
    this.#journal = journal;
    this.#header = header;
    const { config } = setup;
    const text = addressText(config.ipPrivacy, setup.key);
    this.#monitor = new MonitorMachine(
      {
        family: config.family,
        rng: systemRng,
        ownId: Id160.random(systemRng),
        version: CLIENT_VERSION,
        policy: half(config.policy),
        pace: setup.pace ?? MONITOR_PACE,
      },
      {
        send: (datagram, to) => this.#driver?.send(datagram, to),
        onSession: (session) => {
          const row = sessionRow(session, { runId: header.run_id, number: this.#sessions.length, text });
          this.#sessions.push(row);
          store.put(SESSION_TABLE, [row]);
          setup.jsonl?.put(SESSION_TABLE, [row]);
        },
      },
    );
  }

  static async run(setup: MonitorSetup): Promise<CrawlResult> {
    const { header, store } = await beginRun(setup, setup.config);
    const journal = JournalFile.create(join(setup.directory, JOURNAL_FILE));
    const run = new MonitorRun(setup, store, journal, header);
    run.#saveHeader({});
    setup.onStart(run);
    try {
      return await run.#watch();
    } finally {
      store.close();
      journal.close();
      setup.jsonl?.close();
    }
  }

  get runId(): string {
    return this.#header.run_id;
  }

  progress(): MonitorProgress {
    return {
      runId: this.runId,
      elapsedMs: this.#nowMs(),
      windowMs: this.setup.windowMs,
      watched: this.#monitor.watched,
      present: this.#monitor.present,
      sessions: this.#sessions.length,
      scans: this.#scans,
    };
  }

  #nowMs = (): number => performance.now() - this.#startedMs;

  async #watch(): Promise<CrawlResult> {
    const { signal, windowMs, config, bind, port } = this.setup;
    const stop = (): void => {
      this.#isStopped = true;
      this.#wake();
      this.#scanDriver?.wake();
      this.#driver?.wake();
    };
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
    const timer = setTimeout(stop, windowMs);
    const driver = await Driver.open({ family: config.family, port, bind }, this.#nowMs);
    this.#driver = driver;
    try {
      const run = this;
      const watching = driver.run({
        get isDone() {
          return run.#isStopped;
        },
        handleDatagram: (bytes, from, nowMs) => this.#monitor.handleDatagram(bytes, from, nowMs),
        nextTimeoutMs: (nowMs) => this.#monitor.nextTimeoutMs(nowMs),
        handleTimeout: (nowMs) => this.#monitor.handleTimeout(nowMs),
      });
      const scanning = this.#scanAgainAndAgain();
      await Promise.all([watching, scanning]);
      this.#monitor.stop();
      return this.#finish(signal.aborted && this.#nowMs() < windowMs);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', stop);
      await driver.close();
    }
  }

  async #scanAgainAndAgain(): Promise<void> {
    let absentMs: number | undefined;
    while (!this.#isStopped) {
      const begunMs = this.#nowMs();
      await this.#scan(absentMs);
      absentMs = begunMs;
      const restMs = this.setup.rescanMs - (this.#nowMs() - begunMs);
      if (this.#isStopped || restMs <= 0) continue;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, restMs);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  /** One crawl of the zone; whoever is new is watched from then on. */
  async #scan(absentMs: number | undefined): Promise<void> {
    const { setup } = this;
    const config = { ...setup.config, policy: half(setup.config.policy) };
    const ownId = Id160.of(new Uint8Array(randomBytes(20)));
    const crawlSetup: CrawlSetup = { ...setup, timeMs: undefined, onStart: () => {} };
    const number = ++this.#scans;
    const options = passOptions(
      crawlSetup,
      this.#header,
      config,
      zoneOf(config),
      number,
      ownId,
      this.#store,
      new Vantage(),
    );
    const onVisit = ({ outcome, isInZone, idObserved, address }: Visit): void => {
      if (!isInZone || idObserved === undefined || (outcome !== 'ok' && outcome !== 'stalled_late')) return;
      this.#monitor.add(idObserved, address, this.#nowMs(), absentMs);
      this.#driver?.wake();
    };
    const pass = new Pass({ ...options, onVisit });
    const driver = await Driver.open({ family: config.family, port: 0, bind: setup.bind }, this.#nowMs);
    this.#scanDriver = driver;
    const begin = new JournalBuffer();
    begin.pass(number, this.#nowMs(), ownId);
    this.#journal.append(begin);
    try {
      pass.open(driver.send, driver.port, this.#journal);
      const { machine } = pass;
      for (const entry of await this.#entries()) machine.addBootstrap(entry, this.#nowMs());
      const run = this;
      await driver.run(
        {
          get isDone() {
            return run.#isStopped || machine.isDone;
          },
          handleDatagram: (bytes, from, nowMs) => machine.handleDatagram(bytes, from, nowMs),
          nextTimeoutMs: (nowMs) => machine.nextTimeoutMs(nowMs),
          handleTimeout: (nowMs) => machine.handleTimeout(nowMs),
        },
        () => pass.flush(this.#nowMs()),
      );
      pass.store(this.#nowMs());
    } finally {
      await driver.close();
    }
  }

  #entries(): Promise<readonly DhtAddress[]> {
    return this.setup.entries(this.setup.config);
  }

  #finish(isPartial: boolean): CrawlResult {
    const { config, windowMs } = this.setup;
    const zone = zoneOf(config);
    const lastedMs = Math.min(windowMs, this.#nowMs());
    const summary = [
      ...summarise(this.#store, {
        runId: this.runId,
        zoneBits: zone.bits,
        zonePrefix: hexOfId(zone.prefix),
        distances: undefined,
        planted: undefined,
        secondPort: undefined,
        gone: undefined,
        repeatRange: undefined,
        traps: [],
      }),
      ...sessionSummary(this.runId, this.#sessions, lastedMs),
    ];
    this.#store.put(SUMMARY_TABLE, summary);
    const loss = lossOf(this.#store);
    this.#saveHeader({
      state: isPartial ? 'partial' : 'complete',
      state_reason: isPartial ? 'signal' : null,
      ended_utc: new Date().toISOString(),
      elapsed_us: Math.round(this.#nowMs() * 1000),
      loss_share: loss?.share ?? null,
      loss_answers: loss?.answers ?? 0,
    });
    this.setup.jsonl?.put(RUN_TABLE, [this.#header]);
    // It holds addresses as they are, and a window of time cannot be resumed.
    rmSync(join(this.setup.directory, JOURNAL_FILE), { force: true });
    return { run: this.#header, summary };
  }

  #saveHeader(changes: Partial<RunRow>): void {
    this.#header = { ...this.#header, ...changes, started_utc: new Date(this.#startedUnixMs).toISOString() };
    this.#store.put(RUN_TABLE, [this.#header]);
    writeHeader(join(this.setup.directory, HEADER_FILE), this.#header);
  }
}
