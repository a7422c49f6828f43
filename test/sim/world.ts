// The seeded world of a swarm simulation: virtual clock, nodes, links, the record of what happened. Same seed, same trace.
import { type Rng, seededRng } from '../../core/base/clock.ts';
import { EventQueue } from '../../core/base/event-queue.ts';
import { PieceLayout } from '../../core/metainfo/layout.ts';
import { Link } from './link.ts';
import { SimNode, type SimNodeOptions } from './sim-node.ts';

export interface SimWorldOptions {
  readonly seed: number;
  readonly totalBytes: number;
  readonly pieceLength: number;
}

export class SimWorld {
  readonly queue = new EventQueue();
  readonly rng: Rng;
  readonly layout: PieceLayout;
  readonly seed: number;
  readonly nodes: SimNode[] = [];
  /** By piece: nodes that have verified it, those that began with it not counted. */
  readonly copies: Int32Array;
  #traceLow = 0x811c9dc5;
  #traceHigh = 0x01000193;

  constructor(options: SimWorldOptions) {
    this.seed = options.seed;
    this.rng = seededRng(options.seed);
    this.layout = new PieceLayout(options.totalBytes, options.pieceLength);
    this.copies = new Int32Array(this.layout.pieceCount);
  }

  addNode(options: SimNodeOptions): SimNode {
    const node = new SimNode(this, this.nodes.length, options);
    this.nodes.push(node);
    return node;
  }

  connect(left: SimNode, right: SimNode): void {
    if (left === right || left.isConnectedTo(right)) return;
    const out = new Link(this, left, right);
    const back = new Link(this, right, left);
    out.reverse = back;
    back.reverse = out;
    out.localPeer = left.addPeer(out, false);
    back.localPeer = right.addPeer(back, true);
    back.remotePeer = out.localPeer;
    out.remotePeer = back.localPeer;
  }

  /** Everybody dials random others until it has `degree` or nobody is left that has room. */
  connectRandomly(nodes: readonly SimNode[], degree: number): void {
    for (const node of nodes) {
      for (let tries = 0; node.connectionCount < degree && tries < 20 * degree; tries++) {
        const other = nodes[Math.floor(this.rng.next() * nodes.length)] as SimNode;
        if (other.connectionCount < degree * 2) this.connect(node, other);
      }
    }
  }

  /** Until `isDone`, or `untilMs`, or nothing happens any more. @returns whether `isDone` */
  run(untilMs: number, isDone: () => boolean): boolean {
    while (!isDone()) {
      if (!this.queue.step(untilMs)) return isDone();
    }
    return true;
  }

  /** Folds one fact into the trace hash (FNV-1a, twice with different bases). */
  note(what: string, a: number, b: number, c = 0): void {
    const words = [what.length * 31 + what.charCodeAt(0), a, b, c, Math.round(this.queue.nowMs * 1000) | 0];
    for (const word of words) {
      this.#traceLow = Math.imul(this.#traceLow ^ word, 0x01000193);
      this.#traceHigh = Math.imul(this.#traceHigh ^ (word + 0x9e37), 0x85ebca6b);
    }
  }

  /** 16 hex digits. */
  get traceHash(): string {
    const hex = (word: number): string => (word >>> 0).toString(16).padStart(8, '0');
    return hex(this.#traceHigh) + hex(this.#traceLow);
  }

  /** Copies of the least replicated piece. */
  leastCopies(): number {
    let least = Number.POSITIVE_INFINITY;
    for (const count of this.copies) if (count < least) least = count;
    return least;
  }
}
