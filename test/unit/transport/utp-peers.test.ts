// What other programs and systems do to uTP connections, as met in the wild: connections given up without a word, one for each SYN,
// datagrams cut on their way.
import { describe, expect, it } from 'vitest';
import { ST_DATA, ST_RESET, ST_STATE } from '../../../core/transport/utp/packet.ts';
import { Told } from '../../sim/utp-net.ts';
import { Bench, PEER, packet } from '../../support/utp-bench.ts';

describe('a connection that we open', () => {
  it('gives each SYN ids of its own: a peer that makes a connection of each, as libtorrent does, is not spoken to in mixed numbers', () => {
    for (const answered of [0, 1, 2]) {
      const bench = new Bench();
      const told = new Told();
      told.connection = bench.mux.dial(PEER, told, {}, bench.nowMs);
      bench.wait(3_500);
      const ids = bench.take().map(({ connectionId }) => connectionId);
      expect(new Set(ids.flatMap((id) => [id, (id + 1) & 0xffff])).size).toBe(6);
      const id = ids[answered] as number;
      bench.give(packet(ST_STATE, id, 500, 1));
      bench.write(told, 10);
      expect(bench.take()).toMatchObject([{ type: ST_DATA, connectionId: (id + 1) & 0xffff, ack: 499 }]);
      // The others' connections are ended as soon as they speak.
      for (const other of ids.filter((each) => each !== id)) {
        bench.give(packet(ST_STATE, other, 9_000, 1));
        expect(bench.take()).toMatchObject([{ type: ST_RESET, connectionId: other, ack: 9_000 }]);
      }
      bench.give(packet(ST_DATA, id, 500, 2, Uint8Array.of(1)));
      expect(told.receivedBytes).toBe(1);
    }
  });

  it('takes no datagram that the system cut for proof that the path takes it, though all of it arrives', () => {
    const bench = new Bench(false, 1_252);
    const { told, id } = bench.dialled();
    bench.write(told, 400_000);
    let probes = 0;
    for (let acked = 1, round = 0; round < 40; round++) {
      const sent = bench.take().filter(({ type }) => type === ST_DATA);
      if (sent.length === 0) break;
      probes += sent.filter(({ size, payload }) => size - 20 > payload.length).length;
      acked = Math.max(acked, ...sent.map(({ seq }) => seq));
      bench.nowMs += 20;
      bench.give(packet(ST_STATE, id, 500, acked));
    }
    const found = told.connection?.datagramBytes ?? 0;
    expect(found).toBeLessThanOrEqual(1_252);
    expect(found).toBeGreaterThan(1_252 - 2 * 16);
    // Each size is tried once, and none again that was cut.
    expect(probes).toBeLessThan(10);
  });

  it('says something every half minute, for the routers on the way, and goes on as long as it is answered', () => {
    const bench = new Bench();
    const { told, id } = bench.dialled();
    bench.take();
    for (let i = 0; i < 5; i++) {
      bench.wait(29_000);
      // Empty, and of a number that came long ago: nobody takes it for payload, and everybody acks it.
      expect(bench.take().map(({ type, seq, size }) => [type, seq, size])).toEqual([[ST_DATA, 1, 20]]);
      bench.wait(50);
      bench.give(packet(ST_STATE, id, 500, 1));
    }
    expect(told.closedWith).toBe('not yet');
  });

  it('answers at once who asks whether it is there', () => {
    const bench = new Bench();
    const { id } = bench.dialled();
    bench.take();
    bench.give(packet(ST_DATA, id, 499, 1));
    expect(bench.take().map(({ type, ack }) => [type, ack])).toEqual([[ST_STATE, 499]]);
  });

  it('finds out that the peer left without a word, also when all it does is receive', () => {
    // What is missing after which numbers came, and how long that may take.
    for (const [numbers, mostMs] of [
      [[500, 502], 20_000],
      [[500, 501], 21_000],
      [[], 45_000],
    ] as const) {
      const bench = new Bench();
      const { told, id } = bench.dialled();
      for (const seq of numbers) bench.give(packet(ST_DATA, id, seq, 1, new Uint8Array(900)));
      bench.wait(100);
      bench.take();
      bench.wait(mostMs);
      const questions = bench.take().filter(({ type }) => type === ST_DATA);
      expect(questions.map(({ seq, size }) => [seq, size])).toEqual(Array(5).fill([1, 20]));
      expect(told.closedWith).toBe('ETIMEDOUT');
      expect(bench.mux.connectionCount).toBe(0);
    }
  });

  it('is patient with a peer that is there and takes its time to send again', () => {
    const bench = new Bench();
    const { told, id } = bench.dialled();
    bench.give(packet(ST_DATA, id, 501, 1, new Uint8Array(900)));
    bench.take();
    let questions = 0;
    for (let i = 0; i < 600; i++) {
      bench.wait(100);
      const asked = bench.take().filter(({ type }) => type === ST_DATA).length;
      questions += asked;
      // The mask of the answer to the question says what is missing; one that libtorrent would start its timer anew for.
      if (asked > 0) bench.give(packet(ST_STATE, id, 502, 1));
    }
    expect(told.closedWith).toBe('not yet');
    // After 3, 6, 12, 24 s: the longer it takes, the rarer.
    expect(questions).toBe(4);
    bench.give(packet(ST_DATA, id, 500, 1, new Uint8Array(900)));
    expect(told.receivedBytes).toBe(1_800);
  });
});
