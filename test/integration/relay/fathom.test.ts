// How many hops open our own gateways, asked of a relay on real sockets. On loopback there are none: whatever is sent arrives. What gateways
// of each kind make of it is tried in test/nat/own-gateways.test.ts.
import { createSocket, type Socket } from 'node:dgram';
import { afterEach, describe, expect, it } from 'vitest';
import { concatBytes, EMPTY_BYTES } from '../../../core/base/bytes.ts';
import type { DatagramPort, DatagramReceiver } from '../../../core/base/datagram-port.ts';
import { FATHOM_PORTS, KNOCK, portOfEcho, portsInFathom } from '../../../core/relay/fathom.ts';
import { decodeFrame, encodeFrame, FRAME_BYTES, type RelayFrame } from '../../../core/relay/frame.ts';
import { fathom } from '../../../core/session/reach/own-gateways.ts';
import { systemRng } from '../../../core/session/system.ts';
import type { ByteStream } from '../../../core/transport/byte-stream.ts';
import { dialTcp } from '../../../core/transport/tcp.ts';
import { RelayRig } from '../../support/relay-rig.ts';
import { waitFor } from '../../support/wait.ts';

const TIMEOUT_MS = 20_000;
const TOKEN = new Uint8Array(16).fill(9);
const never = new AbortController().signal;

const open = new Set<{ destroy(): void }>();
afterEach(() => {
  for (const each of open) each.destroy();
  open.clear();
});

async function socketOf(address: string): Promise<Socket> {
  const socket = createSocket('udp4');
  open.add({ destroy: () => socket.close() });
  await new Promise<void>((done) => socket.bind(0, address, done));
  return socket;
}

/** @param passes what a gateway lets in; default everything */
function portOn(
  socket: Socket,
  passes: (frame: RelayFrame) => boolean = () => true,
): Pick<DatagramPort, 'send' | 'addReceiver'> & { readonly ttls: (number | undefined)[] } {
  const receivers = new Set<DatagramReceiver>();
  const ttls: (number | undefined)[] = [];
  socket.on('message', (bytes, { address, port }) => {
    const frame = decodeFrame(bytes);
    if (frame !== undefined && passes(frame))
      for (const receiver of receivers) receiver(bytes, { host: address, port });
  });
  return {
    ttls,
    send: (bytes, { host, port }, options) => {
      ttls.push(options?.ttl);
      socket.send(bytes, port, host);
    },
    addReceiver: (receiver) => {
      receivers.add(receiver);
      return () => receivers.delete(receiver);
    },
  };
}

const dial = (endpoint: RelayRig['endpoint']): Promise<ByteStream> =>
  dialTcp(endpoint, { timeoutMs: TIMEOUT_MS });

/** Asks as a peer would, and keeps what comes. */
async function ask(
  relay: RelayRig,
): Promise<{ readonly ports: () => number[] | undefined; readonly isClosed: () => boolean }> {
  const stream = await dial(relay.endpoint);
  open.add(stream);
  let held: Uint8Array = EMPTY_BYTES;
  let isClosed = false;
  stream.events = {
    onBytes: (bytes) => {
      held = concatBytes([held, bytes]);
    },
    onDrain: () => {},
    onClose: () => {
      isClosed = true;
    },
  };
  stream.write(encodeFrame('fathom', TOKEN));
  const ports = (): number[] | undefined =>
    held.length < FRAME_BYTES ? undefined : portsInFathom(decodeFrame(held) as RelayFrame);
  return { ports, isClosed: () => isClosed };
}

describe('how far away our own gateways are', () => {
  it('is the lowest hop limit whose port is heard of', async () => {
    await using relay = await RelayRig.open();
    const datagrams = portOn(await socketOf('127.0.0.1'), (frame) => (portOfEcho(frame) ?? 0) >= 2);
    expect(await fathom(relay.endpoint, { dial, datagrams, rng: systemRng, signal: never })).toBe(3);
    // To the first port nothing is sent: it tells whether strangers get in.
    expect(datagrams.ttls).toEqual([2, 3, 4, 5, 6, 7, undefined]);
  });

  it('is not known where strangers get in', async () => {
    await using relay = await RelayRig.open();
    const datagrams = portOn(await socketOf('127.0.0.1'));
    expect(await fathom(relay.endpoint, { dial, datagrams, rng: systemRng, signal: never })).toBeUndefined();
  });

  it('is asked again when a datagram is lost, and not known when none comes', async () => {
    await using relay = await RelayRig.open();
    let rounds = 0;
    const lossy = portOn(await socketOf('127.0.0.1'), (frame) => {
      const port = portOfEcho(frame) ?? 0;
      if (port === 0) rounds++;
      return port > 0 && rounds > 1;
    });
    expect(await fathom(relay.endpoint, { dial, datagrams: lossy, rng: systemRng, signal: never })).toBe(2);
    const deaf = portOn(await socketOf('127.0.0.1'), () => false);
    const question = fathom(relay.endpoint, { dial, datagrams: deaf, rng: systemRng, signal: never });
    await expect(question).rejects.toThrow('hear our datagrams');
  });

  it('is asked of nobody any more when it is given up', async () => {
    await using relay = await RelayRig.open();
    const given = new AbortController();
    const datagrams = portOn(await socketOf('127.0.0.1'), () => false);
    const question = fathom(relay.endpoint, { dial, datagrams, rng: systemRng, signal: given.signal });
    given.abort();
    await expect(question).rejects.toThrow();
  });
});

describe('the relay', () => {
  it('answers three knocks with the token, from the address that asked, and nobody else', async () => {
    await using relay = await RelayRig.open();
    const { ports } = await ask(relay);
    const known = await waitFor(ports, { what: 'ports', timeoutMs: TIMEOUT_MS });
    expect(new Set(known).size).toBe(FATHOM_PORTS);
    const heard: [who: string, port: number | undefined][] = [];
    const listen = async (who: string, address: string): Promise<Socket> => {
      const socket = await socketOf(address);
      socket.on('message', (bytes) => heard.push([who, portOfEcho(decodeFrame(bytes) as RelayFrame)]));
      return socket;
    };
    const [own, other] = [await listen('own', '127.0.0.1'), await listen('other', '127.0.0.2')];
    const guesser = await listen('guesser', '127.0.0.1');
    const knock = (socket: Socket, token: Uint8Array): Promise<void> =>
      new Promise((done) =>
        socket.send(encodeFrame('fathom', token), known[KNOCK], '127.0.0.1', () => done()),
      );
    await knock(other, TOKEN);
    await knock(guesser, new Uint8Array(16));
    for (let i = 0; i < 3; i++) await knock(own, TOKEN);
    await waitFor(() => heard.length >= 3 * FATHOM_PORTS, { what: 'echoes', timeoutMs: TIMEOUT_MS });
    for (let i = 0; i < 3; i++) await knock(own, TOKEN);
    // Whatever it would answer would be here before this answer to another question.
    const second = await ask(relay);
    const [more = []] = [await waitFor(second.ports, { what: 'ports', timeoutMs: TIMEOUT_MS })];
    own.send(encodeFrame('fathom', TOKEN), more[KNOCK], '127.0.0.1');
    await waitFor(() => heard.length >= 4 * FATHOM_PORTS, { what: 'more echoes', timeoutMs: TIMEOUT_MS });
    expect(heard).toHaveLength(4 * FATHOM_PORTS);
    expect(new Set(heard.map(([who]) => who))).toEqual(new Set(['own']));
  });

  it('lends ports to two connections of an address at a time', async () => {
    await using relay = await RelayRig.open();
    const asked: Awaited<ReturnType<typeof ask>>[] = [];
    for (let i = 0; i < 4; i++) asked.push(await ask(relay));
    await waitFor(() => asked.filter(({ isClosed }) => isClosed()).length === 2, {
      what: 'two to be refused',
      timeoutMs: TIMEOUT_MS,
    });
    await waitFor(() => asked.filter(({ ports }) => ports() !== undefined).length === 2, {
      what: 'two to be lent ports',
      timeoutMs: TIMEOUT_MS,
    });
  });
});
