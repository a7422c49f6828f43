// What the UDP side of a proxy port says: to a uTP SYN a RESET, never longer than what it answers, and nothing to anybody else. Nobody can
// make an amplifier of it (rule 7).
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { expect, it } from 'vitest';
import { openProxyPort } from '../../../core/relay/io/proxy-ports.ts';
import { systemClock } from '../../../core/session/system.ts';
import { waitFor } from '../../support/wait.ts';

const HOST = '127.0.0.1';
const SYN = 0x41;

async function opened(): Promise<Socket> {
  const socket = createSocket('udp4');
  socket.bind(0, HOST);
  await once(socket, 'listening');
  return socket;
}

it('a SYN gets as many bytes as it has at the most; everything else gets none', async () => {
  const proxy = await openProxyPort(HOST, 0, systemClock, (stream) => stream.destroy());
  const socket = await opened();
  const answers: Buffer[] = [];
  socket.on('message', (bytes) => answers.push(bytes));
  const send = (bytes: Uint8Array): void => socket.send(bytes, proxy.port, HOST);
  const packet = (first: number, length: number, id = 0): Uint8Array => {
    const bytes = new Uint8Array(length);
    bytes[0] = first;
    bytes[3] = id;
    return bytes;
  };
  for (const length of [1, 10, 19]) send(packet(SYN, length));
  for (const first of [0x01, 0x11, 0x21, 0x31, 0x64, 0x13]) send(packet(first, 200));
  // Datagrams of one socket stay in order on loopback: what these bring is all there is.
  send(packet(SYN, 20, 1));
  send(packet(SYN, 1_000, 2));
  await waitFor(() => answers.length >= 2, { what: 'two answers', timeoutMs: 20_000 });
  expect(answers.map(({ length }) => length)).toEqual([20, 20]);
  expect(answers.map((bytes) => [bytes[0], bytes[3]])).toEqual([
    [0x31, 1],
    [0x31, 2],
  ]);
  socket.close();
  await proxy.close();
});
