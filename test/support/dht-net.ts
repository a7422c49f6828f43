// A small virtual network for DHT tests: datagrams take a drawn time, machines get their timeouts, nothing else. The
// simulator of its own is bigger; this one fits on a page.
import { type Rng, seededRng } from '../../core/base/clock.ts';
import { DhtAddress } from '../../dht/base/address.ts';
import { idForAddress } from '../../dht/base/bep42.ts';
import { compareDistance, Id160 } from '../../dht/base/node-id.ts';
import type { DhtOptions } from '../../dht/base/options.ts';
import { DhtMachine } from '../../dht/machine.ts';

interface Event {
  readonly atMs: number;
  readonly sequence: number;
  readonly run: () => void;
}

export interface NetNode {
  readonly machine: DhtMachine;
  readonly address: DhtAddress;
  readonly id: Uint8Array;
  isUp: boolean;
}

export interface SentDatagram {
  readonly bytes: Uint8Array;
  readonly from: DhtAddress;
  readonly to: DhtAddress;
  readonly atMs: number;
}

export class DhtNet {
  readonly rng: Rng;
  readonly nodes: NetNode[] = [];
  nowMs = 1_000_000;
  /** One way. */
  delayMs: () => number;
  /** Sees every datagram; false drops it. */
  onDatagram: (sent: SentDatagram) => boolean = () => true;
  readonly #byKey = new Map<string, NetNode | ((sent: SentDatagram) => void)>();
  readonly #armed = new Map<NetNode, number>();
  readonly #events: Event[] = [];
  #sequence = 0;

  constructor(seed: number) {
    this.rng = seededRng(seed);
    this.delayMs = () => 20 + this.rng.next() * 40;
  }

  /** A public address of its own /24, and a BEP 42 id for it. */
  add(options: Partial<DhtOptions> = {}, address: DhtAddress = this.newAddress()): NetNode {
    const id = options.nodeId ?? idForAddress(address, this.rng).toBytes();
    const node: NetNode = {
      machine: new DhtMachine(
        { rng: this.rng, nodeId: id, families: [address.family], ...options },
        { send: (datagram, to) => this.send(datagram.slice(), address, to) },
        this.nowMs,
      ),
      address,
      id,
      isUp: true,
    };
    this.nodes.push(node);
    this.#byKey.set(keyOf(address), node);
    this.#arm(node);
    return node;
  }

  /** Something that is not a machine of ours listens there. */
  listen(address: DhtAddress, handler: (sent: SentDatagram) => void): void {
    this.#byKey.set(keyOf(address), handler);
  }

  newAddress(): DhtAddress {
    // 11.0.0.0 and up, one per /24, none of them special.
    return DhtAddress.v4(((11 << 24) + (this.nodes.length + 1) * 256 + 7) | 0, 6881);
  }

  send(bytes: Uint8Array, from: DhtAddress, to: DhtAddress): void {
    const sent = { bytes, from, to, atMs: this.nowMs };
    if (!this.onDatagram(sent)) return;
    this.at(this.nowMs + this.delayMs(), () => {
      const there = this.#byKey.get(keyOf(to));
      if (there === undefined) return;
      if (typeof there === 'function') return there(sent);
      if (!there.isUp) return;
      there.machine.handleDatagram(bytes, from, this.nowMs);
      this.#arm(there);
    });
  }

  at(atMs: number, run: () => void): void {
    const event = { atMs, sequence: this.#sequence++, run };
    let low = 0;
    let high = this.#events.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#events[middle] as Event).atMs > atMs) low = middle + 1;
      else high = middle;
    }
    this.#events.splice(low, 0, event);
  }

  /** Gives a command to a node. */
  command<T>(node: NetNode, run: (machine: DhtMachine, nowMs: number) => T): T {
    const result = run(node.machine, this.nowMs);
    this.#arm(node);
    return result;
  }

  /** Gives a command to a node and runs until it has its result. @throws Error when that takes more than a minute */
  ask<T>(node: NetNode, run: (finish: (result: T) => void, nowMs: number) => void): T {
    let result: T | undefined;
    this.command(node, (_machine, nowMs) => run((done) => (result = done), nowMs));
    this.run(60_000, () => result !== undefined);
    if (result === undefined) throw new Error('no result');
    return result;
  }

  /** Runs until `isDone` or for `forMs`. @returns whether it was done */
  run(forMs: number, isDone: () => boolean = () => false): boolean {
    const endMs = this.nowMs + forMs;
    for (;;) {
      if (isDone()) return true;
      const event = this.#events.at(-1);
      if (event === undefined || event.atMs > endMs) break;
      this.#events.pop();
      this.nowMs = Math.max(this.nowMs, event.atMs);
      event.run();
    }
    this.nowMs = endMs;
    return isDone();
  }

  /** Everybody knows up to `count` others, and its neighbours, as after a long life. */
  fillTables(count: number): void {
    const neighbours = Math.min(12, count);
    const ids = new Map(this.nodes.map((node) => [node, Id160.of(node.id)]));
    const idOf = (node: NetNode): Id160 => ids.get(node) as Id160;
    for (const node of this.nodes) {
      const near = [...this.nodes].sort((x, y) => compareDistance(idOf(node), idOf(x), idOf(y)));
      for (const other of near.slice(1, neighbours + 1)) node.machine.insertVerified(other, this.nowMs, 80);
      for (let i = 0; i < count; i++) {
        const other = this.nodes[Math.floor(this.rng.next() * this.nodes.length)] as NetNode;
        if (other !== node) node.machine.insertVerified(other, this.nowMs, 80);
      }
    }
  }

  #arm(node: NetNode): void {
    const nextMs = node.machine.nextTimeoutMs();
    const armedMs = this.#armed.get(node) ?? Number.POSITIVE_INFINITY;
    if (nextMs >= armedMs || nextMs === Number.POSITIVE_INFINITY) return;
    this.#armed.set(node, nextMs);
    this.at(Math.max(nextMs, this.nowMs), () => {
      if (this.#armed.get(node) === nextMs) this.#armed.delete(node);
      if (!node.isUp) return;
      node.machine.handleTimeout(this.nowMs);
      this.#arm(node);
    });
  }
}

function keyOf(address: DhtAddress): string {
  return `${address.host} ${address.port}`;
}
