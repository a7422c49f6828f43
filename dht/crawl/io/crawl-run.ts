// A whole run: its directory, its passes one after the other, what is asked again at the end, its summary. Continues where an
// interrupted one stopped, whatever stopped it.
import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { Id160 } from '../../base/node-id.ts';
import type { DatasetStore } from '../../dataset/io/store.ts';
import { lossOf, storeSummary } from '../../dataset/io/summarise.ts';
import { SUMMARY_TABLE } from '../../dataset/more-tables.ts';
import type { RunRow } from '../../dataset/run-table.ts';
import type { CrawlConfig } from '../config.ts';
import { type Estimate, fromDistances } from '../estimates.ts';
import { JournalBuffer, recordedMs } from '../journal.ts';
import { type Recheck, recheckRows } from '../recheck.ts';
import { rangeOf } from '../repeat-zone.ts';
import type { Turnover } from '../two-looks.ts';
import type { Zone } from '../zone.ts';
import { plantedFound, recheckExtras, storedRecheck, turnoverOf } from './after-look.ts';
import { type CrawlProgress, type CrawlResult, type CrawlSetup, JOURNAL_FILE } from './crawl-setup.ts';
import { Driver } from './drive.ts';
import { JournalFile } from './journal-file.ts';
import { beginRun, reopenRun } from './open-run.ts';
import { Pass, Vantage } from './pass.ts';
import type { IpPrivacy } from './privacy.ts';
import { checkWayIn, hexOfId, passOptions, passZone, pingAll, recheckSample, zoneOf } from './run-parts.ts';
import { RunRecord } from './run-record.ts';
import { runWarnings } from './run-warnings.ts';
import { vantageColumns } from './vantage-columns.ts';

const MS_PER_MINUTE = 60_000;

type Stop = 'signal' | 'time' | undefined;

export class CrawlRun {
  readonly setup: CrawlSetup;
  readonly config: CrawlConfig;
  readonly zone: Zone;
  readonly #store: DatasetStore;
  readonly #journal: JournalFile;
  readonly #vantage: Vantage;
  /** From performance.now() to the clock of the run. */
  readonly #clockOffsetMs: number;
  readonly #record: RunRecord;
  /** The first is kept for the repeat and the recheck. */
  readonly #passes: Pass[];
  #isLastEnded: boolean;
  #phase: CrawlProgress['phase'] = 'crawl';
  #stop: Stop;
  #rechecked: Recheck | undefined;
  #driver: Driver | undefined;

  private constructor(
    setup: CrawlSetup,
    opened: {
      store: DatasetStore;
      journal: JournalFile;
      header: RunRow;
      passes: Pass[];
      isLastEnded: boolean;
      vantage: Vantage;
      reachedMs: number;
    },
  ) {
    this.setup = setup;
    this.#store = opened.store;
    this.#journal = opened.journal;
    this.#record = new RunRecord(setup, opened.store, opened.header);
    this.#passes = opened.passes;
    this.#isLastEnded = opened.isLastEnded;
    this.#vantage = opened.vantage;
    this.config = opened.header.config as CrawlConfig;
    this.zone = zoneOf(this.config);
    // The clock of a run goes on through its pauses, and never backwards, whatever somebody does to the machine's.
    const sinceMs = Math.max(Date.now() - Date.parse(opened.header.started_utc), opened.reachedMs);
    this.#clockOffsetMs = sinceMs - performance.now();
  }

  /** Makes the directory, or opens the one to resume, and crawls to the end. @throws OperationError */
  static async run(setup: CrawlSetup): Promise<CrawlResult> {
    const run =
      setup.config === undefined ? await CrawlRun.#resume(setup) : await CrawlRun.#begin(setup, setup.config);
    setup.onStart(run);
    return run.#toTheEnd();
  }

  get runId(): string {
    return this.#record.row.run_id;
  }

  progress(): CrawlProgress {
    const pass = this.#passes.at(-1) as Pass;
    const { machine } = pass;
    return {
      runId: this.runId,
      phase: this.#phase,
      pass: pass.options.pass,
      elapsedMs: this.#nowMs(),
      counts: machine.counts,
      verified: machine.counts.verified - machine.subnets.verifiedInTraps,
      queueLeft: machine.queueLeft,
      inFlight: machine.prober.inFlight,
      sent: this.#passes.reduce((sum, each) => sum + each.machine.prober.sent, 0),
      zoneBits: pass.options.zone.bits,
      traps: machine.subnets.traps.length,
      places: pass.places,
      overlap: pass.overlap,
      turnover: this.#turnover,
    };
  }

  static async #begin(setup: CrawlSetup, config: CrawlConfig): Promise<CrawlRun> {
    const { header, store } = await beginRun(setup, config);
    const journal = JournalFile.create(join(setup.directory, JOURNAL_FILE));
    const run = new CrawlRun(setup, {
      ...{ store, journal, header, passes: [], isLastEnded: true },
      vantage: new Vantage(),
      reachedMs: 0,
    });
    run.#record.save(run.#record.placeOf(undefined));
    return run;
  }

  static async #resume(setup: CrawlSetup): Promise<CrawlRun> {
    const { directory } = setup;
    const { header, config, store } = await reopenRun(setup);
    const passes: Pass[] = [];
    let isLastEnded = true;
    let reached = 0;
    const vantage = new Vantage();
    const journal = JournalFile.resume(join(directory, JOURNAL_FILE), config.family, (record) => {
      reached = Math.max(reached, recordedMs(record));
      const current = passes.at(-1);
      if (record.kind === 'pass') {
        const zone = record.pass === 1 ? zoneOf(config) : passZone(config, passes[0] as Pass);
        passes.push(
          new Pass({
            ...passOptions(setup, header, config, zone, record.pass, record.ownId, store, vantage),
            first: passes[0]?.machine,
          }),
        );
        isLastEnded = false;
      } else if (record.kind === 'end') {
        isLastEnded = true;
        current?.store(0);
      } else if (record.kind === 'resumed') return;
      else if (current === undefined) return;
      else if (record.kind === 'listed')
        current.machine.restoreListed(record.id, record.address, record.referrer, record.queuedMs);
      else if (record.kind === 'sent') current.machine.restoreSent(record.node, record.tries, record.atMs);
      else if (record.kind === 'visit') current.restore(record.visit);
    });
    const last = passes.at(-1);
    last?.store(0);
    if (!isLastEnded) last?.machine.endRestore();
    const visits = passes.reduce((sum, { machine }) => sum + machine.counts.visits, 0);
    const lineage = [...(header.resumes as readonly unknown[]), { at_utc: new Date().toISOString(), visits }];
    const run = new CrawlRun(setup, {
      ...{ store, journal, header, passes, isLastEnded, vantage },
      reachedMs: reached,
    });
    run.#rechecked = storedRecheck(store);
    const again = { resumes: lineage, state: 'running', state_reason: null, ended_utc: null };
    run.#record.save({ ...again, ...run.#record.placeOf(undefined) });
    const note = new JournalBuffer();
    note.resumed(new Date().toISOString());
    journal.append(note);
    return run;
  }

  async #toTheEnd(): Promise<CrawlResult> {
    const { setup } = this;
    const onAbort = (): void => this.#end('signal');
    setup.signal.addEventListener('abort', onAbort, { once: true });
    if (setup.signal.aborted) this.#end('signal');
    const timer = setup.timeMs === undefined ? undefined : setTimeout(() => this.#end('time'), setup.timeMs);
    try {
      const drivers: Driver[] = [];
      try {
        for (let pass = 1; pass <= 1 + this.config.repeats && this.#stop === undefined; pass++) {
          this.#phase = pass === 1 ? 'crawl' : 'repeat';
          await this.#pass(pass, drivers);
          if (pass === 1 && this.#stop === undefined) await this.#recheck(drivers);
        }
      } finally {
        await Promise.all(drivers.map((driver) => driver.close()));
      }
      return this.#finish(this.#stop === undefined ? await this.#distances() : undefined);
    } catch (error) {
      this.#record.save({ state: 'partial', state_reason: `error: ${(error as Error).message}` });
      throw error;
    } finally {
      clearTimeout(timer);
      setup.signal.removeEventListener('abort', onAbort);
      this.#store.close();
      this.#journal.close();
      setup.jsonl?.close();
    }
  }

  /** Milliseconds since the run began, pauses included. */
  #nowMs = (): number => performance.now() + this.#clockOffsetMs;

  #end(reason: Stop): void {
    this.#stop ??= reason;
    this.#driver?.wake();
  }

  async #pass(number: number, drivers: Driver[]): Promise<void> {
    const { setup, config } = this;
    const restored = this.#passes[number - 1];
    const isEnded = restored !== undefined && (number < this.#passes.length || this.#isLastEnded);
    if (isEnded) return;
    const ownId = restored?.options.ownId ?? Id160.of(new Uint8Array(randomBytes(20)));
    const zone = number === 1 ? this.zone : passZone(config, this.#passes[0] as Pass);
    const pass =
      restored ??
      new Pass({
        ...passOptions(setup, this.#record.row, config, zone, number, ownId, this.#store, this.#vantage),
        first: this.#passes[0]?.machine,
      });
    const driver = await Driver.open(
      { family: config.family, port: number === 1 ? setup.port : 0, bind: setup.bind },
      this.#nowMs,
    );
    drivers.push(driver);
    this.#driver = driver;
    if (restored === undefined) {
      this.#passes.push(pass);
      const begin = new JournalBuffer();
      begin.pass(number, this.#nowMs(), ownId);
      this.#journal.append(begin);
    }
    this.#isLastEnded = false;
    pass.open(driver.send, driver.port, this.#journal);
    const nodes = [...(this.#record.row.own_nodes as readonly unknown[])];
    nodes.push({ pass: number, id: hexOfId(ownId), port: driver.port, zone: zone.toString() });
    this.#record.save({ own_nodes: nodes });
    const { machine } = pass;
    for (const entry of await setup.entries(config)) machine.addBootstrap(entry, this.#nowMs());
    const run = this;
    await driver.run(
      {
        get isDone() {
          return run.#stop !== undefined || machine.isDone;
        },
        handleDatagram: (bytes, from, nowMs) => machine.handleDatagram(bytes, from, nowMs),
        handleUnreachable: (to, nowMs) => machine.handleUnreachable(to, nowMs),
        nextTimeoutMs: (nowMs) => machine.nextTimeoutMs(nowMs),
        handleTimeout: (nowMs) => machine.handleTimeout(nowMs),
      },
      () => pass.flush(this.#nowMs()),
    );
    pass.store(this.#nowMs());
    if (this.#stop !== undefined) return;
    if (number === 1) checkWayIn(machine);
    this.#isLastEnded = true;
    const end = new JournalBuffer();
    end.end(this.#nowMs());
    this.#journal.append(end);
  }

  /** A random part of the nodes again: from a port they never heard of, and then from the old one whoever was silent. */
  async #recheck(drivers: Driver[]): Promise<void> {
    const { config } = this;
    const [first] = drivers;
    const { machine, look } = this.#passes[0] as Pass;
    const sample = recheckSample(machine, config, look.lastedMs);
    if (sample.length === 0 || first === undefined || this.#rechecked !== undefined) return;
    this.#phase = 'recheck';
    const second = await Driver.open({ family: config.family, port: 0, bind: this.setup.bind }, this.#nowMs);
    drivers.push(second);
    const ping = (driver: Driver, nodes: typeof sample): Promise<readonly boolean[]> => {
      this.#driver = driver;
      return pingAll(driver, nodes, config, () => this.#stop !== undefined);
    };
    const beginMs = this.#nowMs();
    const answered = await ping(second, sample);
    const silent = sample.filter((_, i) => answered[i] === false);
    const late = await ping(first, silent);
    if (this.#stop !== undefined) return;
    this.#rechecked = {
      asked: sample.length,
      strangePort: answered.filter(Boolean).length,
      knownPort: late.filter(Boolean).length,
      atMs: (beginMs + this.#nowMs()) / 2,
    };
    this.#store.put(SUMMARY_TABLE, recheckRows(this.runId, this.#rechecked));
  }

  get #turnover(): Turnover | undefined {
    const [first, second] = this.#passes;
    return turnoverOf(this.#rechecked, first?.look, second?.look);
  }

  async #distances(): Promise<Estimate | undefined> {
    if (this.setup.lookups === undefined || this.config.lookups === 0) return undefined;
    this.#phase = 'lookups';
    return fromDistances(await this.setup.lookups(this.config));
  }

  #finish(distances: Estimate | undefined): CrawlResult {
    this.#phase = 'summary';
    const { config } = this;
    const [first, second] = this.#passes;
    const isPartial = this.#stop !== undefined;
    const traps = first?.machine.subnets.traps ?? [];
    const turnover = isPartial ? undefined : this.#turnover;
    const summary = storeSummary(this.#store, {
      runId: this.runId,
      zoneBits: this.zone.bits,
      zonePrefix: hexOfId(this.zone.prefix),
      distances,
      planted: plantedFound(this.#store, config.planted),
      ...recheckExtras(this.#rechecked, first?.look),
      turnover,
      isCut: isPartial && second === undefined && !this.#isLastEnded,
      repeatRange: second === undefined || isPartial ? undefined : rangeOf(second.options.zone),
      traps:
        config.ipPrivacy === 'raw'
          ? traps
          : traps.map(({ listed }, i) => ({ subnet: `trap ${i + 1}`, listed })),
    });
    const loss = lossOf(this.#store);
    const left = this.#passes.at(-1)?.machine;
    this.#record.save({
      state: isPartial ? 'partial' : 'complete',
      state_reason: this.#stop ?? null,
      ended_utc: new Date().toISOString(),
      elapsed_us: Math.round(this.#nowMs() * 1000),
      queue_left: isPartial && left !== undefined ? left.queueLeft + left.prober.inFlight : 0,
      loss_share: loss?.share ?? null,
      loss_answers: loss?.answers ?? 0,
      warnings: runWarnings({
        isCut: isPartial,
        minutes: second === undefined ? 0 : (first?.look.lastedMs ?? 0) / MS_PER_MINUTE,
        turnover,
        traps,
        loss: loss?.share,
      }),
      ...this.#whereWeAre(),
    });
    this.#record.endStream(summary);
    // What could still be looked up goes when nothing is left to resume.
    if (!isPartial && config.ipPrivacy !== 'raw')
      rmSync(join(this.setup.directory, JOURNAL_FILE), { force: true });
    return { run: this.#record.row, summary };
  }

  #whereWeAre(): Partial<RunRow> {
    const { external } = this.#vantage;
    if (external === undefined) return {};
    const seen = vantageColumns(this.#vantage, this.config.ipPrivacy as IpPrivacy, this.setup.key);
    return { ...seen, ...this.#record.placeOf(external.host) };
  }
}
