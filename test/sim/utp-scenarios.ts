// What uTP does on lines of all kinds: `npm run sim -- utp` prints it, test/sim/utp.test.ts holds it.
import { RenoFlow } from './reno.ts';
import { feed, type Host, type Line, type LineOptions, type Told, UtpNet } from './utp-net.ts';

const BLOCK_BYTES = 16_384;

export interface Transfer {
  readonly seconds: number;
  readonly bytesPerSec: number;
  /** Bytes that were not what was sent, where it was sent; 0 or the code is broken. */
  readonly wrongBytes: number;
  readonly receivedBytes: number;
  readonly meanQueueMs: number;
  readonly drops: number;
  /** Datagrams of the sender for each that a lossless line would need. */
  readonly sentShare: number;
  readonly datagramBytes: number;
}

export function byteAt(position: number): number {
  return (position ^ (position >>> 8) ^ (position >>> 15)) & 0xff;
}

/** A pattern that is different at every place, and its check on arrival. */
export function patterned(total: number): { next: () => Uint8Array | undefined } {
  let at = 0;
  return {
    next: () => {
      if (at >= total) return undefined;
      const bytes = new Uint8Array(Math.min(BLOCK_BYTES, total - at));
      for (let i = 0; i < bytes.length; i++) bytes[i] = byteAt(at + i);
      at += bytes.length;
      return bytes;
    },
  };
}

export function check(told: Told): { wrong: () => number } {
  let at = 0;
  let wrong = 0;
  told.keeps = false;
  told.took = (payload) => {
    for (const byte of payload) if (byte !== byteAt(at++)) wrong++;
  };
  return { wrong: () => wrong };
}

/** One flow of `bytes` over `line`, acks over the same kind of line without the bandwidth limit. */
export function transfer(seed: number, line: LineOptions, bytes: number, limitMs = 600_000): Transfer {
  const net = new UtpNet(seed);
  const [from, to] = [net.host(), net.host()];
  const there = net.line(line);
  net.connect(from, to, there);
  net.connect(to, from, net.line({ ...line, bytesPerSec: 0 }));
  let wrong = (): number => 0;
  let received: Told | undefined;
  to.onAccepted = (told) => {
    received = told;
    wrong = check(told).wrong;
  };
  const told = from.dial(to);
  const pattern = patterned(bytes);
  told.opened = () => feed(from, told, pattern.next);
  const got = (): number => received?.receivedBytes ?? 0;
  net.runUntil(limitMs, () => got() >= bytes || told.closedWith !== 'not yet');
  const seconds = net.queue.nowMs / 1000;
  const datagramBytes = told.connection?.datagramBytes ?? 0;
  return {
    seconds,
    bytesPerSec: got() / seconds,
    wrongBytes: wrong(),
    receivedBytes: got(),
    meanQueueMs: there.meanWaitMs,
    drops: there.dropCount,
    sentShare: from.sentCount / Math.ceil(bytes / (datagramBytes - 20)),
    datagramBytes,
  };
}

export interface Sharing {
  readonly first: number;
  readonly second: number;
  readonly meanQueueMs: number;
}

function endless(host: Host, told: Told): void {
  const block = new Uint8Array(BLOCK_BYTES);
  told.opened = () => feed(host, told, () => block);
}

function throughOne(net: UtpNet, line: LineOptions): { there: Line; pair: () => [Host, Host] } {
  const there = net.line(line);
  return {
    there,
    pair: () => {
      const [from, to] = [net.host(), net.host()];
      net.connect(from, to, there);
      net.connect(to, from, net.line({ delayMs: line.delayMs ?? 0 }));
      to.onAccepted = (told) => {
        told.keeps = false;
      };
      return [from, to];
    },
  };
}

/** Two uTP flows through one line, the second `lateMs` after the first; rates over the last half of the time. */
export function twoFlows(seed: number, line: LineOptions, lateMs: number, totalMs: number): Sharing {
  const net = new UtpNet(seed);
  const { there, pair } = throughOne(net, line);
  const [a, b] = [pair(), pair()];
  endless(a[0], a[0].dial(a[1]));
  net.queue.after(lateMs, () => endless(b[0], b[0].dial(b[1])));
  const got = (hosts: [Host, Host]): number => hosts[1].accepted[0]?.receivedBytes ?? 0;
  net.runUntil(totalMs / 2);
  const before = [got(a), got(b)] as const;
  there.resetMeasures();
  net.runUntil(totalMs);
  const seconds = totalMs / 2000;
  return {
    first: (got(a) - before[0]) / seconds,
    second: (got(b) - before[1]) / seconds,
    meanQueueMs: there.meanWaitMs,
  };
}

/** uTP has the line, then TCP comes: rates of both over the time from some seconds after its start. */
export function besideReno(seed: number, line: LineOptions, totalMs: number): Sharing {
  const net = new UtpNet(seed);
  const { there, pair } = throughOne(net, line);
  const [from, to] = pair();
  endless(from, from.dial(to));
  const reno = new RenoFlow(net.queue, there, net.line({ delayMs: line.delayMs ?? 0 }));
  const startMs = totalMs / 4;
  net.queue.after(startMs, () => reno.start());
  const got = (): number => to.accepted[0]?.receivedBytes ?? 0;
  net.runUntil(startMs * 2);
  const before = [got(), reno.deliveredBytes] as const;
  there.resetMeasures();
  net.runUntil(totalMs);
  const seconds = (totalMs - startMs * 2) / 1000;
  return {
    first: (got() - before[0]) / seconds,
    second: (reno.deliveredBytes - before[1]) / seconds,
    meanQueueMs: there.meanWaitMs,
  };
}
