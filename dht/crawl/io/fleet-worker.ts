// A worker: takes orders from the queue of its vantage point, crawls each with the same pass as a run of one machine, sends the
// rows on, and says when all are sent. Killed in the middle, its order goes to somebody else and its rows are thrown away.
import { randomBytes } from 'node:crypto';
import type { DhtAddress, Family } from '../../base/address.ts';
import { Id160 } from '../../base/node-id.ts';
import type { Row, Table } from '../../dataset/columns.ts';
import { systemRng } from '../../io/system-rng.ts';
import type { CrawlConfig } from '../config.ts';
import type { CrawlMachine } from '../crawl-machine.ts';
import { type Beat, type EndMessage, type Order, type RowsMessage, readOrder } from '../fleet/messages.ts';
import { OptOut } from '../opt-out.ts';
import { Zone } from '../zone.ts';
import { Driver } from './drive.ts';
import { type JetStreamEngine, MAX_MESSAGE_BYTES, type Taken } from './jetstream.ts';
import { Pass, Vantage } from './pass.ts';
import { RAW_TEXT } from './privacy.ts';
import { hexOfId } from './run-parts.ts';

/** A row is a few hundred bytes; twice the usual is room enough. */
const ROW_BYTES = 1_024;
const ROWS_PER_MESSAGE = Math.floor(MAX_MESSAGE_BYTES / ROW_BYTES);

/** What failed here is not handed to the next one in the same moment: nobody may be able to do it. */
const TROUBLE_WAIT_MS = 5_000;
/** What the coordinator shows is that old at most. */
const BEAT_MS = 2_000;

/** What a worker needs of an engine. */
export type OrderQueue = Pick<JetStreamEngine, 'takeOrder' | 'sendRows' | 'sendBeat' | 'heartbeatMs'>;

export interface WorkerOptions {
  readonly engine: OrderQueue;
  /** Shown in the dataset's header. */
  readonly name: string;
  readonly vantage: string;
  /** The worker's own; who is in the order's list is left alone as well. */
  readonly optOut: OptOut;
  /** Address to bind, by family; undefined for all. */
  readonly bind: (family: Family) => string | undefined;
  readonly entries: (config: CrawlConfig) => Promise<readonly DhtAddress[]>;
  readonly signal: AbortSignal;
  /** Ends when no order came for so long; undefined for never. */
  readonly idleMs: number | undefined;
  readonly onOrder: (order: Order) => void;
  readonly onDone: (order: Order, rows: number) => void;
  /** An order that is none, or that could not be done here. */
  readonly onTrouble: (why: string) => void;
}

/** Says every few seconds what this worker does. */
class Pulse {
  /** Orders done. */
  done = 0;
  /** Queries of the orders before this one. */
  #sentBefore = 0;
  readonly #options: WorkerOptions;
  readonly #timer: NodeJS.Timeout;
  #order: Order | undefined;
  #machine: CrawlMachine | undefined;

  constructor(options: WorkerOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.#beat(true), BEAT_MS);
    this.#beat(true);
  }

  at(order: Order | undefined, machine?: CrawlMachine): void {
    if (machine === undefined) this.#sentBefore += this.#machine?.prober.sent ?? 0;
    this.#order = order;
    this.#machine = machine;
    this.#beat(true);
  }

  end(): void {
    clearInterval(this.#timer);
    this.#beat(false);
  }

  #beat(isThere: boolean): void {
    const { engine, name, vantage } = this.#options;
    const order = this.#order;
    const machine = this.#machine;
    const work =
      order === undefined
        ? undefined
        : {
            ...{ runId: order.runId, order: order.order, zone: order.zone },
            visits: machine?.counts.visits ?? 0,
            queueLeft: machine?.queueLeft ?? 0,
            verified: machine?.counts.verified ?? 0,
            sent: machine?.prober.sent ?? 0,
          };
    const beat: Beat = {
      worker: name,
      vantage,
      isThere,
      done: this.done,
      sent: this.#sentBefore + (machine?.prober.sent ?? 0),
      work,
    };
    engine.sendBeat(beat);
  }
}

/** @returns orders done */
export async function work(options: WorkerOptions): Promise<number> {
  const { engine, vantage, signal, idleMs } = options;
  const pulse = new Pulse(options);
  let idleSinceMs = performance.now();
  try {
    while (!signal.aborted && (idleMs === undefined || performance.now() - idleSinceMs < idleMs)) {
      const taken = await engine.takeOrder(vantage);
      if (taken === undefined) continue;
      const order = readOrder(taken.value);
      if (!order.ok) {
        options.onTrouble(order.reason.what);
        await taken.done();
        continue;
      }
      pulse.at(order.value);
      if (await fulfil(options, order.value, taken, pulse)) pulse.done++;
      pulse.at(undefined);
      idleSinceMs = performance.now();
    }
    return pulse.done;
  } finally {
    pulse.end();
  }
}

/** @returns whether it was done to the end */
async function fulfil(options: WorkerOptions, order: Order, taken: Taken, pulse: Pulse): Promise<boolean> {
  const { engine, signal } = options;
  options.onOrder(order);
  const heartbeat = setInterval(() => taken.working(), engine.heartbeatMs);
  const sender = new RowSender(engine, order);
  try {
    const end = await crawl(options, order, sender, pulse);
    if (signal.aborted) {
      taken.giveBack();
      return false;
    }
    await sender.sendEnd(end);
    await taken.done();
    options.onDone(order, sender.rowCount);
    return true;
  } catch (error) {
    options.onTrouble((error as Error).message);
    taken.giveBack(TROUBLE_WAIT_MS);
    return false;
  } finally {
    clearInterval(heartbeat);
  }
}

async function crawl(
  options: WorkerOptions,
  order: Order,
  sender: RowSender,
  pulse: Pulse,
): Promise<EndFacts> {
  const { signal, bind } = options;
  const { config } = order;
  const zone = Zone.parse(order.zone);
  if (!zone.ok) throw new Error(zone.reason.what);
  const ordered = OptOut.parse(order.optOut.join('\n'));
  if (!ordered.ok) throw new Error(ordered.reason.what);
  const ownId = Id160.of(new Uint8Array(randomBytes(20)));
  const pass = new Pass({
    runId: order.runId,
    pass: order.pass,
    zone: zone.value,
    ownId,
    // Addresses are hidden where the key is: by the coordinator.
    config: { ...config, ipPrivacy: 'raw' },
    optOut: options.optOut.with(ordered.value),
    text: RAW_TEXT,
    rng: systemRng,
    store: sender,
    jsonl: undefined,
    vantage: new Vantage(),
  });
  // A machine whose clock is behind the coordinator's still has no times before the run.
  const sinceMs = Math.max(0, Date.now() - order.startedUnixMs);
  const clockOffsetMs = sinceMs - performance.now();
  const nowMs = (): number => performance.now() + clockOffsetMs;
  const driver = await Driver.open({ family: config.family, port: 0, bind: bind(config.family) }, nowMs);
  const onAbort = (): void => driver.wake();
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    // An interrupted order is done anew by somebody else: nothing needs to be remembered here.
    pass.open(driver.send, driver.port, { append: (buffer) => void buffer.take() });
    const { machine } = pass;
    pulse.at(order, machine);
    for (const entry of await options.entries(config)) machine.addBootstrap(entry, nowMs());
    await driver.run(
      {
        get isDone() {
          return signal.aborted || sender.failure !== undefined || machine.isDone;
        },
        handleDatagram: (bytes, from, atMs) => machine.handleDatagram(bytes, from, atMs),
        handleUnreachable: (to, atMs) => machine.handleUnreachable(to, atMs),
        nextTimeoutMs: (atMs) => machine.nextTimeoutMs(atMs),
        handleTimeout: (atMs) => machine.handleTimeout(atMs),
      },
      () => pass.flush(nowMs()),
    );
    pass.store(nowMs());
    return { worker: options.name, ownId: hexOfId(ownId), port: driver.port, traps: machine.subnets.traps };
  } finally {
    signal.removeEventListener('abort', onAbort);
    await driver.close();
  }
}

type EndFacts = Pick<EndMessage, 'worker' | 'ownId' | 'port' | 'traps'>;

/** Rows of one attempt on their way, in order; a batch is sent when the one before is stored. */
class RowSender {
  failure: Error | undefined;
  rowCount = 0;
  readonly #engine: OrderQueue;
  readonly #order: Order;
  readonly #attempt = randomBytes(16).toString('hex');
  #sent: Promise<void> = Promise.resolve();
  #messageCount = 0;

  constructor(engine: OrderQueue, order: Order) {
    this.#engine = engine;
    this.#order = order;
  }

  put<T extends Table>(table: T, rows: readonly Row<T>[]): void {
    this.rowCount += rows.length;
    for (let at = 0; at < rows.length; at += ROWS_PER_MESSAGE) {
      const message: RowsMessage = {
        kind: 'rows',
        ...this.#origin,
        number: this.#messageCount,
        table: table.name,
        rows: rows.slice(at, at + ROWS_PER_MESSAGE),
      };
      this.#send(message);
    }
  }

  /** After every row is stored. @throws Error when one could not be */
  async sendEnd(facts: EndFacts): Promise<void> {
    this.#send({ kind: 'end', ...this.#origin, ...facts, messageCount: this.#messageCount });
    await this.#sent;
    if (this.failure !== undefined) throw this.failure;
  }

  get #origin(): { readonly order: number; readonly attempt: string } {
    return { order: this.#order.order, attempt: this.#attempt };
  }

  #send(message: RowsMessage | EndMessage): void {
    const id = `${this.#attempt}:${this.#messageCount++}`;
    this.#sent = this.#sent
      .then(() => {
        if (this.failure === undefined) return this.#engine.sendRows(this.#order.runId, id, message);
        return undefined;
      })
      .catch((error: unknown) => {
        this.failure ??= error as Error;
      });
  }
}
