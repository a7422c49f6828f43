import dgram from 'node:dgram';
import { once } from 'node:events';
import { afterEach, describe, expect, it } from 'vitest';
import { readU32, toHex } from '../../../core/base/bytes.ts';
import { seededRng } from '../../../core/base/clock.ts';
import { announceOnce } from '../../../tracker/io/once.ts';
import { UdpTrackerClient } from '../../../tracker/io/udp-client.ts';
import {
  decodeUdpRequest,
  encodeAnnounceReply,
  encodeConnectReply,
  encodeErrorReply,
  type UdpRequest,
} from '../../../tracker/server-udp-codec.ts';
import { encodeAnnounceRequest } from '../../../tracker/udp-codec.ts';
import { announceRequest } from '../../unit/tracker/material.ts';
import { probe, realClock, ScriptedUdp, type UdpAnswer } from './servers.ts';

const PEERS = [{ peerId: new Uint8Array(20), ip: Uint8Array.of(192, 0, 2, 9), port: 9 }];
const COUNTS = { seeds: 1, leechers: 2, downloads: 3 };
const CONNECTION = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
/** Tests do not wait as clients do. */
const FAST_TRIES = [100, 100, 100];

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

async function serve(answer: UdpAnswer): Promise<ScriptedUdp> {
  const server = await ScriptedUdp.start(answer);
  closers.push(() => server.close());
  return server;
}

function newClient(changes: { tryMs?: readonly number[]; nowMs?: () => number } = {}): UdpTrackerClient {
  const client = new UdpTrackerClient({
    nowMs: realClock.nowMs,
    rng: seededRng(4),
    bindAddress: () => undefined,
    tryMs: FAST_TRIES,
    ...changes,
  });
  closers.push(() => client.close());
  return client;
}

function goodReply(request: UdpRequest, connectionId = CONNECTION): Uint8Array {
  if (request.action === 'connect') return encodeConnectReply(request.transactionId, connectionId);
  return encodeAnnounceReply(request.transactionId, { intervalSeconds: 60, counts: COUNTS, peers: PEERS });
}

function read(packet: Uint8Array): UdpRequest {
  const decoded = decodeUdpRequest(packet);
  if (!decoded.ok) throw new Error(decoded.reason.what);
  return decoded.value;
}

const honest: UdpAnswer = (packet, reply) => reply(goodReply(read(packet)));
const never = new AbortController().signal;

async function announce(client: UdpTrackerClient, server: ScriptedUdp): Promise<string> {
  const compose = (connectionId: Uint8Array, transaction: number): Uint8Array =>
    encodeAnnounceRequest(connectionId, transaction, announceRequest(), '/announce');
  const reply = await client.exchange(server.endpoint, 'announce', compose, never);
  return reply.action === 'error' ? `error ${reply.message}` : `${reply.reply.peers[0]?.host}`;
}

function actionsOf(server: ScriptedUdp): string {
  return server.packets.map((packet) => read(packet).action[0]).join('');
}

describe('UDP trackers', () => {
  it('give peers in two round trips, and in one while the connection id is fresh', async () => {
    let nowMs = 0;
    const server = await serve(honest);
    const client = newClient({ nowMs: () => nowMs });
    expect(await announce(client, server)).toBe('192.0.2.9');
    nowMs = 54_000;
    expect(await announce(client, server)).toBe('192.0.2.9');
    nowMs = 60_000;
    expect(await announce(client, server)).toBe('192.0.2.9');
    expect(actionsOf(server)).toBe('caaca');
    expect(toHex(server.packets[1]?.subarray(0, 8) as Uint8Array)).toBe(toHex(CONNECTION));
  });

  it('share one connect among announces made together', async () => {
    const server = await serve(honest);
    const client = newClient();
    const all = await Promise.all([1, 2, 3].map(() => announce(client, server)));
    expect(all).toEqual(['192.0.2.9', '192.0.2.9', '192.0.2.9']);
    expect(actionsOf(server)).toBe('caaa');
  });

  it('are asked again when a datagram is lost, on either step', async () => {
    let count = 0;
    const server = await serve((packet, reply) => {
      if (++count % 2 === 0) reply(goodReply(read(packet)));
    });
    expect(await announce(newClient(), server)).toBe('192.0.2.9');
    expect(actionsOf(server)).toBe('ccaa');
  });

  it('count as dead after the last try', async () => {
    const server = await serve(() => {});
    await expect(announce(newClient({ tryMs: [10, 10, 10] }), server)).rejects.toThrow('no answer');
    expect(actionsOf(server)).toBe('ccc');
    const transactions = server.packets.map((packet) => readU32(packet, 12));
    expect(new Set(transactions).size).toBe(3);
  });

  it('are connected to anew when they have forgotten the id, silently or not', async () => {
    for (const isSilent of [true, false]) {
      let known = CONNECTION;
      const server = await serve((packet, reply) => {
        const request = read(packet);
        if (request.action === 'connect') reply(goodReply(request, known));
        else if (toHex(request.connectionId) === toHex(known)) reply(goodReply(request));
        else if (!isSilent) reply(encodeErrorReply(request.transactionId, 'connection id mismatch'));
      });
      const client = newClient();
      await announce(client, server);
      known = Uint8Array.of(9, 9, 9, 9, 9, 9, 9, 9);
      expect(await announce(client, server)).toBe('192.0.2.9');
      expect(actionsOf(server)).toBe('caaca');
    }
  });

  it('may refuse in words', async () => {
    const server = await serve((packet, reply) => {
      const request = read(packet);
      reply(
        request.action === 'connect'
          ? goodReply(request)
          : encodeErrorReply(request.transactionId, 'go\u0007\naway'),
      );
    });
    const result = await announceOnce({ ...probe, url: server.url });
    expect(result).toMatchObject({ ok: false, families: [{ error: 'go away' }] });
  });
});

describe('hostile UDP', () => {
  it('of other transactions, other kinds and nonsense is not taken for a reply', async () => {
    const server = await serve((packet, reply) => {
      const request = read(packet);
      const other = { ...request, transactionId: (request.transactionId + 1) >>> 0 };
      for (let i = 0; i < 50; i++) reply(new Uint8Array(i).fill(i));
      reply(goodReply(other));
      // The right transaction, but an answer to another question.
      if (request.action === 'announce') reply(encodeConnectReply(request.transactionId, CONNECTION));
      reply(goodReply(request));
    });
    expect(await announce(newClient(), server)).toBe('192.0.2.9');
  });

  it('from another port never reaches us', async () => {
    const liar = dgram.createSocket('udp4').bind(0, '127.0.0.1');
    await once(liar, 'listening');
    closers.push(() => liar.close());
    const server = await serve((packet, reply, from) => {
      const request = read(packet);
      const evil = encodeErrorReply(request.transactionId, 'evil');
      liar.send(evil, from.port, from.address, () => reply(goodReply(request)));
    });
    expect(await announce(newClient(), server)).toBe('192.0.2.9');
  });

  it('behind a closed port is noticed at once', async () => {
    const server = await ScriptedUdp.start(() => {});
    const { url } = server;
    await server.close();
    expect(await announceOnce({ ...probe, url })).toMatchObject({
      families: [{ error: 'connection refused' }],
    });
  });

  it('that says nothing ends at the deadline', async () => {
    const server = await serve(() => {});
    const result = await announceOnce({ ...probe, url: server.url, timeoutMs: 50 });
    expect(result).toMatchObject({ families: [{ error: 'no complete answer within 50 ms' }] });
  });
});
