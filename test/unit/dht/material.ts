// What the DHT tests share: a machine in a box that keeps what it sends, addresses, and messages read back.
import { readFileSync } from 'node:fs';
import { type BencodeDict, decodeBencode } from '../../../core/base/bencode.ts';
import { encodeBencode } from '../../../core/base/bencode-encode.ts';
import { fromHex, utf8 } from '../../../core/base/bytes.ts';
import { seededRng } from '../../../core/base/clock.ts';
import { DhtAddress } from '../../../dht/base/address.ts';
import type { DhtOptions } from '../../../dht/base/options.ts';
import { KrpcMessage } from '../../../dht/krpc/krpc.ts';
import { scanKrpc } from '../../../dht/krpc/krpc-scan.ts';
import { DhtMachine } from '../../../dht/machine.ts';
import type { DhtNet, SentDatagram } from '../../support/dht-net.ts';

const FIXTURES = new URL('../../../fixtures/', import.meta.url);

export function fixture(path: string): Uint8Array {
  return readFileSync(new URL(path, FIXTURES));
}

export function vectors(name: string): ReturnType<typeof JSON.parse> {
  return JSON.parse(new TextDecoder().decode(fixture(`vectors/${name}.json`)));
}

export function hex(text: string): Uint8Array {
  const bytes = fromHex(text);
  if (bytes === undefined) throw new Error(`not hex: ${text}`);
  return bytes;
}

export function address(host: string, port = 6881): DhtAddress {
  const found = DhtAddress.of({ host, port });
  if (found === undefined) throw new Error(`not an address: ${host}`);
  return found;
}

/** The nth public address, each in a /24 of its own. */
export function nthAddress(n: number, port = 6881): DhtAddress {
  return DhtAddress.v4(((60 << 24) + n * 256 + 9) | 0, port);
}

export function scan(bytes: Uint8Array | string): { outcome: string; message: KrpcMessage } {
  const message = new KrpcMessage();
  const outcome = scanKrpc(typeof bytes === 'string' ? utf8(bytes) : bytes, message);
  return { outcome, message };
}

export function tree(bytes: Uint8Array): BencodeDict {
  const decoded = decodeBencode(bytes);
  if (!decoded.ok) throw new Error(decoded.reason.what);
  return decoded.value.value as BencodeDict;
}

/** `nodes` of a reply: 26 bytes each (BEP 5). */
export function compactNodes(
  contacts: readonly { readonly id: Uint8Array; readonly address: DhtAddress }[],
): Uint8Array {
  const bytes = new Uint8Array(contacts.length * 26);
  contacts.forEach(({ id, address }, i) => {
    bytes.set(id, i * 26);
    address.writeCompact(bytes, i * 26 + 20);
  });
  return bytes;
}

/** Answers every query at `address` with whatever `r` makes of it. */
export function liar(
  net: DhtNet,
  address: DhtAddress,
  r: (query: SentDatagram, target: Uint8Array) => Record<string, Uint8Array | readonly Uint8Array[]>,
): void {
  net.listen(address, (sent) => {
    const { message } = scan(sent.bytes);
    if (message.kind !== 'query') return;
    const target = message.copy(message.target) ?? new Uint8Array(20);
    const reply = encodeBencode({ r: r(sent, target), t: message.copy(message.tid) as Uint8Array, y: 'r' });
    net.send(reply, address, sent.from);
  });
}

export interface Sent {
  readonly bytes: Uint8Array;
  readonly to: DhtAddress;
}

/** One machine without a network: what it sends is kept. */
export class Box {
  readonly sent: Sent[] = [];
  readonly machine: DhtMachine;
  nowMs = 10_000_000;

  constructor(options: Partial<DhtOptions> = {}, seed = 1) {
    this.machine = new DhtMachine(
      { rng: seededRng(seed), maintenance: { enabled: false }, ...options },
      { send: (datagram, to) => this.sent.push({ bytes: datagram.slice(), to }) },
      this.nowMs,
    );
  }

  /** @returns what it sent because of this datagram */
  give(bytes: Uint8Array | string, from: DhtAddress): Sent[] {
    const before = this.sent.length;
    this.machine.handleDatagram(typeof bytes === 'string' ? utf8(bytes) : bytes, from, this.nowMs);
    return this.sent.slice(before);
  }

  /** The only reply to a datagram, as a tree. */
  ask(bytes: Uint8Array | string, from: DhtAddress): BencodeDict {
    const sent = this.give(bytes, from);
    if (sent.length !== 1) throw new Error(`${sent.length} replies`);
    return tree((sent[0] as Sent).bytes);
  }

  /** Moves time in small steps, as a shell with one timer would. */
  wait(forMs: number): void {
    const endMs = this.nowMs + forMs;
    for (;;) {
      const nextMs = this.machine.nextTimeoutMs();
      if (nextMs > endMs) break;
      this.nowMs = Math.max(this.nowMs, nextMs);
      this.machine.handleTimeout(this.nowMs);
    }
    this.nowMs = endMs;
  }
}
