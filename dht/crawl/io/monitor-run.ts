// Sessions over a window of time: a crawl of the zone finds who is there, another one now and then finds who came, and in between
// everybody known is asked at the pace of the monitor, on a socket of its own. The journal has every node watched and every probe,
// so that a run that was killed goes on; it is begun anew after each scan, and stays as small as one.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { Id160 } from '../../base/node-id.ts';
import { CLIENT_VERSION } from '../../base/options.ts';
import type { Row, Table } from '../../dataset/columns.ts';
import type { DatasetStore } from '../../dataset/io/store.ts';
import { lossOf, summarise } from '../../dataset/io/summarise.ts';
import { SAMPLE_TABLE, SESSION_TABLE, type SessionRow, SUMMARY_TABLE } from '../../dataset/more-tables.ts';
import { VISIT_TABLE } from '../../dataset/visit-table.ts';
import { systemRng } from '../../io/system-rng.ts';
import type { CrawlConfig } from '../config.ts';
import { JournalBuffer, type JournalRecord } from '../journal.ts';
import { MONITOR_PACE, MonitorMachine, type MonitorPace } from '../monitor-machine.ts';
import { sessionRow, sessionSummary } from '../session-rows.ts';
import { type CrawlResult, type CrawlSetup, JOURNAL_FILE } from './crawl-setup.ts';
import { Driver } from './drive.ts';
import { JournalFile } from './journal-file.ts';
import { MonitorScans } from './monitor-scans.ts';
import { beginRun, type OpenedRun, reopenRun } from './open-run.ts';
import type { RowSink } from './pass.ts';
import { addressText } from './privacy.ts';
import { checkWayIn, halfOf, hexOfId, zoneOf } from './run-parts.ts';
import { RunRecord } from './run-record.ts';

export interface MonitorSetup extends Omit<CrawlSetup, 'onStart' | 'timeMs'> {
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

export const USUAL_WINDOW_MS = 3_600_000;
const MS_PER_MINUTE = 60_000;

export class MonitorRun implements RowSink {
  readonly setup: MonitorSetup;
  readonly config: CrawlConfig;
  readonly #store: DatasetStore;
  readonly #journal: JournalFile;
  readonly #notes = new JournalBuffer();
  readonly #monitor: MonitorMachine;
  readonly #pace: MonitorPace;
  readonly #startedMs: number;
  #driver: Driver | undefined;
  readonly #scans: MonitorScans;
  #sessions = 0;
  /** The last moment of a run before. */
  #lookedMs = 0;
  #isRestoring = false;
  readonly #record: RunRecord;

  private constructor(setup: MonitorSetup, { header, config, store }: OpenedRun) {
    this.setup = setup;
    this.config = config;
    this.#store = store;
    this.#record = new RunRecord(setup, store, header);
    this.#pace = setup.pace ?? MONITOR_PACE;
    const text = addressText(config.ipPrivacy, setup.key);
    this.#monitor = new MonitorMachine(
      {
        family: config.family,
        rng: systemRng,
        ownId: Id160.random(systemRng),
        version: CLIENT_VERSION,
        policy: halfOf(config.policy),
        pace: this.#pace,
      },
      {
        send: (datagram, to) => this.#driver?.send(datagram, to),
        onSession: (session) => {
          const number = this.#sessions++;
          this.put(SESSION_TABLE, [sessionRow(session, { runId: header.run_id, number, text })]);
        },
        onWatched: (state) => this.#notes.watched(state),
        onProbed: (node, verdict, atMs) => this.#notes.probed(node, verdict, atMs),
      },
    );
    this.#scans = new MonitorScans({
      setup,
      config,
      run: header,
      store: this,
      nowMs: this.#nowMs,
      onFound: (id, address, nowMs, absentMs) => {
        this.#monitor.add(id, address, nowMs, absentMs);
        this.#driver?.wake();
      },
      beforeSend: () => this.#journal.append(this.#notes),
      onDone: (machine) => {
        if (this.#monitor.watched === 0) checkWayIn(machine);
        this.#beginJournal();
      },
    });
    const path = join(setup.directory, JOURNAL_FILE);
    if (setup.config === undefined) {
      this.#isRestoring = true;
      this.#journal = JournalFile.resume(path, config.family, (record) => this.#restore(record));
    } else this.#journal = JournalFile.create(path);
    // The clock of a run goes on through its pauses, and never backwards.
    const sinceMs = Math.max(Date.now() - Date.parse(header.started_utc), this.#lookedMs);
    this.#startedMs = performance.now() - sinceMs;
  }

  /** @throws OperationError */
  static async run(setup: MonitorSetup): Promise<CrawlResult> {
    const opened = setup.config === undefined ? await reopenRun(setup) : await beginRun(setup, setup.config);
    try {
      const run = new MonitorRun(setup, opened);
      return await run.#toTheEnd();
    } finally {
      opened.store.close();
      setup.jsonl?.close();
    }
  }

  async #toTheEnd(): Promise<CrawlResult> {
    try {
      if (this.setup.config === undefined) this.#resume();
      else this.#record.save(this.#record.placeOf(undefined));
      this.setup.onStart(this);
      return await this.#watch();
    } catch (error) {
      this.#record.save({ state: 'partial', state_reason: `error: ${(error as Error).message}` });
      throw error;
    } finally {
      this.#journal.close();
    }
  }

  get runId(): string {
    return this.#record.row.run_id;
  }

  progress(): MonitorProgress {
    return {
      runId: this.runId,
      elapsedMs: this.#nowMs(),
      windowMs: this.#windowMs,
      watched: this.#monitor.watched,
      present: this.#monitor.present,
      sessions: this.#sessions,
      scans: this.#scans.count,
    };
  }

  /** Into the dataset and its stream; what a resumed run had stored before is streamed from there. */
  put<T extends Table>(table: T, rows: readonly Row<T>[]): void {
    this.#store.put(table, rows);
    if (!this.#isRestoring) this.setup.jsonl?.put(table, rows);
  }

  get #windowMs(): number {
    return this.config.windowMs ?? USUAL_WINDOW_MS;
  }

  #nowMs = (): number => performance.now() - this.#startedMs;

  /** One record of the run before. */
  #restore(record: JournalRecord): void {
    if (record.kind === 'watched') {
      this.#monitor.restore(record.state);
      this.#lookedMs = Math.max(this.#lookedMs, record.state.lastSuccessMs);
    } else if (record.kind === 'probed') {
      this.#monitor.probed(record.node, record.verdict, record.atMs);
      this.#lookedMs = Math.max(this.#lookedMs, record.atMs);
    } else if (record.kind === 'scans') {
      const { scans, sessions, atMs } = record.scans;
      this.#scans.restoreState(scans, record.scans);
      this.#sessions = sessions;
      this.#lookedMs = Math.max(this.#lookedMs, atMs);
    } else {
      this.#scans.restore(record);
      if (record.kind === 'pass') this.#lookedMs = Math.max(this.#lookedMs, record.atMs);
    }
  }

  /** Everything is read: what happened meanwhile. */
  #resume(): void {
    const nowMs = this.#nowMs();
    const pauseMs = nowMs - this.#lookedMs;
    const { jsonl } = this.setup;
    this.#scans.endRestore();
    this.#isRestoring = false;
    // Handed out when the run was stopped, as still there; they go on.
    this.#store.execute('DELETE FROM session WHERE session >= ?', this.#sessions);
    if (jsonl !== undefined)
      for (const table of [VISIT_TABLE, SAMPLE_TABLE, SESSION_TABLE])
        for (const row of this.#store.rows(table)) jsonl.put(table, [row]);
    this.#monitor.resume(nowMs, this.#lookedMs);
    const isCut = pauseMs > this.#pace.mostMs;
    if (isCut) {
      this.#scans.forget();
      this.#beginJournal();
    }
    const cut = isCut ? ', longer than any pace: open sessions are cut where they were seen last' : '';
    const pause = `Nobody looked for ${(pauseMs / MS_PER_MINUTE).toFixed(1)} minutes after ${(this.#lookedMs / MS_PER_MINUTE).toFixed(1)}${cut}.`;
    this.#record.save({
      resumes: [
        ...(this.#record.row.resumes as readonly unknown[]),
        { at_utc: new Date().toISOString(), watched: this.#monitor.watched, sessions: this.#sessions },
      ],
      warnings: [...(this.#record.row.warnings as readonly unknown[]), pause],
      ...this.#record.placeOf(undefined),
      state: 'running',
      state_reason: null,
      ended_utc: null,
    });
  }

  /** What is known, and nothing of how it came to be known. */
  #beginJournal(): void {
    const notes = new JournalBuffer();
    notes.scans({
      scans: this.#scans.count,
      ...this.#scans.state,
      sessions: this.#sessions,
      atMs: this.#nowMs(),
    });
    for (const state of this.#monitor.states()) notes.watched(state);
    this.#notes.take();
    this.#journal.replace(notes);
  }

  async #watch(): Promise<CrawlResult> {
    const { signal, bind, port } = this.setup;
    const stop = (): void => {
      this.#scans.stop();
      this.#driver?.wake();
    };
    const close = (): void => {
      this.#monitor.close(this.#nowMs());
      stop();
    };
    signal.addEventListener('abort', stop, { once: true });
    const leftMs = this.#windowMs - this.#nowMs();
    if (signal.aborted) stop();
    else if (leftMs <= 0) close();
    const timer = setTimeout(close, Math.max(0, leftMs));
    const driver = await Driver.open({ family: this.config.family, port, bind }, this.#nowMs);
    this.#driver = driver;
    try {
      const run = this;
      const watching = driver.run(
        {
          get isDone() {
            return signal.aborted || run.#monitor.isDone;
          },
          handleDatagram: (bytes, from, nowMs) => this.#monitor.handleDatagram(bytes, from, nowMs),
          nextTimeoutMs: (nowMs) => this.#monitor.nextTimeoutMs(nowMs),
          handleTimeout: (nowMs) => this.#monitor.handleTimeout(nowMs),
        },
        () => this.#journal.append(this.#notes),
      );
      const scanning = this.#scans.run(this.#journal).catch((error: unknown) => {
        this.#monitor.stop();
        stop();
        throw error;
      });
      await Promise.all([watching, scanning]);
      this.#journal.append(this.#notes);
      this.#monitor.stop();
      return this.#finish(signal.aborted && this.#nowMs() < this.#windowMs);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', stop);
      await driver.close();
    }
  }

  #finish(isPartial: boolean): CrawlResult {
    const zone = zoneOf(this.config);
    const lastedMs = Math.min(this.#windowMs, this.#nowMs());
    const sessions: SessionRow[] = [...this.#store.rows(SESSION_TABLE)];
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
      ...sessionSummary(this.runId, sessions, lastedMs),
    ];
    this.#store.put(SUMMARY_TABLE, summary);
    const loss = lossOf(this.#store);
    this.#record.save({
      state: isPartial ? 'partial' : 'complete',
      state_reason: isPartial ? 'signal' : null,
      ended_utc: new Date().toISOString(),
      elapsed_us: Math.round(this.#nowMs() * 1000),
      loss_share: loss?.share ?? null,
      loss_answers: loss?.answers ?? 0,
    });
    this.#record.endStream(summary);
    // It holds addresses as they are, and when the window is over nothing is left to resume.
    if (!isPartial) rmSync(join(this.setup.directory, JOURNAL_FILE), { force: true });
    return { run: this.#record.row, summary };
  }
}
