// A whole run: its directory, its passes one after the other, what is asked again at the end, its summary. Continues where an
// interrupted one stopped, whatever stopped it.
import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import type { DhtAddress } from '../../base/address.ts';
import { Id160 } from '../../base/node-id.ts';
import { type AddressBook, geoColumns } from '../../dataset/io/address-book.ts';
import { writeHeader } from '../../dataset/io/header-file.ts';
import type { JsonlWriter } from '../../dataset/io/jsonl.ts';
import type { DatasetStore } from '../../dataset/io/store.ts';
import { lossOf, storeSummary } from '../../dataset/io/summarise.ts';
import { ENRICHMENT_TABLE, SUMMARY_TABLE, type SummaryRow } from '../../dataset/more-tables.ts';
import { RUN_TABLE, type RunRow } from '../../dataset/run-table.ts';
import type { CrawlConfig } from '../config.ts';
import type { CrawlCounts } from '../crawl-counts.ts';
import { type Estimate, fromDistances } from '../estimates.ts';
import { JournalBuffer, recordedMs } from '../journal.ts';
import type { OptOut } from '../opt-out.ts';
import { type Recheck, recheckRows } from '../recheck.ts';
import { rangeOf } from '../repeat-zone.ts';
import type { Turnover } from '../two-looks.ts';
import type { Zone } from '../zone.ts';
import { plantedFound, recheckExtras, storedRecheck, turnoverOf } from './after-look.ts';
import { Driver } from './drive.ts';
import { JournalFile } from './journal-file.ts';
import { beginRun, reopenRun } from './open-run.ts';
import type { OverlapCounts } from './overlap.ts';
import { Pass, Vantage } from './pass.ts';
import type { PlaceCounts } from './places.ts';
import { addressText, type IpPrivacy } from './privacy.ts';
import type { ToolIdentity } from './run-header.ts';
import { checkWayIn, hexOfId, passOptions, passZone, pingAll, recheckSample, zoneOf } from './run-parts.ts';
import { runWarnings } from './run-warnings.ts';

export const JOURNAL_FILE = 'journal';

export interface CrawlSetup {
  readonly directory: string;
  readonly tool: ToolIdentity;
  /** Of a new run; a resumed one has its own. */
  readonly config: CrawlConfig | undefined;
  readonly optOut: OptOut;
  readonly optOutHash: string | undefined;
  /** With `hmac`. */
  readonly key: Uint8Array | undefined;
  readonly bind: string | undefined;
  readonly port: number;
  /** Where to enter. */
  readonly entries: (config: CrawlConfig) => Promise<readonly DhtAddress[]>;
  /** Distances of the nearest live nodes to random targets; undefined for no lookups. */
  readonly lookups: ((config: CrawlConfig) => Promise<readonly (readonly number[])[]>) | undefined;
  readonly jsonl: JsonlWriter | undefined;
  /** Databases of addresses: the enrichment table is written as the run goes, from addresses not yet hidden. */
  readonly book?: AddressBook | undefined;
  readonly signal: AbortSignal;
  /** Stops asking after this long; undefined for never. */
  readonly timeMs: number | undefined;
  readonly onStart: (run: CrawlRun) => void;
}

export interface CrawlProgress {
  readonly runId: string;
  readonly phase: 'crawl' | 'repeat' | 'recheck' | 'lookups' | 'summary';
  readonly pass: number;
  readonly elapsedMs: number;
  readonly counts: CrawlCounts;
  readonly verified: number;
  readonly queueLeft: number;
  readonly inFlight: number;
  readonly sent: number;
  readonly zoneBits: number;
  readonly traps: number;
  /** Where the answering nodes of this look are, with a database. */
  readonly places: PlaceCounts | undefined;
  /** Of a second look: how much of what it finds the first had found. */
  readonly overlap: OverlapCounts | undefined;
  /** Of a second look after a long first one. */
  readonly turnover?: Turnover | undefined;
}

export interface CrawlResult {
  readonly run: RunRow;
  readonly summary: readonly SummaryRow[];
}

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
  #header: RunRow;
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
    this.#header = opened.header;
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
    return this.#header.run_id;
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
    run.#saveHeader(run.#geoColumns(undefined));
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
    run.#saveHeader({ ...again, ...run.#geoColumns(undefined) });
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
      this.#saveHeader({ state: 'partial', state_reason: `error: ${(error as Error).message}` });
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
        ...passOptions(setup, this.#header, config, zone, number, ownId, this.#store, this.#vantage),
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
    const nodes = [...(this.#header.own_nodes as readonly unknown[])];
    nodes.push({ pass: number, id: hexOfId(ownId), port: driver.port, zone: zone.toString() });
    this.#saveHeader({ own_nodes: nodes });
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
    this.#saveHeader({
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
      ...this.#vantageColumns(),
    });
    const { jsonl } = this.setup;
    if (jsonl !== undefined && this.setup.book !== undefined)
      for (const row of this.#store.rows(ENRICHMENT_TABLE)) jsonl.put(ENRICHMENT_TABLE, [row]);
    jsonl?.put(SUMMARY_TABLE, summary);
    jsonl?.put(RUN_TABLE, [this.#header]);
    // What could still be looked up goes when nothing is left to resume.
    if (!isPartial && config.ipPrivacy !== 'raw')
      rmSync(join(this.setup.directory, JOURNAL_FILE), { force: true });
    return { run: this.#header, summary };
  }

  #vantageColumns(): Partial<RunRow> {
    const { external, samePort, otherPort } = this.#vantage;
    if (external === undefined) return {};
    const text = addressText(this.config.ipPrivacy as IpPrivacy, this.setup.key);
    const own = Object.values(networkInterfaces()).flatMap(
      (list) => list?.map(({ address }) => address) ?? [],
    );
    const keepsPort = samePort > otherPort;
    const nat =
      own.includes(external.host) && keepsPort ? 'none' : keepsPort ? 'port-preserving' : 'port-changing';
    return { vantage_external: text.ip(external), vantage_nat: nat, ...this.#geoColumns(external.host) };
  }

  #geoColumns(external: string | undefined): Partial<RunRow> {
    const { book } = this.setup;
    return book === undefined ? {} : geoColumns(book, external ?? null);
  }

  #saveHeader(changes: Partial<RunRow>): void {
    this.#header = { ...this.#header, ...changes };
    this.#store.put(RUN_TABLE, [this.#header]);
    writeHeader(this.setup.directory, this.#header);
  }
}
