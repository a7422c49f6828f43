// Writes the lines of a trace (docs/trace.md). Exists only where a trace is wanted; lines are composed by hand because a fast
// download makes a hundred thousand a second.
import { createHmac, randomBytes } from 'node:crypto';
import { TRACE_SCHEMA } from './trace-schema.ts';

/** Hex digits of a peer's name: 48 bits are enough for a million peers without a twin. */
const PEER_DIGITS = 12;
const KEY_BYTES = 32;

export interface TraceOptions {
  /** Takes one line without its end. */
  readonly write: (line: string) => void;
  /** Monotonic milliseconds. */
  readonly nowMs: () => number;
}

export type TraceDirection = 'in' | 'out';

/** A peer in a trace: whose torrent it belongs to is known once its handshake is done. */
export interface TracedPeer {
  readonly address: string;
  readonly torrent: string | undefined;
  /** Kept here for the trace: what every line of this peer has in common. */
  traceHead?: string;
}

export interface TracedBlock {
  readonly piece: number;
  readonly begin: number;
  readonly length: number;
}

/** What connections say and hear, as lines of NDJSON (docs/trace.md): peers go by made-up names whose key is gone with the process. */
export class Trace {
  readonly #options: TraceOptions;
  readonly #startedAtMs: number;
  /** Gone with the process. */
  readonly #key = randomBytes(KEY_BYTES);
  readonly #torrents = new Map<string, number>();

  constructor(options: TraceOptions) {
    this.#options = options;
    this.#startedAtMs = options.nowMs();
    this.#line('trace', `,"schema":"${TRACE_SCHEMA}"`);
  }

  torrent(
    infoHash: string,
    layout: { readonly pieceCount: number; readonly pieceLength: number; readonly totalLength: number },
    have: number,
  ): void {
    const { pieceCount, pieceLength, totalLength } = layout;
    this.#line(
      'torrent',
      `,"torrent":${this.#numberOf(infoHash)},"pieces":${pieceCount},"pieceLength":${pieceLength},"bytes":${totalLength},"have":${have}`,
    );
  }

  connect(
    peer: TracedPeer,
    facts: { dir: TraceDirection; transport: string; isEncrypted: boolean; origin: string },
  ): void {
    const { dir, transport, isEncrypted, origin } = facts;
    this.#line(
      'connect',
      `${this.#head(peer)},"dir":"${dir}","transport":"${transport}","encrypted":${isEncrypted},"origin":"${origin}"`,
    );
  }

  disconnect(peer: TracedPeer, facts: { reason: string; downloaded: number; uploaded: number }): void {
    const { reason, downloaded, uploaded } = facts;
    const words = JSON.stringify(withoutAddresses(reason));
    this.#line(
      'disconnect',
      `${this.#head(peer)},"reason":${words},"downloaded":${downloaded},"uploaded":${uploaded}`,
    );
  }

  /** choke, unchoke, interested, not-interested. */
  state(event: string, peer: TracedPeer, dir: TraceDirection): void {
    this.#line(event, `${this.#head(peer)},"dir":"${dir}"`);
  }

  pieces(peer: TracedPeer, dir: TraceDirection, count: number): void {
    this.#line('pieces', `${this.#head(peer)},"dir":"${dir}","count":${count}`);
  }

  have(peer: TracedPeer, dir: TraceDirection, piece: number): void {
    this.#line('have', `${this.#head(peer)},"dir":"${dir}","piece":${piece}`);
  }

  /** request, cancel, reject. */
  request(event: string, peer: TracedPeer, dir: TraceDirection, block: TracedBlock): void {
    this.#line(event, `${this.#head(peer)},"dir":"${dir}"${blockFields(block)}`);
  }

  block(peer: TracedPeer, dir: TraceDirection, block: TracedBlock, isUsed?: boolean): void {
    const used = isUsed === undefined ? '' : `,"used":${isUsed}`;
    this.#line('block', `${this.#head(peer)},"dir":"${dir}"${blockFields(block)}${used}`);
  }

  hash(infoHash: string, piece: number, isGood: boolean): void {
    this.#line('hash', `,"torrent":${this.#numberOf(infoHash)},"piece":${piece},"ok":${isGood}`);
  }

  /** The writer had to leave lines out. */
  lost(lines: number): string {
    return this.#compose('lost', `,"lines":${lines}`);
  }

  #line(event: string, fields: string): void {
    this.#options.write(this.#compose(event, fields));
  }

  #compose(event: string, fields: string): string {
    const t = (this.#options.nowMs() - this.#startedAtMs).toFixed(3);
    return `{"t":${t},"event":"${event}"${fields}}`;
  }

  #head(peer: TracedPeer): string {
    if (peer.traceHead !== undefined) return peer.traceHead;
    const name = createHmac('sha256', this.#key).update(peer.address).digest('hex').slice(0, PEER_DIGITS);
    const head = `,"torrent":${this.#numberOf(peer.torrent ?? '')},"peer":"${name}"`;
    if (peer.torrent !== undefined) peer.traceHead = head;
    return head;
  }

  #numberOf(infoHash: string): number {
    const known = this.#torrents.get(infoHash);
    if (known !== undefined) return known;
    const number = this.#torrents.size + 1;
    this.#torrents.set(infoHash, number);
    return number;
  }
}

function blockFields({ piece, begin, length }: TracedBlock): string {
  return `,"piece":${piece},"begin":${begin},"length":${length}`;
}

/** What follows a colon may quote anything; what looks like an address goes as well. */
function withoutAddresses(reason: string): string {
  return (reason.split(':')[0] as string).replace(/\d+\.\d+\.\d+\.\d+/g, 'address').trim();
}
