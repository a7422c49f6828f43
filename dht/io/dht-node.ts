// A DhtMachine on real sockets: one per family, one OS timer, the state file. What the cli and the engine hold.
import { randomFillSync } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import type { Rng } from '../../core/base/clock.ts';
import type { DatagramPort, OpenDatagramPort, SendOptions } from '../../core/base/datagram-port.ts';
import type { Endpoint } from '../../core/base/endpoint.ts';
import { DhtAddress, type Family } from '../base/address.ts';
import type { DhtOptions } from '../base/options.ts';
import type { BootstrapResult, DhtContact } from '../base/results.ts';
import { DhtMachine } from '../machine.ts';
import { type HostAndPort, literalRouters, PUBLIC_ROUTERS, resolveRouters } from './routers.ts';
import { loadState, saveState } from './state-file.ts';
import { UdpShell } from './udp-shell.ts';

/** A crash loses no more than this. */
const SAVE_MS = 15 * 60_000;
/** setTimeout's ceiling is 2^31 - 1; and a sleep of the machine should be noticed soon. */
const MAX_TIMER_MS = 30_000;
/** Wall clock ahead of the monotonic one by so much: the machine slept. */
const SLEPT_MS = 60_000;
/** With fewer nodes after a start from saved ones, names of routers are resolved and asked. */
const ENOUGH_NODES = 10;
const RANDOM_POOL_BYTES = 4096;
/** `q` before the closing `e`: KRPC queries end in `1:y1:qe`. For them alone a refusal of the system is of use. */
const QUERY_MARK = 0x71;
const OF_A_QUERY: SendOptions = { reportsFailure: true };

export interface DhtNodeOptions extends Omit<DhtOptions, 'rng' | 'families' | 'nodeIds'> {
  /** Default true. */
  readonly ipv4?: boolean;
  /** Default true, where the system has it. */
  readonly ipv6?: boolean;
  /** Default 0, any. The same for both families where that is possible. */
  readonly port?: number;
  /** Addresses to bind; default all. */
  readonly bindV4?: string;
  readonly bindV6?: string;
  /** Where ids and nodes are kept between runs; undefined for nowhere. */
  readonly statePath?: string;
  /** Bootstrap nodes; names are resolved when they are needed. Default the public ones; `[]` for none. */
  readonly bootstrap?: readonly HostAndPort[];
  /** Sockets to share with others (uTP); without it the node opens its own. */
  readonly openPort?: OpenDatagramPort;
}

/** Cryptographic: tokens and transaction ids come from it. 48 bits a draw. */
function cryptoRng(): Rng {
  const pool = new Uint8Array(RANDOM_POOL_BYTES);
  const view = new DataView(pool.buffer);
  let at = RANDOM_POOL_BYTES;
  return {
    next: () => {
      if (at + 6 > RANDOM_POOL_BYTES) {
        randomFillSync(pool);
        at = 0;
      }
      const value = view.getUint16(at) * 2 ** 32 + view.getUint32(at + 2);
      at += 6;
      return value / 2 ** 48;
    },
  };
}

function openOwn(options: DhtNodeOptions, port: number): Promise<DatagramPort> {
  const families: Family[] = [];
  if (options.ipv4 ?? true) families.push(4);
  if (options.ipv6 ?? true) families.push(6);
  return UdpShell.open({ families, port, bindV4: options.bindV4, bindV6: options.bindV6 });
}

/** A DhtMachine on UDP sockets and real time. */
export class DhtNode {
  readonly machine: DhtMachine;
  /** Resolves when the first bootstrap has ended, with or without nodes. */
  readonly ready: Promise<BootstrapResult | undefined>;
  readonly #options: DhtNodeOptions;
  readonly #socket: DatagramPort;
  #timer: NodeJS.Timeout | undefined;
  #armedForMs = Number.POSITIVE_INFINITY;
  #clockGapMs = Date.now() - performance.now();
  #savedAtMs = performance.now();
  #isClosed = false;
  #finishReady: (result: BootstrapResult | undefined) => void = () => {};

  private constructor(options: DhtNodeOptions, socket: DatagramPort, machine: DhtMachine) {
    this.#options = options;
    this.#socket = socket;
    this.machine = machine;
    this.ready = new Promise((resolve) => {
      this.#finishReady = resolve;
    });
  }

  /** Binds the sockets, loads the state and starts the bootstrap. @throws OperationError when no socket can be bound */
  static async open(options: DhtNodeOptions = {}): Promise<DhtNode> {
    const state = options.statePath === undefined ? undefined : await loadState(options.statePath);
    const socket = await (options.openPort ?? ((port) => openOwn(options, port)))(options.port ?? 0);
    const machine = new DhtMachine(
      {
        ...options,
        rng: cryptoRng(),
        families: socket.families,
        ...(state === undefined || options.nodeId !== undefined ? {} : { nodeIds: state.ids }),
      },
      {
        send: (datagram, to) =>
          socket.send(datagram, to, datagram[datagram.length - 2] === QUERY_MARK ? OF_A_QUERY : undefined),
      },
      performance.now(),
    );
    const node = new DhtNode(options, socket, machine);
    socket.addReceiver((bytes, from) => node.#handleDatagram(bytes, from));
    socket.addFailureHandler((to) => node.#handleFailure(to));
    node.#bootstrap(state?.contacts ?? []);
    return node;
  }

  /** Milliseconds of the machine's clock. */
  now(): number {
    return performance.now();
  }

  /** Gives a command to the machine: `node.run((machine, nowMs) => machine.getPeers(hash, {...}, nowMs))`. */
  run<T>(command: (machine: DhtMachine, nowMs: number) => T): T {
    const result = command(this.machine, performance.now());
    this.#arm();
    return result;
  }

  /** Port of the socket of the family; undefined without one. */
  port(family: Family): number | undefined {
    return this.#socket.port(family);
  }

  /** A node that somebody named; not an IP address: ignored. */
  addNode(endpoint: HostAndPort): void {
    const address = DhtAddress.of(endpoint);
    if (address !== undefined) this.run((machine, nowMs) => machine.addNode(address, nowMs));
  }

  /** Saves the state and closes the sockets. Safe to call twice. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#finishReady(undefined);
    await this.#save();
    await this.#socket.close();
  }

  #handleDatagram(bytes: Uint8Array, from: Endpoint): boolean {
    const sender = DhtAddress.of(from);
    if (this.#isClosed || sender === undefined) return false;
    const isOurs = this.machine.handleDatagram(bytes, sender, performance.now());
    if (isOurs) this.#arm();
    return isOurs;
  }

  #handleFailure(to: Endpoint): void {
    // Others' failures come by too: the machine minds only whom it has asked something.
    const address = DhtAddress.of(to);
    if (this.#isClosed || address === undefined) return;
    this.run((machine, nowMs) => machine.handleUnreachable(address, nowMs));
  }

  #arm(): void {
    if (this.#isClosed) return;
    const dueMs = this.machine.nextTimeoutMs();
    if (dueMs >= this.#armedForMs) return;
    clearTimeout(this.#timer);
    const nowMs = performance.now();
    const waitMs = Math.min(MAX_TIMER_MS, Math.max(0, Math.ceil(dueMs - nowMs)));
    this.#armedForMs = nowMs + waitMs;
    this.#timer = setTimeout(() => this.#handleTimer(), waitMs);
    // Waiting for the DHT keeps no program alive that has nothing else to do.
    this.#timer.unref();
  }

  #handleTimer(): void {
    this.#armedForMs = Number.POSITIVE_INFINITY;
    const nowMs = performance.now();
    // A sleeping machine's monotonic clock stands still on some systems; the wall clock tells.
    const gapMs = Date.now() - nowMs;
    if (gapMs - this.#clockGapMs > SLEPT_MS) this.machine.handleWake(nowMs);
    this.#clockGapMs = gapMs;
    this.machine.handleTimeout(nowMs);
    if (nowMs - this.#savedAtMs > SAVE_MS) void this.#save();
    this.#arm();
  }

  #bootstrap(saved: readonly DhtContact[]): void {
    const hosts = this.#options.bootstrap ?? PUBLIC_ROUTERS;
    const literal = literalRouters(hosts);
    const start = (nodes: readonly DhtContact[], routers: readonly DhtAddress[]): void => {
      const onDone = (result: BootstrapResult): void => {
        // Saved nodes were too few: now the names are worth a look-up.
        if (result.nodes < ENOUGH_NODES && nodes.length > 0 && literal.length < hosts.length) ask([]);
        else this.#finishReady(result);
      };
      this.run((machine, nowMs) => machine.bootstrap({ nodes, routers, onDone }, nowMs));
    };
    const ask = (nodes: readonly DhtContact[]): void => {
      void resolveRouters(hosts).then((routers) => {
        if (!this.#isClosed) start(nodes, routers);
      });
    };
    if (saved.length > 0 || literal.length === hosts.length) start(saved, literal);
    else ask([]);
  }

  async #save(): Promise<void> {
    const { statePath } = this.#options;
    this.#savedAtMs = performance.now();
    if (statePath === undefined) return;
    const state = this.machine.state(this.#savedAtMs);
    // A node that never got in would overwrite what may help the next one.
    if (state.contacts.length === 0) return;
    try {
      await saveState(statePath, state);
    } catch (error) {
      this.#options.log?.('warn', 'cannot save the DHT state', { error: String(error) });
    }
  }
}
