// The relay's side of a reachability test: dials the asker's own address, and nobody else's.
import { createSocket } from 'node:dgram';
import { isIPv6 } from '../../base/endpoint.ts';
import { dialTcp } from '../../transport/tcp.ts';
import { encodeFrame } from '../frame.ts';
import type { TestOrder } from '../server-port.ts';

const TCP_TIMEOUT_MS = 5_000;
/** Time for the frame to leave and be read. */
const LINGER_MS = 500;
/** Datagrams get lost. */
const UDP_TIMES_MS = [0, 200, 600];

/**
 * Datagrams never come from the port that relays talk UDP on: a gateway that lets strangers in would hold that pair of ports for the stranger, and
 * give the asker another port when it writes to us from its own.
 * @returns whether the TCP connection came about
 */
export async function dialBack(order: TestOrder): Promise<boolean> {
  const frame = encodeFrame('test', order.nonce);
  const { host, udpPort, ways } = order;
  if (ways.udp || ways.udpOtherPort) sendFromOtherPort(frame, host, udpPort);
  return ways.tcp && (await dialTcpBack(frame, host, order.tcpPort));
}

function later(waitMs: number, action: () => void): void {
  setTimeout(action, waitMs).unref();
}

async function dialTcpBack(frame: Uint8Array, host: string, port: number): Promise<boolean> {
  try {
    const stream = await dialTcp({ host, port }, { timeoutMs: TCP_TIMEOUT_MS });
    stream.events = { onBytes: () => stream.destroy(), onDrain: () => {}, onClose: () => {} };
    stream.write(frame);
    later(LINGER_MS, () => stream.destroy());
    return true;
  } catch {
    return false;
  }
}

function sendFromOtherPort(frame: Uint8Array, host: string, port: number): void {
  const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4');
  socket.on('error', () => {});
  socket.unref();
  for (const waitMs of UDP_TIMES_MS) later(waitMs, () => socket.send(frame, port, host, () => {}));
  later(1_000, () => socket.close());
}
