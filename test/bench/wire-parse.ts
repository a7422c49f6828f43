// Receiving 16 KiB blocks: PeerWire against bittorrent-protocol's own Wire, on the same bytes in the same run, and what
// one control frame costs through the package. Prints one JSON object. Run: npx node test/bench/wire-parse.ts [MB]

import { Rc4 } from '../../core/transport/mse-rc4.ts';
import { PeerWire } from '../../core/wire/peer-wire.ts';
import type { WireHandler } from '../../core/wire/wire-handler.ts';

const BLOCK_BYTES = 16 * 1024;
const FRAME_BYTES = BLOCK_BYTES + 13;
/** A read of a fast socket: 4 MiB of frames is sent again and again in parts of this size. */
const READ_BYTES = 256 * 1024;
const FRAMES = 256;
const totalBytes = Number(process.argv[2] ?? 4000) * 1e6;

const stream = new Uint8Array(FRAMES * FRAME_BYTES);
const view = new DataView(stream.buffer);
for (let i = 0; i < FRAMES; i++) {
  const at = i * FRAME_BYTES;
  view.setUint32(at, FRAME_BYTES - 4);
  stream[at + 4] = 7;
  view.setUint32(at + 5, i >> 6);
  view.setUint32(at + 9, (i & 63) * BLOCK_BYTES);
}

const handshake = new Uint8Array(68);
handshake.set(new TextEncoder().encode('\x13BitTorrent protocol'));
handshake[25] = 0x10;
handshake[27] = 0x04;

interface Row {
  readonly name: string;
  readonly mbPerSec: number;
  readonly cpuSecPerGB: number;
}

function measure(name: string, bytes: number, run: () => void): Row {
  run();
  const cpu = process.cpuUsage();
  const start = performance.now();
  run();
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  return {
    name,
    mbPerSec: Math.round(bytes / 1e6 / seconds),
    cpuSecPerGB: Number(((user + system) / 1e6 / (bytes / 1e9)).toFixed(3)),
  };
}

/** Reads come in one reused buffer, as from `onread`; the copy into it stands for the kernel's and is in every row. */
function feed(receive: (chunk: Uint8Array) => void): number {
  const read = new Uint8Array(READ_BYTES);
  let at = 0;
  let fed = 0;
  while (fed < totalBytes || at !== 0) {
    const length = Math.min(READ_BYTES, stream.length - at);
    read.set(stream.subarray(at, at + length));
    receive(read.subarray(0, length));
    at = (at + length) % stream.length;
    fed += length;
  }
  return fed;
}

function ignore(): void {}

function peerWire(target: Uint8Array): { wire: PeerWire; counts: { blocks: number; controls: number } } {
  const counts = { blocks: 0, controls: 0 };
  let wire: PeerWire;
  const handler: WireHandler = {
    onHandshake: ignore,
    onChoke: () => counts.controls++,
    onUnchoke: () => counts.controls++,
    onInterested: ignore,
    onNotInterested: ignore,
    onHave: () => counts.controls++,
    onBitfield: ignore,
    onHaveAll: ignore,
    onHaveNone: ignore,
    onDontHave: ignore,
    onRequest: ignore,
    onCancel: ignore,
    onReject: ignore,
    onAllowedFast: ignore,
    onSuggest: ignore,
    onBlockStart: (piece, begin) => {
      wire.blockTarget = target;
      wire.blockOffset = piece * 64 * BLOCK_BYTES + begin;
      return true;
    },
    onBlockEnd: (piece, begin, length) => {
      counts.blocks++;
      // One request for each block, as a full pipeline does.
      wire.sendRequest(piece, begin, length);
    },
    onBlockAborted: ignore,
    onPort: ignore,
    onExtendedHandshake: ignore,
    onExtended: ignore,
    onKeepAlive: ignore,
    onViolation: (reason) => {
      throw new Error(reason);
    },
  };
  wire = new PeerWire({
    handler,
    sink: { write: ignore, writePayload: ignore, onPending: ignore },
    pieceCount: 4,
  });
  wire.sendHandshake({
    infoHash: new Uint8Array(20),
    peerId: new Uint8Array(20),
    dht: false,
    extensions: [],
    extended: {},
  });
  wire.receive(handshake);
  return { wire, counts };
}

const rows: Row[] = [];
for (const [name, buffer] of [
  ['PeerWire', new ArrayBuffer(4 * 64 * BLOCK_BYTES)],
  ['PeerWire, shared target', new SharedArrayBuffer(4 * 64 * BLOCK_BYTES)],
] as const) {
  const { wire } = peerWire(new Uint8Array(buffer));
  rows.push(
    measure(name, totalBytes, () => {
      feed((chunk) => {
        wire.receive(chunk);
        wire.flush();
      });
    }),
  );
}

{
  const cipher = new Rc4(new Uint8Array(20));
  rows.push(
    measure('RC4 alone, in place', totalBytes / 4, () => {
      const read = new Uint8Array(READ_BYTES);
      for (let done = 0; done < totalBytes / 4; done += READ_BYTES) cipher.apply(read);
    }),
  );
}

/** The package without anything of ours: its stream, its queue of requests, its blocks as views of fresh reads. */
interface BareWire {
  requests: { piece: number; offset: number; length: number; callback: () => void }[];
  _write(chunk: Uint8Array, done: () => void): void;
  _push(bytes: Uint8Array): boolean;
  handshake(infoHash: Uint8Array, peerId: Uint8Array, extensions: object): void;
  request(piece: number, offset: number, length: number, done: () => void): void;
  on(name: string, listener: (...args: never[]) => void): void;
}
// Untyped on purpose: the bench sees more of it than the adapter may rely on.
const Bare = (
  (await import(new URL('../../node_modules/bittorrent-protocol/index.js', import.meta.url).href)) as {
    default: new () => BareWire;
  }
).default;
{
  const wire = new Bare();
  const target = new Uint8Array(4 * 64 * BLOCK_BYTES);
  let pushed = 0;
  wire._push = (bytes) => {
    pushed += bytes.length;
    return true;
  };
  wire.handshake(new Uint8Array(20), new Uint8Array(20), { fast: true });
  wire._write(handshake.slice(), ignore);
  wire._write(Uint8Array.of(0, 0, 0, 1, 1), ignore);
  wire.on('piece', (piece: number, offset: number, block: Uint8Array) => {
    target.set(block, piece * 64 * BLOCK_BYTES + offset);
    wire.request(piece, offset, block.length, ignore);
  });
  for (let i = 0; i < FRAMES; i++) wire.request(i >> 6, (i & 63) * BLOCK_BYTES, BLOCK_BYTES, ignore);
  rows.push(
    measure('bittorrent-protocol 5.0.9, its parser alone (no stream, no socket)', totalBytes, () => {
      // Its parser keeps views of what it is given, so a reused buffer must be copied for it.
      feed((chunk) => wire._write(chunk.slice(), ignore));
    }),
  );
  if (pushed === 0) throw new Error('the package sent no request');
}

rows.push(measure('nothing but the copy of each read', totalBytes, () => feed(ignore)));

/** Nanoseconds for each of a million small frames. */
function frameCost(frame: Uint8Array, receive: (chunk: Uint8Array) => void): number {
  const burst = new Uint8Array(frame.length * 1000);
  for (let i = 0; i < 1000; i++) burst.set(frame, i * frame.length);
  for (let i = 0; i < 100; i++) receive(burst);
  const start = performance.now();
  for (let i = 0; i < 1000; i++) receive(burst);
  return Math.round(performance.now() - start);
}
const UNCHOKE = Uint8Array.of(0, 0, 0, 1, 1);
const { wire: ours, counts } = peerWire(new Uint8Array(0));
const theirs = new Bare();
theirs.handshake(new Uint8Array(20), new Uint8Array(20), { fast: true });
theirs._write(handshake.slice(), ignore);
const smallFrameNs = {
  unchoke: frameCost(UNCHOKE, (chunk) => ours.receive(chunk)),
  have: frameCost(Uint8Array.of(0, 0, 0, 5, 4, 0, 0, 0, 1), (chunk) => ours.receive(chunk)),
  unchokeInPackage: frameCost(UNCHOKE, (chunk) => theirs._write(chunk, ignore)),
};
if (counts.controls !== 2_200_000) throw new Error('frames were lost');

console.log(
  JSON.stringify({ node: process.version, totalMB: totalBytes / 1e6, rows, smallFrameNs }, null, 1),
);
