// The uTP machine packet by packet: what it does when others do not keep to the rules (BEP 29).
import { describe, expect, it } from 'vitest';
import { toHex } from '../../../core/base/bytes.ts';
import { RECEIVE_WINDOW_BYTES } from '../../../core/transport/utp/inbox.ts';
import {
  ST_DATA,
  ST_FIN,
  ST_RESET,
  ST_STATE,
  ST_SYN,
  withLargestDatagram,
  withSack,
} from '../../../core/transport/utp/packet.ts';
import { Told } from '../../sim/utp-net.ts';
import { Bench, PEER, packet } from '../../support/utp-bench.ts';

describe('a connection that we open', () => {
  it('repeats its SYN until it is answered, and only by the right answer', () => {
    const bench = new Bench();
    const told = new Told();
    bench.mux.dial(PEER, told, {}, bench.nowMs);
    bench.wait(3_500);
    const syns = bench.take();
    expect(syns.map(({ type, seq }) => [type, seq])).toEqual([1, 2, 3].map(() => [ST_SYN, 1]));
    const id = syns[0]?.connectionId as number;
    bench.give(packet(ST_STATE, id, 500, 2));
    bench.give(packet(ST_STATE, id, 500, 0));
    bench.give(packet(ST_DATA, id, 500, 1, Uint8Array.of(1)));
    bench.give(packet(ST_STATE, id, 500, 1), { host: PEER.host, port: 1 });
    bench.give(packet(ST_STATE, (id + 1) & 0xffff, 500, 1));
    expect(told.isOpen).toBe(false);
    bench.give(packet(ST_STATE, id, 500, 1));
    expect(told.isOpen).toBe(true);
  });

  it('sends the first SYN with a low hop limit where it is asked to, and the next soon after without', () => {
    const bench = new Bench();
    bench.mux.dial(PEER, new Told(), { firstTtl: 3, firstTtlMs: 300 }, bench.nowMs);
    bench.wait(299);
    expect(bench.take().map(({ ttl }) => ttl)).toEqual([3]);
    bench.wait(1);
    expect(bench.take().map(({ ttl }) => ttl)).toEqual([undefined]);
    bench.wait(1_000);
    expect(bench.take().map(({ ttl }) => ttl)).toEqual([undefined]);
  });

  it('speaks of large datagrams on this machine only, and uses them once the peer has spoken of them', () => {
    const sizes = (isHere: boolean, says: boolean): number[] => {
      const bench = new Bench(isHere);
      const told = new Told();
      told.connection = bench.mux.dial(PEER, told, {}, bench.nowMs);
      const [syn] = bench.take();
      expect(syn?.largestDatagram).toBe(isHere ? 65_487 : 0);
      const answer = packet(ST_STATE, syn?.connectionId as number, 500, 1);
      bench.give(says ? withLargestDatagram(answer, 40_000) : answer);
      bench.write(told, 500_000);
      const [probe] = bench.take();
      return [probe?.size ?? 0];
    };
    expect(sizes(true, true)).toEqual([40_000]);
    expect(sizes(true, false)).toEqual([1_472]);
    expect(sizes(false, true)).toEqual([1_472]);
  });

  it('is refused by a RESET with its id and number, by no other', () => {
    const bench = new Bench();
    const told = new Told();
    bench.mux.dial(PEER, told, {}, bench.nowMs);
    const id = bench.take()[0]?.connectionId as number;
    bench.give(packet(ST_RESET, id, 0, 77));
    bench.give(packet(ST_RESET, (id + 5) & 0xffff, 0, 1));
    bench.give(packet(ST_RESET, id, 0, 1), { host: '192.0.2.8', port: 6881 });
    expect(told.closedWith).toBe('not yet');
    bench.give(packet(ST_RESET, id, 0, 1));
    expect(told.closedWith).toBe('ECONNREFUSED');
    expect(bench.mux.connectionCount).toBe(0);
  });

  it('dies of a RESET that repeats an id and a number of its own, and not of others', () => {
    const bench = new Bench();
    const { told, id } = bench.dialled();
    bench.write(told, 10);
    bench.give(packet(ST_RESET, id + 1, 0, 30_000));
    expect(told.closedWith).toBe('not yet');
    bench.give(packet(ST_RESET, id + 1, 0, 2));
    expect(told.closedWith).toBe('ECONNRESET');
  });

  it('does not believe acks of what it never sent', () => {
    const bench = new Bench();
    const { told, id } = bench.dialled();
    bench.write(told, 100);
    for (const ack of [3, 50, 40_000, 65_535 - 5_000]) bench.give(packet(ST_STATE, id, 500, ack));
    const mask = Uint8Array.of(255, 255, 255, 255);
    bench.give(withSack(packet(ST_STATE, id, 500, 1), mask));
    bench.take();
    bench.wait(1_500);
    // Still unacked: it is sent again.
    expect(bench.take().filter(({ type }) => type === ST_DATA).length).toBeGreaterThan(0);
    expect(told.closedWith).toBe('not yet');
  });

  it('packs full datagrams, and lets a short one wait for the short one before it', () => {
    const bench = new Bench();
    const { told, id } = bench.dialled();
    // The beginning, where each write is a packet: a handshake, and what comes behind it.
    told.connection?.write(new Uint8Array(68), undefined);
    bench.write(told, 300);
    expect(bench.take().map(({ payload }) => payload.length)).toEqual([68, 300]);
    for (let seq = 4; seq < 12; seq++) {
      bench.give(packet(ST_STATE, id, 500, seq - 1));
      bench.write(told, 528);
    }
    bench.take();
    bench.give(packet(ST_STATE, id, 500, 11));
    for (let i = 0; i < 10; i++) told.connection?.write(new Uint8Array(100), undefined);
    bench.write(told, 100);
    expect(bench.take().map(({ payload }) => payload.length)).toEqual([528, 528, 44]);
    bench.write(told, 5);
    bench.write(told, 6);
    expect(bench.take()).toEqual([]);
    bench.give(packet(ST_STATE, id, 500, 14));
    expect(bench.take().map(({ payload }) => payload.length)).toEqual([11]);
  });

  it('sends a packet again after three duplicate acks, or what a mask leaves out', () => {
    const bench = new Bench();
    const { told, id } = bench.dialled();
    bench.write(told, 528 * 4);
    expect(bench.take().map(({ seq }) => seq)).toEqual([2, 3, 4, 5]);
    for (let i = 0; i < 3; i++) bench.give(packet(ST_STATE, id, 500, 1));
    expect(bench.take().map(({ seq }) => seq)).toEqual([2]);
    // Duplicates count from the last ack that told something new.
    const patient = new Bench();
    const third = patient.dialled();
    patient.write(third.told, 528 * 4);
    patient.take();
    for (const ack of [1, 1, 2, 2, 2]) patient.give(packet(ST_STATE, third.id, 500, ack));
    expect(patient.take()).toEqual([]);
    const other = new Bench();
    const second = other.dialled();
    other.write(second.told, 528 * 4);
    other.take();
    // 3, 4 and 5 have arrived.
    other.give(withSack(packet(ST_STATE, second.id, 500, 1), Uint8Array.of(0b111, 0, 0, 0)));
    expect(other.take().map(({ seq }) => seq)).toEqual([2]);
  });

  it('gives up when nothing is heard for half a minute or so', () => {
    const bench = new Bench();
    const { told } = bench.dialled();
    bench.write(told, 10);
    bench.wait(10_000);
    expect(told.closedWith).toBe('not yet');
    bench.wait(120_000);
    expect(told.closedWith).toBe('ETIMEDOUT');
    expect(bench.take().length).toBeLessThan(12);
    expect(bench.mux.connectionCount).toBe(0);
  });

  it('waits at a closed window, tries it now and then, and sends no crumbs into a tiny one', () => {
    for (const windowBytes of [0, 1, 200]) {
      const bench = new Bench();
      const { told, id } = bench.dialled();
      bench.write(told, 528);
      bench.take();
      bench.give(packet(ST_STATE, id, 500, 2, undefined, windowBytes));
      bench.write(told, 5_000);
      expect(bench.take()).toEqual([]);
      bench.wait(400);
      expect(bench.take()).toEqual([]);
      bench.wait(200);
      expect(bench.take().map(({ payload }) => payload.length)).toEqual([528]);
      bench.give(packet(ST_STATE, id, 500, 3, undefined, 1 << 20));
      // What was tried was a large datagram; it arrived.
      expect(bench.take().map(({ payload }) => payload.length)).toEqual([1_452]);
    }
  });

  it('ends with a FIN that is repeated for a while, and then is gone', () => {
    const bench = new Bench();
    const { told, id } = bench.dialled();
    bench.write(told, 10);
    told.connection?.close(bench.nowMs);
    bench.mux.touch(told.connection as never);
    bench.mux.flush(bench.nowMs);
    expect(bench.take().map(({ type, seq }) => [type, seq])).toEqual([
      [ST_DATA, 2],
      [ST_FIN, 3],
    ]);
    expect(told.closedWith).toBeUndefined();
    bench.wait(1_600);
    expect(bench.take().map(({ type }) => type)).toContain(ST_FIN);
    bench.give(packet(ST_STATE, id, 500, 3));
    bench.give(packet(ST_FIN, id, 500, 3));
    bench.wait(10);
    expect(bench.mux.connectionCount).toBe(0);
  });
});

describe('a connection from outside', () => {
  const syn = (id: number): Uint8Array => packet(ST_SYN, id, 1, 0);

  it('is nobody until it answers our answer, which is the same each time', () => {
    const bench = new Bench();
    bench.give(syn(100));
    bench.give(syn(100));
    const [first, second] = bench.take();
    expect([first?.connectionId, first?.ack, first?.type]).toEqual([100, 1, ST_STATE]);
    expect(second?.seq).toBe(first?.seq);
    expect(bench.accepted).toEqual([]);
    const seq = first?.seq as number;
    bench.give(packet(ST_DATA, 101, 2, (seq + 3) & 0xffff, Uint8Array.of(9)));
    expect(bench.accepted).toEqual([]);
    bench.give(packet(ST_DATA, 101, 2, (seq - 1) & 0xffff, Uint8Array.of(9)));
    expect(bench.accepted[0]?.receivedBytes).toBe(1);
  });

  function accepted(bench: Bench): { told: Told; ack: number } {
    bench.give(syn(100));
    const ack = ((bench.take()[0]?.seq as number) - 1) & 0xffff;
    bench.give(packet(ST_DATA, 101, 2, ack, Uint8Array.of(1)));
    bench.take();
    return { told: bench.accepted[0] as Told, ack };
  }

  it('gets its bytes in order and once, whatever comes how often', () => {
    const bench = new Bench();
    const { told, ack } = accepted(bench);
    for (const seq of [5, 4, 4, 2, 5, 3, 3, 6])
      bench.give(packet(ST_DATA, 101, seq, ack, Uint8Array.of(seq)));
    expect(Buffer.concat(told.chunks).toJSON().data).toEqual([1, 3, 4, 5, 6]);
    // Repeats leave nothing behind that would pass for a gap, or for payload 1,024 packets later.
    bench.wait(20);
    expect(bench.take().at(-1)).toMatchObject({ ack: 6, size: 20 });
  });

  it('tells at once what is missing, with a mask as long as it takes', () => {
    const bench = new Bench();
    const { ack } = accepted(bench);
    bench.give(packet(ST_DATA, 101, 4, ack, Uint8Array.of(4)));
    bench.give(packet(ST_DATA, 101, 204, ack, Uint8Array.of(4)));
    const [near, far] = bench.take();
    expect([near?.ack, near?.sackBytes]).toEqual([2, 4]);
    expect(toHex(near?.bytes.subarray(22, 26) ?? new Uint8Array(0))).toBe('01000000');
    expect(far?.sackBytes).toBe(28);
    const mask = far?.bytes.subarray(22, 50) ?? new Uint8Array(0);
    expect(
      [...mask].flatMap((octet, i) =>
        [...Array(8).keys()].filter((bit) => octet & (1 << bit)).map((bit) => i * 8 + bit),
      ),
    ).toEqual([0, 200]);
  });

  it('acks a lone packet a little later, two full ones at once', () => {
    const bench = new Bench();
    const { ack } = accepted(bench);
    bench.wait(20);
    bench.take();
    bench.give(packet(ST_DATA, 101, 3, ack, new Uint8Array(1_000)));
    expect(bench.take()).toEqual([]);
    bench.wait(10);
    expect(bench.take().map(({ ack: upTo }) => upTo)).toEqual([3]);
    bench.give(packet(ST_DATA, 101, 4, ack, new Uint8Array(1_000)));
    bench.give(packet(ST_DATA, 101, 5, ack, new Uint8Array(1_000)));
    expect(bench.take().map(({ ack: upTo }) => upTo)).toEqual([5]);
  });

  it('keeps no more than the window for a reader that pauses', () => {
    const bench = new Bench();
    const { told, ack } = accepted(bench);
    told.connection?.pause();
    for (let seq = 3; seq < 3 + 1_000; seq++)
      bench.give(packet(ST_DATA, 101, seq, ack, new Uint8Array(3_000)));
    const last = bench.take().at(-1);
    expect(last?.windowBytes).toBe(0);
    expect(told.receivedBytes).toBe(1);
    told.connection?.resume(bench.nowMs);
    bench.mux.touch(told.connection as never);
    bench.mux.flush(bench.nowMs);
    expect(told.receivedBytes).toBeLessThanOrEqual(RECEIVE_WINDOW_BYTES + 3_001);
    expect(bench.take().at(-1)?.windowBytes).toBe(RECEIVE_WINDOW_BYTES);
  });

  it('believes a FIN only behind everything, and no payload behind a FIN', () => {
    const bench = new Bench();
    const { told, ack } = accepted(bench);
    bench.give(packet(ST_FIN, 101, 30_000, ack));
    bench.give(packet(ST_DATA, 101, 6, ack, Uint8Array.of(6)));
    bench.give(packet(ST_FIN, 101, 5, ack));
    expect(told.closedWith).toBe('not yet');
    bench.give(packet(ST_FIN, 101, 7, ack));
    bench.give(packet(ST_DATA, 101, 8, ack, Uint8Array.of(8)));
    for (const seq of [3, 4, 5]) bench.give(packet(ST_DATA, 101, seq, ack, Uint8Array.of(seq)));
    expect(Buffer.concat(told.chunks).toJSON().data).toEqual([1, 3, 4, 5, 6]);
    expect(told.closedWith).toBeUndefined();
  });

  it('is limited: so many half-open of one host, so many of all, and all are forgotten soon', () => {
    const bench = new Bench();
    for (let id = 0; id < 40; id += 2) bench.give(syn(id));
    expect(bench.mux.halfOpenCount).toBe(8);
    for (let i = 0; i < 2_000; i++) {
      bench.give(syn(7), { host: `198.51.${i >> 8}.${i & 255}`, port: 1 });
    }
    expect(bench.mux.halfOpenCount).toBe(512);
    bench.wait(6_001);
    expect([bench.mux.halfOpenCount, bench.mux.connectionCount]).toEqual([0, 0]);
    // A /64 is one host.
    for (let i = 0; i < 40; i++)
      bench.give(syn(7), { host: `2001:db8:1:2:3:4:5:${(i + 1).toString(16)}`, port: 1 });
    expect(bench.mux.halfOpenCount).toBe(8);
  });

  it('answers packets for nobody by RESETs that are no longer and not too many', () => {
    const bench = new Bench();
    for (let i = 0; i < 500; i++) bench.give(packet(ST_DATA, 9, i, 0, new Uint8Array(50)));
    const resets = bench.take();
    expect(resets.length).toBe(50);
    expect(resets[3]).toMatchObject({ type: ST_RESET, connectionId: 9, ack: 3, size: 20 });
    bench.give(packet(ST_RESET, 9, 1, 1));
    expect(bench.take()).toEqual([]);
  });
});
