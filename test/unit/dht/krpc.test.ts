import { describe, expect, it } from 'vitest';
import { latin1, utf8 } from '../../../core/base/bytes.ts';
import { randomBytes, seededRng } from '../../../core/base/clock.ts';
import { DhtAddress } from '../../../dht/base/address.ts';
import { Id160 } from '../../../dht/base/node-id.ts';
import { NO_LIMITS } from '../../../dht/base/options.ts';
import { Composer } from '../../../dht/krpc/krpc-compose.ts';
import { MAX_DATAGRAM_BYTES } from '../../../dht/krpc/krpc-scan.ts';
import {
  announceQuery,
  errorMessage,
  getPeersQuery,
  pingQuery,
  targetQuery,
} from '../../../dht/krpc/queries.ts';
import { Box, fixture, hex, nthAddress, scan, tree, vectors } from './material.ts';

const A = utf8('abcdefghij0123456789');
const M = utf8('mnopqrstuvwxyz123456');
const out = new Composer();
const frame = { ownId: Id160.of(A), readOnly: false, version: new Uint8Array(0) };
const tid = utf8('aa');
const target = Id160.of(M);
const plain = { noSeeds: false, scrape: false, want: undefined } as const;

describe('KRPC messages', () => {
  it('reads every example of BEP 5, 32, 33, 44 and 51', () => {
    for (const { hex: text, note } of vectors('bep05').messages) {
      const { outcome, message } = scan(hex(text));
      expect(outcome, note).toBe('ok');
      expect(message.kind, note).toBe(
        note.startsWith('error') ? 'error' : /respon|reply/.test(note) ? 'reply' : 'query',
      );
    }
  });

  it('makes the examples of BEP 5 byte for byte', () => {
    const announce = { port: 6881, impliedPort: true, isSeed: false };
    const made = [
      pingQuery(out, frame, tid).slice(),
      targetQuery(out, frame, 'find_node', target, undefined, tid).slice(),
      getPeersQuery(out, frame, target, plain, tid).slice(),
      announceQuery(out, frame, target, announce, utf8('aoeusnth'), tid).slice(),
      targetQuery(out, frame, 'sample_infohashes', target, undefined, tid).slice(),
      targetQuery(out, frame, 'find_node', target, 'both', tid).slice(),
      errorMessage(
        out,
        201,
        'A Generic Error Ocurred',
        { bytes: tid, tid: { start: 0, end: tid.length } },
        new Uint8Array(0),
      ).slice(),
    ].map((bytes) => latin1(bytes));
    const known: string[] = vectors('bep05').messages.map((one: { ascii: string }) => one.ascii);
    for (const one of made) expect(known).toContain(one);
  });

  it('has the sizes of the design: a change of any is a change of what the network pays', () => {
    const announce = { port: 6881, impliedPort: true, isSeed: false };
    expect(pingQuery(out, frame, tid).length).toBe(56);
    expect(targetQuery(out, frame, 'find_node', target, undefined, tid).length).toBe(92);
    expect(getPeersQuery(out, frame, target, plain, tid).length).toBe(95);
    expect(targetQuery(out, frame, 'sample_infohashes', target, undefined, tid).length).toBe(101);
    const withoutImplied = { ...announce, impliedPort: false };
    expect(announceQuery(out, frame, target, withoutImplied, utf8('aoeusnth'), tid).length).toBe(129);
    expect(announceQuery(out, frame, target, announce, utf8('aoeusnth'), tid).length).toBe(147);
  });

  it('replies in the sizes of the design, with `ip` and `v`', () => {
    const IP_AND_V = '2:ip6:123456'.length + '1:v4:1234'.length;
    const box = new Box({ limits: NO_LIMITS, table: { requireValidIds: false } });
    const ask = (bytes: Uint8Array): Uint8Array => box.give(bytes, nthAddress(900))[0]?.bytes as Uint8Array;
    const rng = seededRng(1);
    for (let i = 0; i < 200; i++)
      box.machine.insertVerified({ id: randomBytes(rng, 20), address: nthAddress(i) }, box.nowMs, 50);
    expect(ask(pingQuery(out, frame, tid).slice()).length).toBe(47 + IP_AND_V);
    expect(ask(targetQuery(out, frame, 'find_node', target, undefined, tid).slice()).length).toBe(
      266 + IP_AND_V,
    );
    const getPeers = getPeersQuery(out, frame, target, plain, tid).slice();
    const reply = ask(getPeers);
    expect(reply.length).toBe(304);
    const token = tree(reply).dict('r')?.bytes('token') as Uint8Array;
    expect(token.length).toBe(8);
    for (let i = 0; i < 100; i++) {
      const from = nthAddress(1000 + i);
      const mine = tree(box.give(getPeers, from)[0]?.bytes as Uint8Array)
        .dict('r')
        ?.bytes('token') as Uint8Array;
      const announce = { port: 6881, impliedPort: false, isSeed: false };
      box.give(announceQuery(out, frame, target, announce, mine, tid).slice(), from);
    }
    expect(ask(getPeers).length).toBe(714);
    const scrape = getPeersQuery(out, frame, target, { ...plain, scrape: true }, tid).slice();
    expect(ask(scrape).length).toBeLessThanOrEqual(1024);
    expect(tree(ask(scrape)).dict('r')?.bytes('BFpe')?.length).toBe(256);
  });

  it('reads what libtorrent sends, all of it', () => {
    const lines = new TextDecoder().decode(fixture('captures/dht-libtorrent.jsonl')).trim().split('\n');
    const kinds = new Map<string, number>();
    for (const line of lines) {
      const bytes = hex(JSON.parse(line).hex);
      const { outcome, message } = scan(bytes);
      expect(outcome, line).toBe('ok');
      const name = message.kind === 'query' ? message.method : message.kind;
      kinds.set(name, (kinds.get(name) ?? 0) + 1);
      const dict = tree(bytes);
      const body = dict.dict(message.kind === 'query' ? 'a' : 'r');
      expect(message.copy(message.tid)).toEqual(dict.bytes('t')?.slice());
      expect(message.copy(message.version)).toEqual(dict.bytes('v')?.slice());
      expect(message.copy(message.id)).toEqual(body?.bytes('id')?.slice());
      expect(message.copy(message.nodes)).toEqual(body?.bytes('nodes')?.slice());
      expect(message.copy(message.token)).toEqual(body?.bytes('token')?.slice());
      expect(message.copy(message.v)).toEqual(body?.rawOf('v')?.slice());
      expect(message.copy(message.external)).toEqual(dict.bytes('ip')?.slice());
    }
    for (const name of ['get_peers', 'announce_peer', 'get', 'put', 'reply'])
      expect(kinds.get(name), name).toBeGreaterThan(0);
  });

  it('answers what libtorrent asks', () => {
    const box = new Box({ limits: { perAddressPerSecond: Number.POSITIVE_INFINITY } });
    for (const line of new TextDecoder()
      .decode(fixture('captures/dht-libtorrent.jsonl'))
      .trim()
      .split('\n')) {
      const bytes = hex(JSON.parse(line).hex);
      const { message } = scan(bytes);
      if (message.kind === 'query') expect(box.give(bytes, nthAddress(3)).length, line).toBe(1);
    }
  });

  it('reads every kind of message from libtorrent, aria2 and Transmission', () => {
    const kinds = new Map<string, Set<string>>();
    for (const line of new TextDecoder().decode(fixture('captures/dht-clients.jsonl')).trim().split('\n')) {
      const recorded = JSON.parse(line) as { client: string; kind: string; hex: string };
      const bytes = hex(recorded.hex);
      const { outcome, message } = scan(bytes);
      expect(outcome, line).toBe('ok');
      const answer = /^(reply|error) to /.exec(recorded.kind)?.[1];
      expect(message.kind === 'query' ? message.method : message.kind, line).toBe(answer ?? recorded.kind);
      const dict = tree(bytes);
      const body = dict.dict(message.kind === 'query' ? 'a' : 'r');
      expect(message.copy(message.tid), line).toEqual(dict.bytes('t')?.slice());
      expect(message.copy(message.id), line).toEqual(body?.bytes('id')?.slice());
      expect(message.copy(message.nodes), line).toEqual(body?.bytes('nodes')?.slice());
      expect(message.copy(message.nodes6), line).toEqual(body?.bytes('nodes6')?.slice());
      expect(message.copy(message.token), line).toEqual(body?.bytes('token')?.slice());
      expect(message.values.start >= 0, line).toBe(body?.list('values') !== undefined);
      expect(message.copy(message.samples), line).toEqual(body?.bytes('samples')?.slice());
      expect(message.errorCode, line).toBe(dict.list('e')?.[0] ?? 0);
      kinds.set(recorded.client, (kinds.get(recorded.client) ?? new Set()).add(recorded.kind));
    }
    const common = ['get_peers', 'announce_peer', 'reply to ping', 'reply to find_node'];
    const answers = ['reply to get_peers', 'reply to announce_peer'];
    const items = ['get', 'put', 'sample_infohashes'];
    const needed: Readonly<Record<string, readonly string[]>> = {
      aria2: ['ping', ...common, ...answers],
      libtorrent: [
        ...common,
        ...answers,
        ...items,
        ...items.map((one) => `reply to ${one}`),
        'error to announce_peer',
        'error to put',
      ],
      transmission: ['ping', 'find_node', ...common, ...answers, 'error to announce_peer'],
    };
    for (const [client, names] of Object.entries(needed))
      expect([...(kinds.get(client) ?? [])], client).toEqual(expect.arrayContaining([...names]));
  });

  it('reads errors that carry an `r` as well, as those of libtorrent do, and no other mixture', () => {
    const error = '1:eli203e5:wronge';
    const reply = '1:rd2:id20:mnopqrstuvwxyz123456e';
    const read = scan(`d${error}${reply}1:t1:a1:y1:ee`);
    expect(read.outcome).toBe('ok');
    expect(read.message).toMatchObject({ kind: 'error', errorCode: 203 });
    expect(scan(`d${error}${reply}1:t1:a1:y1:re`).outcome).toBe('malformed');
    expect(scan(`d${reply}1:t1:a1:y1:ee`).outcome).toBe('malformed');
    const query = '1:ad2:id20:mnopqrstuvwxyz123456e';
    expect(scan(`d${query}${error}1:q4:ping1:t1:a1:y1:qe`).outcome).toBe('malformed');
    expect(scan(`d${query}${error}1:q4:ping1:t1:a1:y1:ee`).outcome).toBe('malformed');
  });

  it('reads single messages of real clients', () => {
    for (const name of ['dht-find_node-query', 'dht-get_peers-query-0', 'dht-get_peers-query-1'])
      expect(scan(fixture(`messages/${name}.bin`)).outcome, name).toBe('ok');
  });
});

const QUERY = 'd1:ad2:id20:abcdefghij0123456789';

describe('KRPC nonsense', () => {
  const malformed: readonly (readonly [string, string])[] = [
    ['the length that kills npm bencode', 'dl-3:e'],
    ['a negative length as a value', `${QUERY}1:xl-3:ee1:q4:ping1:t2:aa1:y1:qe`],
    ['an integer target', `${QUERY}6:targeti5ee1:q9:find_node1:t2:aa1:y1:qe`],
    ['an integer info_hash', `${QUERY}9:info_hashi5ee1:q9:get_peers1:t2:aa1:y1:qe`],
    [
      'an integer token',
      `${QUERY}9:info_hash20:mnopqrstuvwxyz1234564:porti1e5:tokeni5ee1:q13:announce_peer1:t2:aa1:y1:qe`,
    ],
    ['a target of 19 bytes', `${QUERY}6:target19:mnopqrstuvwxyz12345e1:q9:find_node1:t2:aa1:y1:qe`],
    ['a list as id', 'd1:ad2:idlee1:q4:ping1:t2:aa1:y1:qe'],
    ['no transaction id', `${QUERY}e1:q4:ping1:y1:qe`],
    ['an integer transaction id', `${QUERY}e1:q4:ping1:ti5e1:y1:qe`],
    ['a transaction id of a kilobyte', `${QUERY}e1:q4:ping1:t1000:${'x'.repeat(1000)}1:y1:qe`],
    ['no method', `${QUERY}e1:t2:aa1:y1:qe`],
    ['no kind', `${QUERY}e1:q4:ping1:t2:aae`],
    ['a kind that is none', `${QUERY}e1:q4:ping1:t2:aa1:y1:xe`],
    ['arguments in a reply', `${QUERY}e1:t2:aa1:y1:re`],
    ['a reply in a query', 'd1:q4:ping1:rd2:id20:abcdefghij0123456789e1:t2:aa1:y1:qe'],
    ['two ids', `${QUERY}2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe`],
    ['two argument dictionaries', `${QUERY}e1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe`],
    ['bytes after the end', `${QUERY}e1:q4:ping1:t2:aa1:y1:qee`],
    ['the end missing', `${QUERY}e1:q4:ping1:t2:aa1:y1:q1:e`],
    ['a length with a leading zero', 'd1:ad02:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe'],
    ['a length past the end', 'd1:ad2:id99:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe'],
    ['a number with a leading zero', `${QUERY}4:porti05ee1:q4:ping1:t2:aa1:y1:qe`],
    ['minus zero', `${QUERY}4:porti-0ee1:q4:ping1:t2:aa1:y1:qe`],
    ['a number of 40 digits', `${QUERY}4:porti${'9'.repeat(40)}ee1:q4:ping1:t2:aa1:y1:qe`],
    ['a number as a key', `${QUERY}1:xdi1ei2eee1:q4:ping1:t2:aa1:y1:qe`],
    ['a key without a value', `${QUERY}1:xd1:yee1:q4:ping1:t2:aa1:y1:qe`],
    ['lists a thousand deep', `${QUERY}1:x${'l'.repeat(1000)}${'e'.repeat(1000)}e1:q4:ping1:t2:aa1:y1:qe`],
    ['a dictionary as values', `${QUERY.replace('1:a', '1:r')}6:valuesdee1:t2:aa1:y1:re`],
    ['numbers in values', `${QUERY.replace('1:a', '1:r')}6:valuesli1eeee1:t2:aa1:y1:re`],
    ['an error that is no list', 'd1:ei5e1:t2:aa1:y1:ee'],
    ['an error without a text', 'd1:eli201ee1:t2:aa1:y1:ee'],
    [
      'more bytes than a datagram has',
      `${QUERY}1:x${'l'.repeat(9)}${'e'.repeat(9)}${'1:x0:'.repeat(MAX_DATAGRAM_BYTES)}ee`,
    ],
  ];

  it.each(malformed)('meets %s with silence', (_what, text) => {
    expect(scan(text).outcome).toBe('malformed');
    const box = new Box();
    expect(box.give(text, nthAddress(1))).toEqual([]);
    expect(box.machine.snapshot(box.nowMs).statistics.malformed).toBe(1);
  });

  it('meets what BEP 5 lets be ignored with silence, or with error 203', () => {
    for (const { ascii, note } of vectors('bep05').must_ignore_or_answer_203) {
      const sent = new Box().give(ascii, nthAddress(1));
      if (sent.length > 0) expect(latin1(sent[0]?.bytes as Uint8Array), note).toContain('li203e');
    }
  });

  it('answers an unknown method with 204, or as find_node when it has a target', () => {
    const box = new Box();
    expect(box.ask(vectors('bep05').unknown_method.ascii, nthAddress(1)).list('e')?.[0]).toBe(204);
    const reply = box.ask(`${QUERY}6:target20:mnopqrstuvwxyz123456e1:q4:what1:t2:aa1:y1:qe`, nthAddress(1));
    expect(reply.dict('r')?.bytes('nodes')).toBeDefined();
  });

  it('leaves other protocols on the port alone', () => {
    const box = new Box();
    for (const bytes of [
      hex('0102'),
      hex('41007bff'.repeat(5)),
      new Uint8Array(0),
      utf8('GET / HTTP/1.1'),
      utf8('d'),
    ])
      expect(box.machine.handleDatagram(bytes, nthAddress(1), box.nowMs)).toBe(false);
    expect(box.machine.handleDatagram(utf8('de'), nthAddress(1), box.nowMs)).toBe(true);
  });

  it('takes unknown keys, nested values and unsorted keys as they come', () => {
    const text =
      'd1:y1:q1:t2:aa1:zd1:all1:xeee1:q4:ping1:ad3:fool1:xd1:b0:eei-5e2:id20:abcdefghij0123456789ee';
    expect(scan(text)).toMatchObject({ outcome: 'malformed' });
    const good = 'd1:y1:q1:t2:aa1:zd1:all1:xeee1:q4:ping1:ad3:fool1:xd1:b0:ee2:id20:abcdefghij0123456789ee';
    expect(scan(good)).toMatchObject({ outcome: 'ok' });
  });

  it('reads sequence numbers beyond 2^53', () => {
    const { message } = scan(`${QUERY.replace('1:a', '1:r')}3:seqi9223372036854775807ee1:t2:aa1:y1:re`);
    expect(message.bigint(message.seq)).toBe(9223372036854775807n);
  });
});

describe('DhtAddress', () => {
  it('reads the addresses that sockets give', () => {
    expect(DhtAddress.of({ host: '1.2.3.4', port: 5 })?.w0).toBe(0x01020304);
    expect(DhtAddress.of({ host: '255.0.0.1', port: 5 })?.host).toBe('255.0.0.1');
    expect(DhtAddress.of({ host: '::ffff:1.2.3.4', port: 5 })?.family).toBe(4);
    expect(DhtAddress.of({ host: 'fe80::1%eth0', port: 5 })?.scope).toBe('private');
    for (const host of ['1.2.3', '1.2.3.4.5', '01.2.3.4', '256.1.1.1', '1..2.3', 'localhost', ''])
      expect(DhtAddress.of({ host, port: 5 }), host).toBeUndefined();
    for (const port of [0, 65536, 1.5, -1]) expect(DhtAddress.of({ host: '1.2.3.4', port })).toBeUndefined();
  });
});
