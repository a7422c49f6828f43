// Ports for unmodified clients: a TCP listener each, and on the same UDP port a RESET for whoever tries uTP, so that it turns to
// TCP at once instead of after four seconds. A RESET is as long as the SYN: nothing is amplified.
import { createSocket, type Socket } from 'node:dgram';
import { readU16, writeU16, writeU32 } from '../../base/bytes.ts';
import type { Clock } from '../../base/clock.ts';
import type { ByteStream } from '../../transport/byte-stream.ts';
import { listenTcp, type TcpListener } from '../../transport/tcp.ts';

const UTP_HEADER_BYTES = 20;
/** Type 4 (SYN) and 3 (RESET), version 1 (BEP 29). */
const SYN = 0x41;
const RESET = 0x31;
/** RESETs a second for one port: enough for a swarm that starts, useless as a reflector. */
const MAX_RESETS_PER_SEC = 50;

export interface ProxyPort {
  readonly port: number;
  close(): Promise<void>;
}

/** @throws OperationError `network` when the TCP port cannot be bound; without its UDP port it works, only slower */
export async function openProxyPort(
  host: string,
  port: number,
  clock: Clock,
  onStream: (stream: ByteStream, port: number) => void,
): Promise<ProxyPort> {
  let listener: TcpListener | undefined;
  listener = await listenTcp(host, port, (stream) => onStream(stream, listener?.port ?? 0));
  const socket = await openReset(host, listener.port, clock);
  return {
    port: listener.port,
    close: async () => {
      socket?.close();
      await listener.close();
    },
  };
}

function openReset(host: string, port: number, clock: Clock): Promise<Socket | undefined> {
  // Linux refuses to bind an IPv4 socket that asks for IPv6 only.
  const socket = createSocket(host.includes(':') ? { type: 'udp6', ipv6Only: true } : { type: 'udp4' });
  let sinceMs = clock.nowMs();
  let count = 0;
  socket.on('message', (bytes, { address, port: from }) => {
    if (bytes.length < UTP_HEADER_BYTES || bytes[0] !== SYN) return;
    const nowMs = clock.nowMs();
    if (nowMs - sinceMs >= 1000) {
      sinceMs = nowMs;
      count = 0;
    }
    if (++count <= MAX_RESETS_PER_SEC) socket.send(resetFor(bytes, nowMs), from, address, () => {});
  });
  return new Promise((resolve) => {
    socket.once('error', () => {
      socket.close();
      resolve(undefined);
    });
    socket.bind({ port, address: host }, () => {
      socket.removeAllListeners('error');
      socket.on('error', () => {});
      resolve(socket);
    });
  });
}

/** @param syn 20 bytes or more */
function resetFor(syn: Uint8Array, nowMs: number): Uint8Array {
  const reset = new Uint8Array(UTP_HEADER_BYTES);
  reset[0] = RESET;
  writeU16(reset, 2, readU16(syn, 2));
  writeU32(reset, 4, Math.floor(nowMs * 1000) >>> 0);
  writeU16(reset, 18, readU16(syn, 16));
  return reset;
}
