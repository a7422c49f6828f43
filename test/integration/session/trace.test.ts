// --trace over real connections: everything the documentation names is written, nothing else, and nobody can be recognised.
import { describe, expect, it } from 'vitest';
import { Bitfield } from '../../../core/base/bitfield.ts';
import { toHex } from '../../../core/base/bytes.ts';
import { BLOCK_BYTES } from '../../../core/metainfo/layout.ts';
import { Trace } from '../../../core/trace/trace.ts';
import { documentedFields, readTrace, seenFields, type TraceLine } from '../../support/trace-lines.ts';
import { waitFor, within } from '../../support/wait.ts';
import { ALL_EXTENSIONS, PATIENCE_MS } from './hostile-world.ts';
import { frame, handshakeBytes, listenRaw, type RawPeer } from './raw-peer.ts';
import { addressOf, type Made, untilEvent, World } from './support.ts';

class Recorder {
  readonly lines: string[] = [];
  readonly trace = new Trace({
    write: (line) => this.lines.push(line),
    nowMs: () => performance.now(),
  });

  read(): TraceLine[] {
    return readTrace(this.lines.join('\n'));
  }

  /** A line with these fields. */
  async until(what: Readonly<Record<string, unknown>>): Promise<void> {
    await waitFor(
      () => this.read().some((line) => Object.entries(what).every(([key, value]) => line[key] === value)),
      { what: JSON.stringify(what), timeoutMs: PATIENCE_MS },
    );
  }
}

/** Shaken hands, everything there, unchoked: from here the test says what it does. */
async function rawSeed(
  made: Made,
  peerId: string,
  onRequest: (peer: RawPeer, request: { piece: number; begin: number; length: number }) => void,
) {
  return listenRaw((peer) => {
    void (async () => {
      await peer.take(68);
      peer.send(handshakeBytes(made.metainfo.infoHash, { reserved: ALL_EXTENSIONS, peerId }));
      peer.send(frame(5, Bitfield.full(made.metainfo.layout.pieceCount).bytes), frame(1));
      for (;;) {
        const body = await peer.frameWithId(6);
        const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
        onRequest(peer, { piece: view.getUint32(0), begin: view.getUint32(4), length: view.getUint32(8) });
      }
    })().catch(() => {});
  });
}

function block(request: { piece: number; begin: number; length: number }): Uint8Array {
  return frame(7, request.piece, request.begin, new Uint8Array(request.length));
}

describe('a trace', () => {
  it('has every documented event with every field, and no other', async () => {
    await using world = new World();
    const made = await world.make({ 'a.bin': 4 * BLOCK_BYTES }, { pieceLength: 2 * BLOCK_BYTES });
    const down = new Recorder();
    const up = new Recorder();
    const session = await world.session('leecher', { trace: down.trace, encryption: 'off' });
    const directory = world.path('out');
    await session.add({ source: { metainfo: made.metainfo }, directory });
    const torrent = session.snapshot().torrents[0]?.infoHash as string;
    const meet = (port: number): Promise<void> =>
      session.command({ kind: 'add-peer', torrent, host: '127.0.0.1', port });

    // One that sits on what it is asked for, so that others are asked for the same.
    const sitter = await rawSeed(made, '-XX0000-sitter------', () => {});
    await meet(sitter.port);
    await down.until({ event: 'request', dir: 'out' });
    // One that refuses, says all kinds of things, asks and takes back, and sends what nobody wants.
    let hasTalked = false;
    const talker = await rawSeed(made, '-XX0000-talker------', (peer, { piece, begin, length }) => {
      peer.send(frame(16, piece, begin, length));
      if (hasTalked) return;
      hasTalked = true;
      peer.send(frame(2), frame(3), frame(2), frame(0), frame(1), frame(4, 0));
      peer.send(frame(8, 0, 0, BLOCK_BYTES), block({ piece: 1, begin: 3, length: 5 }));
    });
    await meet(talker.port);
    await down.until({ event: 'block', dir: 'in', used: false });
    await down.until({ event: 'choke', dir: 'in' });
    await down.until({ event: 'reject', dir: 'in' });
    await down.until({ event: 'cancel', dir: 'in' });
    talker.close();
    // One that answers with zeros: each block is cancelled at the sitter, and the pieces fail their hash.
    const liar = await rawSeed(made, '-XX0000-liar--------', (peer, request) => peer.send(block(request)));
    await meet(liar.port);
    await down.until({ event: 'cancel', dir: 'out' });
    await down.until({ event: 'hash', ok: false });
    // The books know it too.
    const account = session.snapshot().torrents[0]?.account;
    expect(account?.bytes.failedHash).toBeGreaterThanOrEqual(2 * BLOCK_BYTES);
    expect(account?.bytes.unrequested).toBe(5);
    liar.close();
    sitter.close();
    // And an honest one, with a trace of its own: what one says the other hears.
    const seed = await world.seed(made, { trace: up.trace, encryption: 'require' });
    const other = await world.session('other', { trace: down.trace, encryption: 'require' });
    const completed = untilEvent(other, 'completed');
    const early = new Recorder();
    expect(early.read()).toMatchObject([{ event: 'trace', schema: 'tt-trace/1' }]);
    await other.add({
      source: { metainfo: made.metainfo },
      directory: world.path('out2'),
      peers: [addressOf(seed)],
    });
    await within(completed, PATIENCE_MS, 'the honest download');
    await down.until({ event: 'disconnect', reason: 'both-seeds' });
    down.lines.push(down.trace.lost(3));

    const lines = [...down.read(), ...up.read()];
    const seen = seenFields(lines);
    expect(documentedFields().filter((field) => !seen.has(field))).toEqual([]);
    for (const [event, dir] of [
      ['connect', 'in'],
      ['connect', 'out'],
      ['pieces', 'in'],
      ['pieces', 'out'],
      ['have', 'in'],
      ['have', 'out'],
      ['unchoke', 'in'],
      ['unchoke', 'out'],
      ['interested', 'in'],
      ['interested', 'out'],
      ['not-interested', 'in'],
      ['request', 'in'],
      ['request', 'out'],
      ['block', 'in'],
      ['block', 'out'],
    ]) {
      expect(lines, `${event} ${dir}`).toContainEqual(expect.objectContaining({ event, dir }));
    }
    expect(lines).toContainEqual(expect.objectContaining({ event: 'connect', encrypted: true }));
    expect(up.read().filter(({ event }) => event === 'block')).toHaveLength(4);
  });

  it('names nobody, and names the same peer otherwise in the next run', async () => {
    await using world = new World();
    const made = await world.make({ 'secret-name.bin': 100_000 });
    const seed = await world.seed(made);
    const recorders = [new Recorder(), new Recorder()];
    for (const [i, { trace }] of recorders.entries()) {
      const session = await world.session(`leecher${i}`, { trace });
      const completed = untilEvent(session, 'completed');
      await session.add({
        source: { metainfo: made.metainfo },
        directory: world.path(`out${i}`),
        peers: [addressOf(seed)],
      });
      await within(completed, PATIENCE_MS, 'the download');
      await session.close(500);
    }
    const { host, port } = addressOf(seed);
    for (const { lines } of recorders) {
      const text = lines.join('\n');
      for (const telling of [
        host,
        `:${port}"`,
        toHex(made.metainfo.infoHash),
        'secret',
        `${made.metainfo.name}"`,
      ]) {
        expect(text).not.toContain(telling);
      }
    }
    const [first, second] = recorders.map((recorder) => {
      const names = new Set(recorder.read().flatMap(({ peer }) => (peer === undefined ? [] : [peer])));
      expect(names.size).toBe(1);
      return [...names][0] as string;
    });
    expect(first).toMatch(/^[0-9a-f]{12}$/);
    expect(second).not.toBe(first);
  });
});
