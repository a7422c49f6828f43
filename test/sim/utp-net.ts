// A network for uTP on virtual time: hosts with the real machine, lines with bandwidth, a queue, delay, jitter, loss,
// repeats and a largest datagram.
import { type Rng, seededRng } from '../../core/base/clock.ts';
import type { Endpoint } from '../../core/base/endpoint.ts';
import { EventQueue } from '../../core/base/event-queue.ts';
import type { UtpConnection } from '../../core/transport/utp/connection.ts';
import type { ConnectionEvents } from '../../core/transport/utp/connection-port.ts';
import { UtpMux } from '../../core/transport/utp/mux.ts';

/** IPv4 and UDP. */
const OVERHEAD_BYTES = 28;

export interface LineOptions {
  /** 0: without limit. */
  readonly bytesPerSec?: number;
  /** What waits beyond it is dropped at the tail. */
  readonly queueBytes?: number;
  readonly delayMs?: number;
  /** Added at random to each packet: they overtake each other. */
  readonly jitterMs?: number;
  readonly lossShare?: number;
  readonly repeatShare?: number;
  /** UDP payload; larger ones vanish. */
  readonly largestBytes?: number;
}

/** One direction; several flows may share it. */
export class Line {
  readonly options: LineOptions;
  readonly #queue: EventQueue;
  readonly #rng: Rng;
  #freeAtMs = 0;
  dropCount = 0;
  sentBytes = 0;
  /** Sum and count of waiting times, and the longest. */
  waitSumMs = 0;
  waitCount = 0;

  constructor(queue: EventQueue, rng: Rng, options: LineOptions) {
    this.#queue = queue;
    this.#rng = rng;
    this.options = options;
  }

  get meanWaitMs(): number {
    return this.waitCount === 0 ? 0 : this.waitSumMs / this.waitCount;
  }

  resetMeasures(): void {
    this.waitSumMs = 0;
    this.waitCount = 0;
    this.sentBytes = 0;
    this.dropCount = 0;
  }

  send(bytes: number, deliver: () => void): void {
    const { bytesPerSec = 0, queueBytes = 1 << 30, delayMs = 0, jitterMs = 0 } = this.options;
    const { lossShare = 0, repeatShare = 0, largestBytes = 1 << 16 } = this.options;
    if (bytes > largestBytes) return;
    const nowMs = this.#queue.nowMs;
    let leavesAtMs = nowMs;
    if (bytesPerSec > 0) {
      const waitMs = Math.max(0, this.#freeAtMs - nowMs);
      if ((waitMs * bytesPerSec) / 1000 > queueBytes) {
        this.dropCount++;
        return;
      }
      this.waitSumMs += waitMs;
      this.waitCount++;
      this.#freeAtMs = nowMs + waitMs + ((bytes + OVERHEAD_BYTES) * 1000) / bytesPerSec;
      leavesAtMs = this.#freeAtMs;
    }
    this.sentBytes += bytes;
    const copies = this.#rng.next() < repeatShare ? 2 : 1;
    for (let i = 0; i < copies; i++) {
      if (this.#rng.next() < lossShare) {
        this.dropCount++;
        continue;
      }
      this.#queue.at(leavesAtMs + delayMs + this.#rng.next() * jitterMs, deliver);
    }
  }
}

/** What one side of a connection was told; `received` counts and checks without keeping. */
export class Told implements ConnectionEvents {
  connection: UtpConnection | undefined;
  isOpen = false;
  closedWith: string | undefined | 'not yet' = 'not yet';
  receivedBytes = 0;
  /** Only while `keeps`. */
  readonly chunks: Uint8Array[] = [];
  keeps = true;
  drain: () => void = () => {};
  opened: () => void = () => {};
  took: (payload: Uint8Array) => void = () => {};

  onOpen(): void {
    this.isOpen = true;
    this.opened();
  }
  onBytes(payload: Uint8Array): void {
    this.receivedBytes += payload.length;
    if (this.keeps) this.chunks.push(payload.slice());
    this.took(payload);
  }
  onDrain(): void {
    this.drain();
  }
  onClose(code: string | undefined): void {
    if (this.closedWith !== 'not yet') throw new Error('closed twice');
    this.closedWith = code;
  }
}

export class Host {
  readonly endpoint: Endpoint;
  readonly mux: UtpMux;
  readonly accepted: Told[] = [];
  onAccepted: (told: Told) => void = () => {};
  /** Counts datagrams; may change or swallow them. */
  sentCount = 0;
  readonly #net: UtpNet;
  #armedForMs = Number.POSITIVE_INFINITY;
  #isFlushDue = false;

  constructor(net: UtpNet, endpoint: Endpoint) {
    this.#net = net;
    this.endpoint = endpoint;
    this.mux = new UtpMux({
      rng: net.rng,
      output: {
        send: (bytes, to) => {
          this.sentCount++;
          net.carry(this, bytes, to);
        },
      },
    });
    this.mux.setAccept((_from, connection) => {
      const told = new Told();
      told.opened = () => {
        told.connection = connection();
        this.accepted.push(told);
        this.onAccepted(told);
      };
      return told;
    });
  }

  dial(to: Host): Told {
    const told = new Told();
    const connection = this.mux.dial(to.endpoint, told, {}, this.#net.queue.nowMs);
    if (connection === undefined) throw new Error('too many');
    told.connection = connection;
    this.poke();
    return told;
  }

  receive(bytes: Uint8Array, from: Endpoint): void {
    this.mux.handleDatagram(bytes, from, this.#net.queue.nowMs);
    this.poke();
  }

  /** After every command: flushes at the end of this instant, as the shell does at the end of a turn. */
  poke(told?: Told): void {
    if (told?.connection !== undefined) this.mux.touch(told.connection);
    if (this.#isFlushDue) return;
    this.#isFlushDue = true;
    this.#net.queue.after(0, () => {
      this.#isFlushDue = false;
      this.mux.flush(this.#net.queue.nowMs);
      this.#arm();
    });
  }

  #arm(): void {
    const dueMs = this.mux.nextTimeoutMs();
    if (dueMs >= this.#armedForMs) return;
    this.#armedForMs = dueMs;
    this.#net.queue.at(dueMs, () => {
      if (this.#armedForMs !== dueMs) return;
      this.#armedForMs = Number.POSITIVE_INFINITY;
      this.mux.handleTimeout(this.#net.queue.nowMs);
      this.#arm();
    });
  }
}

export class UtpNet {
  readonly queue = new EventQueue();
  readonly rng: Rng;
  readonly #hosts = new Map<string, Host>();
  readonly #lines = new Map<string, Line>();

  constructor(seed: number) {
    this.rng = seededRng(seed);
  }

  host(name = `10.0.0.${this.#hosts.size + 1}`): Host {
    const host = new Host(this, { host: name, port: 6881 });
    this.#hosts.set(name, host);
    return host;
  }

  line(options: LineOptions): Line {
    return new Line(this.queue, this.rng, options);
  }

  /** What goes from one host to the other takes this line. */
  connect(from: Host, to: Host, line: Line): void {
    this.#lines.set(`${from.endpoint.host} ${to.endpoint.host}`, line);
  }

  carry(from: Host, bytes: Uint8Array, to: Endpoint): void {
    const target = this.#hosts.get(to.host);
    const line = this.#lines.get(`${from.endpoint.host} ${to.host}`);
    if (target === undefined || line === undefined) return;
    const copy = bytes.slice();
    line.send(copy.length, () => target.receive(copy.slice(), from.endpoint));
  }

  runUntil(untilMs: number, isDone: () => boolean = () => false): void {
    while (!isDone()) if (!this.queue.step(untilMs)) return;
  }
}

/** Keeps a connection busy with what `next` gives, until it gives nothing. */
export function feed(host: Host, told: Told, next: () => Uint8Array | undefined): void {
  told.drain = () => {
    for (;;) {
      if ((told.connection?.queuedBytes ?? 0) >= 512 * 1024) return;
      const bytes = next();
      if (bytes === undefined) return;
      told.connection?.write(bytes, undefined);
    }
  };
  told.drain();
  host.poke(told);
}
