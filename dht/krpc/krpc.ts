// One KRPC message as offsets into its datagram: nothing is copied and no tree is built. A message is reused for the next
// datagram, so what is kept is copied by whoever keeps it. BEP 5, with the keys of BEPs 32, 33, 42, 43, 44, 51.

export type MessageKind = 'query' | 'reply' | 'error';

/** `unknown` is a query of another extension: BEP 5 asks for an error 204. */
export type MethodName =
  | 'ping'
  | 'find_node'
  | 'get_peers'
  | 'announce_peer'
  | 'get'
  | 'put'
  | 'sample_infohashes'
  | 'unknown';

/** A byte string or a raw value inside the datagram; `start` is -1 when it is absent. */
export interface Span {
  start: number;
  end: number;
}

export class KrpcMessage {
  bytes: Uint8Array = new Uint8Array(0);
  kind: MessageKind = 'query';
  method: MethodName = 'unknown';

  /** `t`. */
  readonly tid: Span = { start: -1, end: -1 };
  /** Top-level `v`. */
  readonly version: Span = { start: -1, end: -1 };
  /** 20 bytes when present. */
  readonly id: Span = { start: -1, end: -1 };
  /** `target` or `info_hash`: 20 bytes when present. */
  readonly target: Span = { start: -1, end: -1 };
  readonly token: Span = { start: -1, end: -1 };
  readonly nodes: Span = { start: -1, end: -1 };
  readonly nodes6: Span = { start: -1, end: -1 };
  /** The inside of the list: byte strings, one after the other. */
  readonly values: Span = { start: -1, end: -1 };
  /** BEP 44 value, raw bencode. */
  readonly v: Span = { start: -1, end: -1 };
  readonly k: Span = { start: -1, end: -1 };
  readonly sig: Span = { start: -1, end: -1 };
  readonly salt: Span = { start: -1, end: -1 };
  /** Decimal digits with sign: may be beyond 2^53. */
  readonly seq: Span = { start: -1, end: -1 };
  readonly cas: Span = { start: -1, end: -1 };
  /** BEP 51. */
  readonly samples: Span = { start: -1, end: -1 };
  /** BEP 33. */
  readonly seedFilter: Span = { start: -1, end: -1 };
  readonly peerFilter: Span = { start: -1, end: -1 };
  /** BEP 42 `ip`: our address and port as the sender sees them. */
  readonly external: Span = { start: -1, end: -1 };
  readonly errorText: Span = { start: -1, end: -1 };

  port = -1;
  impliedPort = false;
  isSeed = false;
  noSeeds = false;
  scrape = false;
  /** BEP 43. */
  readOnly = false;
  wants4 = false;
  wants6 = false;
  hasWant = false;
  intervalSeconds = -1;
  total = -1;
  errorCode = 0;
  /** Keys at the top and in the arguments or results that nobody here knows. */
  unknownKeys = 0;

  reset(bytes: Uint8Array): void {
    this.bytes = bytes;
    this.kind = 'query';
    this.method = 'unknown';
    this.tid.start = -1;
    this.version.start = -1;
    this.id.start = -1;
    this.target.start = -1;
    this.token.start = -1;
    this.nodes.start = -1;
    this.nodes6.start = -1;
    this.values.start = -1;
    this.v.start = -1;
    this.k.start = -1;
    this.sig.start = -1;
    this.salt.start = -1;
    this.seq.start = -1;
    this.cas.start = -1;
    this.samples.start = -1;
    this.seedFilter.start = -1;
    this.peerFilter.start = -1;
    this.external.start = -1;
    this.errorText.start = -1;
    this.port = -1;
    this.impliedPort = false;
    this.isSeed = false;
    this.noSeeds = false;
    this.scrape = false;
    this.readOnly = false;
    this.wants4 = false;
    this.wants6 = false;
    this.hasWant = false;
    this.intervalSeconds = -1;
    this.total = -1;
    this.errorCode = 0;
    this.unknownKeys = 0;
  }

  /** A view, valid until the next datagram; undefined when absent. */
  view(span: Span): Uint8Array | undefined {
    return span.start < 0 ? undefined : this.bytes.subarray(span.start, span.end);
  }

  /** A copy to keep; undefined when absent. */
  copy(span: Span): Uint8Array | undefined {
    return span.start < 0 ? undefined : this.bytes.slice(span.start, span.end);
  }

  length(span: Span): number {
    return span.start < 0 ? 0 : span.end - span.start;
  }

  /** The integer of `seq` or `cas`; undefined when absent. */
  bigint(span: Span): bigint | undefined {
    if (span.start < 0) return undefined;
    let text = '';
    for (let i = span.start; i < span.end; i++) text += String.fromCharCode(this.bytes[i] as number);
    return BigInt(text);
  }
}
