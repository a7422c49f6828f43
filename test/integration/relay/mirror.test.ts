// As whom TCP brings us to a relay, on real sockets; and the ports that this is asked from.
import { createServer, type Server } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { concatBytes, EMPTY_BYTES } from '../../../core/base/bytes.ts';
import { decodeFrame, encodeFrame, FRAME_BYTES, seenInMirror } from '../../../core/relay/frame.ts';
import { PunchPorts } from '../../../core/session/reach/punch-ports.ts';
import { systemRng } from '../../../core/session/system.ts';
import { dialTcp, listenTcp } from '../../../core/transport/tcp.ts';
import { RelayRig } from '../../support/relay-rig.ts';
import { waitFor } from '../../support/wait.ts';

const WILDCARD = '0.0.0.0';
const TIMEOUT_MS = 5_000;
const never = new AbortController().signal;

const ports = (): PunchPorts =>
  new PunchPorts({
    rng: systemRng,
    nowMs: () => performance.now(),
    dial: (endpoint, { localPort, timeoutMs, signal }) =>
      dialTcp(endpoint, {
        timeoutMs,
        signal,
        localAddress: WILDCARD,
        ...(localPort === undefined ? {} : { localPort }),
      }),
  });

const servers = new Set<Server>();
afterEach(() => {
  for (const server of servers) server.close();
  servers.clear();
});

/** @returns where it listens, and the remote ports of whoever comes */
async function listen(): Promise<{
  endpoint: { host: string; port: number };
  guests: (number | undefined)[];
}> {
  const guests: (number | undefined)[] = [];
  const server = createServer((socket) => {
    guests.push(socket.remotePort);
    socket.on('error', () => {});
  });
  servers.add(server);
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return { endpoint: { host: '127.0.0.1', port: (server.address() as { port: number }).port }, guests };
}

describe('the mirror of a relay', () => {
  it('shows the port from which peers are dialled then, while the connection to the relay stands', async () => {
    await using relay = await RelayRig.open();
    const own = ports();
    const seen = await own.prepare(relay.endpoint);
    const { endpoint, guests } = await listen();
    const first = await own.punch(relay.endpoint, endpoint, never);
    const other = await listen();
    const second = await own.punch(relay.endpoint, other.endpoint, never);
    await waitFor(() => guests.length === 1 && other.guests.length === 1, {
      what: 'both dials',
      timeoutMs: TIMEOUT_MS,
    });
    expect([...guests, ...other.guests]).toEqual([seen, seen]);
    first.destroy();
    second.destroy();
    own.close();
  });

  it('answers one question on a connection, and holds few of one address', async () => {
    await using relay = await RelayRig.open();
    const token = new Uint8Array(16).fill(5);
    const answers: Uint8Array[] = [];
    const streams = [];
    let closed = 0;
    for (let i = 0; i < 10; i++) {
      const stream = await dialTcp(relay.endpoint, { timeoutMs: TIMEOUT_MS });
      let held: Uint8Array = EMPTY_BYTES;
      stream.events = {
        onBytes: (bytes) => {
          held = concatBytes([held, bytes]);
          if (held.length === FRAME_BYTES) answers.push(held);
        },
        onDrain: () => {},
        onClose: () => {
          closed++;
        },
      };
      stream.write(encodeFrame('mirror', token));
      streams.push(stream);
    }
    await waitFor(() => answers.length === 8 && closed === 2, {
      what: () => `8 answers and 2 refusals: ${answers.length}, ${closed}`,
      timeoutMs: TIMEOUT_MS,
    });
    const frames = answers.map((each) => decodeFrame(each));
    expect(frames.every((frame) => frame?.token.every((octet) => octet === 5))).toBe(true);
    const seen = frames.map((frame) => frame && seenInMirror(frame)?.port);
    expect(new Set(seen)).toEqual(new Set(streams.slice(0, 8).map(({ localPort }) => localPort)));
    // A second question is none of its business.
    streams[0]?.write(encodeFrame('mirror', token));
    await waitFor(() => closed === 3, { what: 'the end of the first', timeoutMs: TIMEOUT_MS });
    for (const stream of streams) stream.destroy();
  });

  it('is needed because nobody can dial from a port that he listens on', async () => {
    const { endpoint } = await listen();
    const listener = await listenTcp(WILDCARD, 0, (stream) => stream.destroy());
    const options = { timeoutMs: TIMEOUT_MS, localAddress: WILDCARD, localPort: listener.port };
    await expect(dialTcp(endpoint, options)).rejects.toMatchObject({ code: 'EADDRINUSE' });
    await listener.close();
  });
});
