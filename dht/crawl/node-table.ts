// Every endpoint a crawl has heard of, once, in typed arrays that grow by chunks and are never copied: 38 bytes a node over IPv4
// (50 over IPv6) and about 5 more of the index, so that ten million fit into 430 MB.
import { DhtAddress, type Family } from '../base/address.ts';
import { Id160 } from '../base/node-id.ts';
import { EndpointIndex, type Endpoints, type EndpointWords } from './endpoint-index.ts';
import { hashAddress } from './hash.ts';
import { SteadyTimes } from './steady-times.ts';

/** Where a node is in its life. */
export const NodeState = {
  queued: 0,
  /** Held back by a limit of its host or subnet. */
  deferred: 1,
  inFlight: 2,
  answered: 3,
  /** Answered with the id it is listed under. */
  verified: 4,
  dead: 5,
  /** Never asked: opted out, trapped. */
  setAside: 6,
  /** Known, and no part of what is measured: a stepping stone not needed. */
  outside: 7,
} as const;
export type NodeState = (typeof NodeState)[keyof typeof NodeState];

const CHUNK_BITS = 16;
const CHUNK = 1 << CHUNK_BITS;
const CHUNK_MASK = CHUNK - 1;
const MAX_REFERRERS = 0xffff;
/** Referrers of nodes that no reply listed. */
export const NO_CLAIM = -1;
export const GIVEN = -2;

/** A link and a state share a word: numbers have what three bits leave of it. */
const STATE_SHIFT = 29;
const LINK_MASK = (1 << STATE_SHIFT) - 1;

interface Chunk {
  readonly ids: Int32Array;
  readonly addresses: Int32Array;
  readonly ports: Uint16Array;
  /** Its state above; below, plus one, the next node of the same list: of the queue, or of a slot of waiting ones. */
  readonly links: Uint32Array;
  readonly referrers: Uint16Array;
  readonly firstReferrers: Int32Array;
  /** Heard of: milliseconds since a moment that `SteadyTimes` knows. */
  readonly queued: Uint16Array;
}

export class NodeTable implements Endpoints {
  readonly family: Family;
  readonly #words: 1 | 4;
  readonly #chunks: Chunk[] = [];
  readonly #index = new EndpointIndex(this);
  readonly #times = new SteadyTimes();
  #size = 0;

  constructor(family: Family) {
    this.family = family;
    this.#words = family === 4 ? 1 : 4;
  }

  get size(): number {
    return this.#size;
  }

  /** Bytes of all arrays. */
  get bytes(): number {
    const perNode = 20 + 4 * this.#words + 2 + 4 + 2 + 4 + 2;
    return this.#chunks.length * CHUNK * perNode + this.#index.bytes;
  }

  /** @returns the node at this endpoint, -1 for none */
  find(endpoint: EndpointWords): number {
    return this.#index.find(endpoint);
  }

  /**
   * Adds an endpoint that `find` does not know.
   * @param queuedMs whole milliseconds of it are kept
   * @returns its number: they count from 0
   */
  add(id: Id160, address: EndpointWords, referrer: number, queuedMs: number): number {
    const { w0, w1, w2, w3, port } = address;
    const node = this.#size++;
    if (node >>> CHUNK_BITS === this.#chunks.length) this.#chunks.push(this.#newChunk());
    const chunk = this.#chunkOf(node);
    const i = node & CHUNK_MASK;
    this.setId(node, id);
    const at = i * this.#words;
    chunk.addresses[at] = w0;
    if (this.#words === 4) {
      chunk.addresses[at + 1] = w1;
      chunk.addresses[at + 2] = w2;
      chunk.addresses[at + 3] = w3;
    }
    chunk.ports[i] = port;
    chunk.firstReferrers[i] = referrer;
    chunk.queued[i] = this.#times.add(node, queuedMs);
    this.#index.add(node);
    return node;
  }

  id(node: number): Id160 {
    const { ids } = this.#chunkOf(node);
    const at = (node & CHUNK_MASK) * 5;
    return new Id160(
      ids[at] as number,
      ids[at + 1] as number,
      ids[at + 2] as number,
      ids[at + 3] as number,
      ids[at + 4] as number,
    );
  }

  setId(node: number, id: Id160): void {
    const { ids } = this.#chunkOf(node);
    const at = (node & CHUNK_MASK) * 5;
    ids[at] = id.a;
    ids[at + 1] = id.b;
    ids[at + 2] = id.c;
    ids[at + 3] = id.d;
    ids[at + 4] = id.e;
  }

  /** First word of the id, unsigned. */
  head(node: number): number {
    return (this.#chunkOf(node).ids[(node & CHUNK_MASK) * 5] as number) >>> 0;
  }

  address(node: number): DhtAddress {
    const { addresses, ports } = this.#chunkOf(node);
    const i = node & CHUNK_MASK;
    const port = ports[i] as number;
    if (this.#words === 1) return DhtAddress.v4(addresses[i] as number, port);
    const at = i * 4;
    return DhtAddress.v6(
      addresses[at] as number,
      addresses[at + 1] as number,
      addresses[at + 2] as number,
      addresses[at + 3] as number,
      port,
    );
  }

  state(node: number): NodeState {
    return ((this.#chunkOf(node).links[node & CHUNK_MASK] as number) >>> STATE_SHIFT) as NodeState;
  }

  setState(node: number, state: NodeState): void {
    const { links } = this.#chunkOf(node);
    const i = node & CHUNK_MASK;
    links[i] = ((links[i] as number) & LINK_MASK) | (state << STATE_SHIFT);
  }

  referrers(node: number): number {
    return this.#chunkOf(node).referrers[node & CHUNK_MASK] as number;
  }

  /** One more reply lists it. */
  refer(node: number): void {
    const { referrers } = this.#chunkOf(node);
    const i = node & CHUNK_MASK;
    if ((referrers[i] as number) < MAX_REFERRERS) referrers[i] = (referrers[i] as number) + 1;
  }

  /** Was it listed under an id? A bootstrap node has none until it answers. */
  hasClaim(node: number): boolean {
    return this.firstReferrer(node) !== NO_CLAIM;
  }

  /** `NO_CLAIM` for a bootstrap node, `GIVEN` for one that the run was given with its id. */
  firstReferrer(node: number): number {
    return this.#chunkOf(node).firstReferrers[node & CHUNK_MASK] as number;
  }

  /** When it was heard of, milliseconds since the start of the run. */
  queuedMs(node: number): number {
    return this.#times.msOf(node, this.#chunkOf(node).queued[node & CHUNK_MASK] as number);
  }

  /** Whatever a list of nodes was told with `setNext`; -1 before. */
  next(node: number): number {
    return ((this.#chunkOf(node).links[node & CHUNK_MASK] as number) & LINK_MASK) - 1;
  }

  /** @param next from -1 to 2^29 - 2 */
  setNext(node: number, next: number): void {
    const { links } = this.#chunkOf(node);
    const i = node & CHUNK_MASK;
    links[i] = ((links[i] as number) & ~LINK_MASK) | (next + 1);
  }

  isAt(node: number, { w0, w1, w2, w3, port }: EndpointWords): boolean {
    const { addresses, ports } = this.#chunkOf(node);
    const i = node & CHUNK_MASK;
    if (this.#words === 1) return addresses[i] === w0 && ports[i] === port;
    const at = i * 4;
    return (
      ports[i] === port &&
      addresses[at] === w0 &&
      addresses[at + 1] === w1 &&
      addresses[at + 2] === w2 &&
      addresses[at + 3] === w3
    );
  }

  hashOf(node: number): number {
    const { addresses, ports } = this.#chunkOf(node);
    const i = node & CHUNK_MASK;
    const port = ports[i] as number;
    if (this.#words === 1) return hashAddress(addresses[i] as number, 0, 0, 0, port);
    const at = i * 4;
    return hashAddress(
      addresses[at] as number,
      addresses[at + 1] as number,
      addresses[at + 2] as number,
      addresses[at + 3] as number,
      port,
    );
  }

  #chunkOf(node: number): Chunk {
    return this.#chunks[node >>> CHUNK_BITS] as Chunk;
  }

  #newChunk(): Chunk {
    return {
      ids: new Int32Array(CHUNK * 5),
      addresses: new Int32Array(CHUNK * this.#words),
      ports: new Uint16Array(CHUNK),
      links: new Uint32Array(CHUNK),
      referrers: new Uint16Array(CHUNK),
      firstReferrers: new Int32Array(CHUNK),
      queued: new Uint16Array(CHUNK),
    };
  }
}
