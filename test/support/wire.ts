// A handler that writes down what a wire tells it, and a sink that keeps what it sends.

import { concatBytes, toHex } from '../../core/base/bytes.ts';
import { PeerWire } from '../../core/wire/peer-wire.ts';
import type { OwnHandshake, WireHandler, WireSink } from '../../core/wire/wire-handler.ts';

export class Recorder implements WireHandler {
  readonly calls: string[] = [];
  readonly blocks: Uint8Array[] = [];
  wire: PeerWire | undefined;
  takesBlocks = true;
  onHandshakeDo: (() => void) | undefined;
  #note(...parts: unknown[]): void {
    this.calls.push(parts.join(' '));
  }
  onHandshake: WireHandler['onHandshake'] = (h) => {
    this.#note('handshake', toHex(h.infoHash), toHex(h.peerId), toHex(h.reserved));
    this.onHandshakeDo?.();
  };
  onChoke = () => this.#note('choke');
  onUnchoke = () => this.#note('unchoke');
  onInterested = () => this.#note('interested');
  onNotInterested = () => this.#note('not interested');
  onHave = (piece: number) => this.#note('have', piece);
  onBitfield: WireHandler['onBitfield'] = (have) => this.#note('bitfield', toHex(have.bytes));
  onHaveAll = () => this.#note('have all');
  onHaveNone = () => this.#note('have none');
  onDontHave = (piece: number) => this.#note('dont have', piece);
  onRequest = (piece: number, begin: number, length: number) => this.#note('request', piece, begin, length);
  onCancel = (piece: number, begin: number, length: number) => this.#note('cancel', piece, begin, length);
  onReject = (piece: number, begin: number, length: number) => this.#note('reject', piece, begin, length);
  onAllowedFast = (piece: number) => this.#note('allowed fast', piece);
  onSuggest = (piece: number) => this.#note('suggest', piece);
  onBlockStart = (piece: number, begin: number, length: number) => {
    this.#note('block start', piece, begin, length);
    if (!this.takesBlocks || this.wire === undefined) return false;
    this.wire.blockTarget = new Uint8Array(length + 2);
    this.wire.blockOffset = 1;
    this.blocks.push(this.wire.blockTarget);
    return true;
  };
  onBlockEnd = (piece: number, begin: number, length: number) => {
    const block = this.blocks.at(-1) as Uint8Array;
    this.#note('block end', piece, begin, length, toHex(block.subarray(1, 1 + Math.min(length, 16))));
  };
  onBlockAborted = (piece: number, begin: number, length: number) =>
    this.#note('block aborted', piece, begin, length);
  onPort = (port: number) => this.#note('port', port);
  onExtendedHandshake: WireHandler['onExtendedHandshake'] = (h) =>
    this.#note(
      'extended handshake',
      JSON.stringify({ ...h, extensionIds: Object.fromEntries(h.extensionIds) }),
    );
  onExtended = (name: string, payload: Uint8Array) => this.#note('extended', name, toHex(payload));
  onKeepAlive = () => this.#note('keepalive');
  onViolation = (reason: string) => this.#note('violation', reason);
}

export class MemorySink implements WireSink {
  readonly writes: Uint8Array[] = [];
  pendings = 0;
  write(bytes: Uint8Array): void {
    this.writes.push(bytes);
  }
  writePayload(bytes: Uint8Array, sent?: () => void): void {
    this.writes.push(bytes);
    sent?.();
  }
  onPending(): void {
    this.pendings++;
  }
  /** Everything so far, and forgets it. */
  take(): Uint8Array {
    const all = concatBytes(this.writes);
    this.writes.length = 0;
    return all;
  }
}

export const INFO_HASH = Uint8Array.from({ length: 20 }, (_, i) => i);
export const ALL_EXTENSIONS = ['ut_metadata', 'ut_pex', 'lt_donthave', 'upload_only'];

export function ownHandshake(overrides: Partial<OwnHandshake> = {}): OwnHandshake {
  return {
    infoHash: INFO_HASH,
    peerId: new TextEncoder().encode('-TT0001-abcdefghijkl'),
    dht: true,
    extensions: ALL_EXTENSIONS,
    extended: { client: 'tt test', requestQueue: 500 },
    ...overrides,
  };
}

export interface TestPeer {
  readonly wire: PeerWire;
  readonly seen: Recorder;
  readonly sink: MemorySink;
}

export function newPeer(pieceCount?: number): TestPeer {
  const seen = new Recorder();
  const sink = new MemorySink();
  const wire = new PeerWire({ handler: seen, sink, pieceCount });
  seen.wire = wire;
  return { wire, seen, sink };
}

/** Bytes of a handshake as a remote sends it. @param flags of reserved bytes 5 and 7 */
export function remoteHandshake(flags: { fast?: boolean; extended?: boolean } = {}): Uint8Array {
  const bytes = new Uint8Array(68);
  bytes.set(new TextEncoder().encode('\x13BitTorrent protocol'));
  if (flags.extended !== false) bytes[25] = 0x10;
  if (flags.fast !== false) bytes[27] = 0x04;
  bytes.set(INFO_HASH, 28);
  bytes.set(new TextEncoder().encode('-XX0001-abcdefghijkl'), 48);
  return bytes;
}

/** An outgoing connection whose handshake is done on both sides. */
export function shakenPeer(
  pieceCount?: number,
  flags: { fast?: boolean; extended?: boolean } = {},
): TestPeer {
  const peer = newPeer(pieceCount);
  peer.wire.sendHandshake(ownHandshake());
  peer.wire.receive(remoteHandshake(flags));
  peer.wire.flush();
  peer.sink.take();
  peer.seen.calls.length = 0;
  return peer;
}

/** Lets two wires talk until both are silent. */
export function exchange(
  a: TestPeer,
  b: TestPeer,
  split: (bytes: Uint8Array) => Uint8Array[] = (x) => [x],
): void {
  for (;;) {
    a.wire.flush();
    b.wire.flush();
    const toB = a.sink.take();
    const toA = b.sink.take();
    if (toA.length + toB.length === 0) return;
    for (const part of split(toB)) b.wire.receive(part);
    for (const part of split(toA)) a.wire.receive(part);
  }
}
