// NATS JetStream as the engine of a crawl on several machines: the only file that knows its packages. Orders lie in a work queue,
// where each goes to one worker and comes back when that worker falls silent; rows lie in another until the coordinator has them.
import {
  AckPolicy,
  type Consumer,
  type JetStreamClient,
  type JetStreamManager,
  type JsMsg,
  jetstream,
  jetstreamManager,
  RetentionPolicy,
} from '@nats-io/jetstream';
import { connect, type NatsConnection, nanos } from '@nats-io/transport-node';
import { OperationError } from '../../../core/base/result.ts';
import { GONE_MS } from '../fleet/roster.ts';

const ORDERS = 'TT_CRAWL_ORDERS';
const ROWS = 'TT_CRAWL_ROWS';
const ROWS_WAIT_MS = 30_000;
/** Below the server's usual limit of 1 MiB a message. */
export const MAX_MESSAGE_BYTES = 512 << 10;
const CONNECT_TIMEOUT_MS = 5_000;
const FETCH_MS = 1_000;
/** Outside of both queues: who does not listen has missed nothing. */
const BEATS = 'tt.crawl.beats';

/** A message that was taken and not yet answered for. */
export interface Taken {
  readonly value: unknown;
  /** Whole work done: it never comes back. Resolves when the server has heard it. */
  done(): Promise<void>;
  /** Still at it. */
  working(): void;
  /** Somebody else may try, at once or after so long. */
  giveBack(afterMs?: number): void;
}

export class JetStreamEngine {
  readonly #connection: NatsConnection;
  readonly #manager: JetStreamManager;
  readonly #client: JetStreamClient;
  readonly #orderWaitMs: number;
  readonly #consumers = new Map<string, Consumer>();

  private constructor(connection: NatsConnection, manager: JetStreamManager, orderWaitMs: number) {
    this.#connection = connection;
    this.#manager = manager;
    this.#client = jetstream(connection);
    this.#orderWaitMs = orderWaitMs;
  }

  /** @param url `nats://HOST:PORT` @throws OperationError `network` */
  static async open(url: string, orderWaitMs = GONE_MS): Promise<JetStreamEngine> {
    let connection: NatsConnection | undefined;
    try {
      connection = await connect({
        servers: url,
        timeout: CONNECT_TIMEOUT_MS,
        maxReconnectAttempts: -1,
        name: 'tt',
      });
      const manager = await jetstreamManager(connection);
      for (const [name, subject] of [
        [ORDERS, 'tt.crawl.orders.>'],
        [ROWS, 'tt.crawl.rows.>'],
      ] as const) {
        await manager.streams
          .info(name)
          .catch(() =>
            manager.streams.add({ name, subjects: [subject], retention: RetentionPolicy.Workqueue }),
          );
      }
      return new JetStreamEngine(connection, manager, orderWaitMs);
    } catch (error) {
      await connection?.close();
      throw new OperationError('network', `no JetStream at ${url}: ${(error as Error).message}`, {
        cause: error,
        hint: 'Start one with `nats-server -js`.',
      });
    }
  }

  /** Heartbeats of a worker: three within the wait. */
  get heartbeatMs(): number {
    return this.#orderWaitMs / 3;
  }

  /** @param id the same one twice is one order */
  async giveOrder(vantage: string, id: string, order: unknown): Promise<void> {
    await this.#client.publish(`tt.crawl.orders.${vantage}`, JSON.stringify(order), { msgID: id });
  }

  /** @returns undefined when nothing came within a second */
  async takeOrder(vantage: string): Promise<Taken | undefined> {
    return this.#take(ORDERS, `workers-${vantage}`, `tt.crawl.orders.${vantage}`, this.#orderWaitMs);
  }

  /** Resolves when the server has stored it. @param id the same one twice is one message */
  async sendRows(runId: string, id: string, message: unknown): Promise<void> {
    await this.#client.publish(`tt.crawl.rows.${runId}`, JSON.stringify(message), { msgID: id });
  }

  async takeRows(runId: string): Promise<Taken | undefined> {
    return this.#take(ROWS, `run-${runId}`, `tt.crawl.rows.${runId}`, ROWS_WAIT_MS);
  }

  /** What a worker says of itself; lost when nobody listens. */
  sendBeat(beat: unknown): void {
    try {
      this.#connection.publish(BEATS, JSON.stringify(beat));
    } catch {
      // Closing: nobody needs it any more.
    }
  }

  /** Hears every worker at this server, until the engine is closed. @param handle gets whatever was published there */
  hearBeats(handle: (value: unknown) => void): void {
    this.#connection.subscribe(BEATS, {
      callback: (error, message) => {
        if (error !== null) return;
        try {
          handle(message.json());
        } catch {
          // Somebody else's.
        }
      },
    });
  }

  /** Orders and rows of a run that is over. */
  async forget(runId: string): Promise<void> {
    await this.#manager.consumers.delete(ROWS, `run-${runId}`).catch(() => false);
    await this.#manager.streams.purge(ROWS, { filter: `tt.crawl.rows.${runId}` }).catch(() => undefined);
  }

  async close(): Promise<void> {
    await this.#connection.drain().catch(() => undefined);
  }

  async #take(stream: string, durable: string, subject: string, waitMs: number): Promise<Taken | undefined> {
    let consumer = this.#consumers.get(durable);
    if (consumer === undefined) {
      await this.#manager.consumers.add(stream, {
        durable_name: durable,
        filter_subject: subject,
        ack_policy: AckPolicy.Explicit,
        ack_wait: nanos(waitMs),
      });
      consumer = await this.#client.consumers.get(stream, durable);
      this.#consumers.set(durable, consumer);
    }
    const message = await consumer.next({ expires: FETCH_MS });
    return message === null ? undefined : takenOf(message);
  }
}

function takenOf(message: JsMsg): Taken {
  let value: unknown;
  try {
    value = message.json();
  } catch {
    value = undefined;
  }
  return {
    value,
    done: async () => {
      await message.ackAck();
    },
    working: () => message.working(),
    giveBack: (afterMs) => message.nak(afterMs),
  };
}
