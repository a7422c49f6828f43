// A monitor's crawls of its zone, one after the other until it is told to stop: whoever is new is watched from then on. One that was cut off
// by the end of a run goes on in the next.
import { randomBytes } from 'node:crypto';
import type { DhtAddress } from '../../base/address.ts';
import { Id160 } from '../../base/node-id.ts';
import type { RunRow } from '../../dataset/run-table.ts';
import type { CrawlConfig } from '../config.ts';
import type { CrawlMachine } from '../crawl-machine.ts';
import { JournalBuffer, type JournalRecord } from '../journal.ts';
import { ScanHistory, type ScanState } from '../scan-history.ts';
import type { Visit } from '../visit.ts';
import type { CrawlSetup } from './crawl-setup.ts';
import { Driver } from './drive.ts';
import type { JournalFile } from './journal-file.ts';
import { Pass, type RowSink, Vantage } from './pass.ts';
import { halfOf, passOptions, zoneOf } from './run-parts.ts';

export const USUAL_RESCAN_MS = 600_000;

export interface MonitorScansOptions {
  readonly setup: Omit<CrawlSetup, 'onStart' | 'timeMs'>;
  readonly config: CrawlConfig;
  readonly run: RunRow;
  readonly store: RowSink;
  /** The clock of the run. */
  readonly nowMs: () => number;
  /** A node of the zone answered. @param absentMs when it was not there, if it is new; undefined while nobody can say */
  readonly onFound: (id: Id160, address: DhtAddress, nowMs: number, absentMs: number | undefined) => void;
  /** Before anything is sent: who is found is watched before its visit is over. */
  readonly beforeSend: () => void;
  readonly onDone: (machine: CrawlMachine) => void;
}

function isVerified(outcome: string): boolean {
  return outcome === 'ok' || outcome === 'stalled_late';
}

export class MonitorScans {
  readonly #options: MonitorScansOptions;
  readonly #history = new ScanHistory();
  /** On its way; of the run before, until `run`. */
  #pass: Pass | undefined;
  #count = 0;
  #driver: Driver | undefined;
  #isStopped = false;
  #wake: () => void = () => {};

  constructor(options: MonitorScansOptions) {
    this.#options = options;
  }

  /** Begun. */
  get count(): number {
    return this.#count;
  }

  get state(): ScanState {
    return this.#history.state;
  }

  /** What a new journal begins with: so many were begun, and what they tell. */
  restoreState(count: number, state: ScanState): void {
    this.#count = count;
    this.#history.restore(state);
  }

  /** One record of the run before, about one of its crawls. */
  restore(record: JournalRecord): void {
    const pass = this.#pass;
    if (record.kind === 'pass') {
      this.#count = record.pass;
      this.#pass = this.#newPass(record.pass, record.ownId);
      this.#history.begin(record.atMs);
    } else if (record.kind === 'end') {
      pass?.store(0);
      this.#history.end();
      this.#pass = undefined;
    } else if (record.kind === 'listed')
      pass?.machine.restoreListed(record.id, record.address, record.referrer, record.queuedMs);
    else if (record.kind === 'sent') pass?.machine.restoreSent(record.node, record.tries, record.atMs);
    else if (record.kind === 'visit') {
      pass?.restore(record.visit);
      const { is_in_zone: isInZone, outcome, received_us: receivedUs } = record.visit.row;
      if (isInZone && receivedUs !== null && isVerified(outcome)) this.#history.found(receivedUs / 1000);
    }
  }

  /** Everything is read: what the one that goes on had found is stored. */
  endRestore(): void {
    this.#pass?.store(0);
  }

  /** Nobody looked for too long: the one that was cut off is not taken up, and those before tell nothing. */
  forget(): void {
    this.#pass = undefined;
    this.#history.forget();
  }

  stop(): void {
    this.#isStopped = true;
    this.#wake();
    this.#driver?.wake();
  }

  /** Until `stop`. @throws OperationError */
  async run(journal: JournalFile): Promise<void> {
    const rescanMs = this.#options.config.rescanMs ?? USUAL_RESCAN_MS;
    while (!this.#isStopped) {
      const restMs = this.#history.nextMs(rescanMs) - this.#options.nowMs();
      if (restMs <= 0 || this.#pass !== undefined) {
        await this.#runOne(journal);
        continue;
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, restMs);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  async #runOne(journal: JournalFile): Promise<void> {
    const { config, setup, nowMs, beforeSend, onDone } = this.#options;
    const restored = this.#pass;
    const driver = await Driver.open({ family: config.family, port: 0, bind: setup.bind }, nowMs);
    this.#driver = driver;
    try {
      const pass = restored ?? this.#begin(journal);
      const { machine } = pass;
      pass.open(driver.send, driver.port, journal);
      machine.endRestore();
      for (const entry of await setup.entries(config)) machine.addBootstrap(entry, nowMs());
      const scans = this;
      await driver.run(
        {
          get isDone() {
            return scans.#isStopped || machine.isDone;
          },
          handleDatagram: (bytes, from, atMs) => machine.handleDatagram(bytes, from, atMs),
          nextTimeoutMs: (atMs) => machine.nextTimeoutMs(atMs),
          handleTimeout: (atMs) => machine.handleTimeout(atMs),
        },
        () => {
          beforeSend();
          pass.flush(nowMs());
        },
      );
      pass.store(nowMs());
      this.#pass = undefined;
      if (this.#isStopped) return;
      this.#history.end();
      onDone(machine);
    } finally {
      await driver.close();
    }
  }

  #begin(journal: JournalFile): Pass {
    const ownId = Id160.of(new Uint8Array(randomBytes(20)));
    const begunMs = this.#options.nowMs();
    const begin = new JournalBuffer();
    begin.pass(++this.#count, begunMs, ownId);
    journal.append(begin);
    this.#history.begin(begunMs);
    return this.#newPass(this.#count, ownId);
  }

  #newPass(number: number, ownId: Id160): Pass {
    const { setup, run, store, nowMs, onFound } = this.#options;
    const config = { ...this.#options.config, policy: halfOf(this.#options.config.policy) };
    const crawlSetup: CrawlSetup = { ...setup, timeMs: undefined, onStart: () => {}, jsonl: undefined };
    const options = passOptions(crawlSetup, run, config, zoneOf(config), number, ownId, store, new Vantage());
    const onVisit = ({ outcome, isInZone, idObserved, address }: Visit): void => {
      if (!isInZone || idObserved === undefined || !isVerified(outcome)) return;
      const atMs = nowMs();
      onFound(idObserved, address, atMs, this.#history.absentMs);
      this.#history.found(atMs);
    };
    return new Pass({ ...options, onVisit });
  }
}
