import { describe, expect, it } from 'vitest';
import type { DatagramPort } from '../../../core/base/datagram-port.ts';
import type { Endpoint } from '../../../core/base/endpoint.ts';
import type { DialBackWays } from '../../../core/nat/dial-back.ts';
import { RelayDialBack, type TestOrder } from '../../../core/nat/io/relay-dial-back.ts';
import { encodeFrame } from '../../../core/relay/frame.ts';

const NONCE = new Uint8Array(16).fill(3);
const [FRIEND, STRANGER] = [
  { host: '44.1.0.1', port: 7000 },
  { host: '44.2.0.1', port: 7000 },
];
const TCP: DialBackWays = { tcp: true, udp: false, udpOtherPort: false };
const UDP: DialBackWays = { tcp: false, udp: true, udpOtherPort: true };

function scene(relays: readonly Endpoint[]) {
  const orders: { readonly relay: Endpoint; readonly order: TestOrder }[] = [];
  let receive: ((bytes: Uint8Array, from: Endpoint) => boolean) | undefined;
  const port = {
    addReceiver(receiver: NonNullable<typeof receive>) {
      receive = receiver;
      return () => {};
    },
    send: () => {},
  } as unknown as DatagramPort;
  const dialBack = new RelayDialBack({
    relays: () => relays,
    isStranger: (relay) => relay === STRANGER,
    datagrams: () => port,
    ask: (relay, order, onStart, onResult) => {
      orders.push({ relay, order });
      onStart(NONCE);
      if (order.ways.udp) receive?.(encodeFrame('test', NONCE), relay);
      const observed = { host: '44.9.0.1', port: 1 };
      const tested = { type: 'tested', nonce: NONCE, observed, tried: order.ways, tcpReached: true } as const;
      onResult({ kind: 'tested', tested });
    },
  });
  const test = (ways: DialBackWays) => dialBack.test({ tcpPort: 6881, udpPort: 6881, ways });
  return { orders, test };
}

describe('whether strangers reach us', () => {
  it('by TCP is asked of any relay, whoever our datagrams have been to', async () => {
    const { orders, test } = scene([FRIEND]);
    expect(await test(TCP)).toMatchObject({ by: FRIEND.host, tcp: true, udp: undefined });
    expect(orders.map(({ relay }) => relay)).toEqual([FRIEND]);
  });

  it('by UDP is asked of none that we have sent a datagram to', async () => {
    const { orders, test } = scene([FRIEND, STRANGER]);
    expect(await test(UDP)).toMatchObject({ by: STRANGER.host, tcp: undefined, udp: true });
    expect(orders).toMatchObject([{ relay: STRANGER, order: { ways: { udp: true } } }]);
    const alone = scene([FRIEND]);
    expect(await alone.test(UDP)).toBeUndefined();
    expect(alone.orders).toEqual([]);
  });
});
