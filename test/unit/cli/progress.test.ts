import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { EventsRenderer } from '../../../cli/output/events-renderer.ts';
import { PlainMeter, PlainRenderer } from '../../../cli/output/plain-renderer.ts';
import { progressLines, torrentLine } from '../../../cli/output/progress-line.ts';
import { Console } from '../../../cli/terminal/console.ts';
import { textWidth } from '../../../cli/terminal/text.ts';
import { OperationError } from '../../../core/base/result.ts';
import type { NatSnapshot } from '../../../core/nat/nat-snapshot.ts';
import type { SessionSnapshot } from '../../../core/session/snapshot.ts';
import { dhtPicture, file, heldRelay, natFamily, peer, portMapping } from '../../support/screen-rig.ts';
import { FakeStream, fakeSnapshot, fakeTorrent, fakeWorld } from './fakes.ts';

describe('the line of a torrent', () => {
  it('shows share, rates, peers, time left and name', () => {
    expect(torrentLine(fakeTorrent())).toBe(
      ' 42.3%  ↓ 2.00 KiB/s  ↑      0 B/s    0 peers   1m05s left  thing.iso',
    );
  });
  it('keeps its columns while the numbers change', () => {
    const at = (changes: Parameters<typeof fakeTorrent>[0]): number =>
      torrentLine(fakeTorrent(changes)).indexOf('thing.iso');
    expect(at({ verifiedBytes: 0, downRateBytesPerSec: 0, etaMs: undefined })).toBe(at({}));
    expect(at({ verifiedBytes: 999, downRateBytesPerSec: 123e6, etaMs: 5_000 })).toBe(at({}));
  });
  it.each([
    [{ state: 'metadata' as const, name: '' }, /^ {2}meta .*asking peers for the metadata {2}aaaa/],
    [{ state: 'checking' as const, checkedBytes: 500 }, /^ 50\.0% {2}checking/],
    [{ state: 'seeding' as const, ratio: 1.234 }, /^ {2}seed .*ratio 1\.23/],
    [{ state: 'paused' as const }, /paused/],
    [{ state: 'error' as const, error: 'disk \u001b[2J full' }, /error: disk \\x1b\[2J full/],
  ])('has a form for %j', (changes, pattern) => expect(torrentLine(fakeTorrent(changes))).toMatch(pattern));

  it('lets no control character through', () => {
    expect(torrentLine(fakeTorrent({ name: 'x\u001b]0;evil\u0007' }))).toContain('x\\x1b]0;evil\\x07');
  });
});

describe('several torrents', () => {
  const many = (count: number) => fakeSnapshot(Array.from({ length: count }, () => fakeTorrent()));
  it('get a line each and a total', () => {
    const lines = progressLines(many(3), 16);
    expect(lines).toHaveLength(4);
    expect(lines[3]).toContain('total of 3 torrents');
  });
  it('never take more lines than there are', () => {
    const lines = progressLines(many(100), 16);
    expect(lines).toHaveLength(16);
    expect(lines[14]).toContain('and 86 more');
    expect(lines[15]).toContain('total of 100 torrents');
  });
  it('one alone needs no total', () => expect(progressLines(many(1), 16)).toHaveLength(1));
});

/** What a terminal of this width shows after the bytes: just the sequences that we send. */
function screen(text: string, columns: number): string[] {
  const rows: string[] = [''];
  let row = 0;
  let column = 0;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: terminal sequences
  for (const token of text.match(/\u001b\[\d*[A-Z]|\u001b\[[\d;]*m|[\s\S]/gu) ?? []) {
    if (token === '\r') column = 0;
    else if (token === '\n') {
      row++;
      column = 0;
      rows[row] ??= '';
    } else if (token === '\u001b[K') rows[row] = (rows[row] as string).slice(0, column);
    else if (token === '\u001b[J') {
      rows[row] = (rows[row] as string).slice(0, column);
      rows.length = row + 1;
      // biome-ignore lint/suspicious/noControlCharactersInRegex: terminal sequences
    } else if (/^\u001b\[\d+A$/.test(token)) row -= Number(token.slice(2, -1));
    else if (!token.startsWith('\u001b')) {
      const old = (rows[row] as string).padEnd(column);
      rows[row] = old.slice(0, column) + token + old.slice(column + 1);
      column++;
    }
    expect(column).toBeLessThan(columns);
    expect(row).toBeGreaterThanOrEqual(0);
  }
  return rows;
}

describe('lines of the result', () => {
  it('that come by the thousand leave with the turn, in one write, and nothing overtakes them', async () => {
    const writes: string[] = [];
    const stdout = new (class extends FakeStream {
      override write(data: string | Uint8Array, done?: (error?: Error | null) => void): boolean {
        writes.push(String(data));
        return super.write(data, done);
      }
    })();
    const console = new Console(fakeWorld({ stdout }), 'never');
    console.outSoon('a');
    console.outSoon('b');
    expect(writes).toEqual([]);
    await Promise.resolve();
    expect(writes).toEqual(['a\nb\n']);
    console.outSoon('c');
    console.out('d');
    console.outSoon('e');
    await console.flush();
    expect(stdout.text).toBe('a\nb\nc\nd\ne\n');
  });
});

describe('live lines', () => {
  it('are rewritten in place, stay below messages, and leave nothing behind', () => {
    const stderr = new FakeStream(true, 40);
    const console = new Console(fakeWorld({ stderr }), 'never');
    console.live(['one', 'a much longer line than the terminal is wide, by far']);
    expect(screen(stderr.text, 40)).toEqual(['one', 'a much longer line than the terminal i…']);
    console.err('a message');
    expect(screen(stderr.text, 40).slice(0, 2)).toEqual(['a message', 'one']);
    console.live(['two']);
    expect(screen(stderr.text, 40)).toEqual(['a message', 'two']);
    console.clearLive();
    expect(screen(stderr.text, 40)).toEqual(['a message', '']);
  });
  it('use COLUMNS where it is set, and 80 where a terminal knows nothing', () => {
    expect(new Console(fakeWorld({ env: { COLUMNS: '33' } }), 'never').columns).toBe(33);
    expect(new Console(fakeWorld({ stderr: new FakeStream(true, 0) }), 'never').columns).toBe(80);
  });
  it('are not for pipes', () => {
    const world = fakeWorld();
    new Console(world, 'never').live(['x']);
    expect(world.stderr.text).toBe('');
  });
  it('fit the width with wide characters', () => {
    const stderr = new FakeStream(true, 50);
    const renderer = new PlainRenderer(new Console(fakeWorld({ stderr }), 'never'));
    renderer.render(fakeSnapshot([fakeTorrent({ name: '日本語'.repeat(20), state: 'paused' })]));
    const line = screen(stderr.text, 50)[0] as string;
    expect(textWidth(line)).toBeLessThanOrEqual(49);
  });
});

describe('without a terminal', () => {
  it('prints plain lines, and an unchanged one only once', () => {
    const world = fakeWorld();
    const renderer = new PlainRenderer(new Console(world, 'never'));
    for (let i = 0; i < 3; i++) renderer.render(fakeSnapshot([fakeTorrent()]));
    expect(world.stderr.text.split('\n')).toHaveLength(2);
    expect(world.stderr.text).not.toContain('\u001b');
    expect(world.stdout.text).toBe('');
  });
  it('tells once what was found out about NATs and relays, and nothing that is not known', () => {
    const world = fakeWorld();
    const renderer = new PlainRenderer(new Console(world, 'never'));
    const nat = (state: 'unknown' | 'mapped'): NatSnapshot => ({
      families: [natFamily({ state, mappings: [portMapping({ state: 'asking' }), portMapping()] })],
      announcedPort: 0,
      isMappingOn: true,
      classifiedAfterMs: undefined,
    });
    renderer.render({ ...fakeSnapshot([]), nat: nat('unknown'), relays: [] });
    expect(world.stderr.text).toBe('');
    for (let i = 0; i < 2; i++)
      renderer.render({ ...fakeSnapshot([]), nat: nat('mapped'), relays: [heldRelay()] });
    expect(world.stderr.text).toBe(
      [
        'tt: NAT: IPv4 mapped: reached by a forwarded port, seen as 198.51.100.4:40123',
        'tt: forwarding: IPv4 tcp 6891 is 40123 outside by PCP, verified: somebody came in',
        'tt: relays: 1 held: 203.0.113.9:7001 (utp)',
        '',
      ].join('\n'),
    );
  });
  it('tells a failing tracker once', () => {
    const world = fakeWorld();
    const renderer = new PlainRenderer(new Console(world, 'never'));
    const event = {
      atMs: 0,
      torrent: 'aa',
      kind: 'source-error',
      source: 'udp://t:1',
      message: 'no \u001banswer',
    } as const;
    renderer.handleEvent(event);
    renderer.handleEvent(event);
    expect(world.stderr.text).toBe('tt: warning: udp://t:1: no \\x1banswer\n');
  });
  it('meters work that takes long, and only that', () => {
    const world = fakeWorld();
    const meter = new PlainMeter(new Console(world, 'never'), 'hashing', () => world.clockMs);
    meter.update(1, 100);
    expect(world.stderr.text).toBe('');
    world.clockMs = 6_000;
    meter.update(50, 100);
    expect(world.stderr.text).toBe('50.0%  hashing  50 B of 100 B\n');
  });
});

describe('--events', () => {
  it('gives times in whole milliseconds', async () => {
    const world = fakeWorld();
    const console = new Console(world, 'never');
    const renderer = new EventsRenderer(console);
    renderer.handleEvent({
      atMs: 5.4,
      torrent: 'aa',
      kind: 'peer-connected',
      address: '192.0.2.1:1',
      client: 'x',
      transport: 'tcp',
      reached: { rung: 'direct', tried: ['direct'], own: 'unknown', ms: 23.084, firstByteMs: 1.5 },
    });
    await console.flush();
    expect(JSON.parse(world.stdout.text)).toMatchObject({ atMs: 5, reached: { ms: 23, firstByteMs: 2 } });
  });
  it('writes one object a line on stdout and nothing on stderr', async () => {
    const world = fakeWorld();
    const console = new Console(world, 'never');
    const renderer = new EventsRenderer(console);
    renderer.render(fakeSnapshot([fakeTorrent()]));
    renderer.render(fakeSnapshot([fakeTorrent()]));
    renderer.handleEvent({ atMs: 1.6, torrent: 'aa', kind: 'file-complete', file: 0, path: 'x' });
    renderer.handleEvent({
      atMs: 2,
      torrent: 'aa',
      kind: 'error',
      error: new OperationError('disk', 'full', { code: 'ENOSPC' }),
    });
    await console.flush();
    const records = world.stdout.text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    const names = ['progress', 'session', 'files', 'file-complete', 'error'];
    expect(records.map((record) => record['event'])).toEqual(names);
    expect(records.every((record) => record['schema'] === 'tt/1')).toBe(true);
    expect(records[3]).toMatchObject({ file: 1, path: 'x', atMs: 2 });
    expect(records[4]).toMatchObject({ reason: 'disk', message: 'full', code: 'ENOSPC' });
    expect(world.stderr.text).toBe('');
  });
  it('says what the panels of the screen show: every few seconds, and only what changed', () => {
    const world = fakeWorld();
    const renderer = new EventsRenderer(new Console(world, 'never'));
    const said = (snapshot: SessionSnapshot): Record<string, unknown>[] => {
      world.stdout.text = '';
      renderer.render(snapshot);
      return world.stdout.text
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as Record<string, unknown>);
    };
    const source = {
      kind: 'tracker',
      name: 'udp://t:1',
      tier: 0,
      state: 'ok',
      message: undefined,
      peersReceived: 3,
      seeds: 2,
      leechers: 1,
      nextAnnounceAtMs: 61_000,
    } as const;
    const [first, second] = [file(0), file(1)];
    const one = fakeTorrent({ peers: [peer()], sources: [source], files: [first, second] });
    const nat = {
      families: [natFamily()],
      announcedPort: 40_123,
      isMappingOn: true,
      classifiedAfterMs: 900,
    };
    const relays = [heldRelay()];
    const world1 = { ...fakeSnapshot([one]), atMs: 1_000, nat, relays, dht: dhtPicture() };
    const records = said(world1);
    expect(records.map(({ event }) => event)).toEqual(['progress', 'session', 'peers', 'sources', 'files']);
    expect(records[1]).toMatchObject({ nat, dht: { lookups: 14 } });
    expect(records[1]?.['relays']).toMatchObject([{ state: 'reserved', isUtp: true }]);
    expect(records[2]).toMatchObject({
      torrent: one.infoHash,
      peers: [{ address: '192.0.2.7:6881', client: 'qBittorrent 5.1.2', unchokeReason: 'optimistic' }],
    });
    expect(records[3]).toMatchObject({ sources: [{ name: 'udp://t:1', nextAnnounceInMs: 60_000 }] });
    expect(records[4]?.['files']).toHaveLength(2);
    const moved = { ...one, files: [first, { ...second, verifiedBytes: second.verifiedBytes + 1 }] };
    const later = { ...world1, torrents: [moved] };
    expect(said({ ...later, atMs: 2_000 })).toEqual([]);
    const news = said({ ...later, atMs: 6_000 });
    expect(news.map(({ event }) => event)).toEqual(['files']);
    expect(news[0]?.['files']).toMatchObject([{ file: 2, verifiedBytes: second.verifiedBytes + 1 }]);
  });
  it('its records are in the manual', () => {
    const manual = readFileSync(new URL('../../../docs/json.md', import.meta.url), 'utf8');
    const api = readFileSync(new URL('../../../core/session/session-api.ts', import.meta.url), 'utf8');
    const kinds = api.slice(api.indexOf('export type SessionEvent')).matchAll(/readonly kind: '([a-z-]+)'/g);
    const names = [...kinds].map(([, name]) => name as string);
    expect(names.length).toBeGreaterThan(15);
    // What a command says by itself: notice('name', ...).
    const sources = readdirSync(new URL('../../../cli', import.meta.url), {
      recursive: true,
      encoding: 'utf8',
    });
    const notices = sources
      .filter((file) => file.endsWith('.ts'))
      .map((file) => readFileSync(new URL(`../../../cli/${file}`, import.meta.url), 'utf8'))
      .flatMap((text) => [...text.matchAll(/\.notice\(\s*'([a-z-]+)'/g)].map(([, name]) => name as string));
    expect(notices.length).toBeGreaterThan(20);
    for (const name of [...names, ...notices, 'progress', 'session', 'peers', 'sources', 'files', 'result'])
      expect(manual).toContain(`\`${name}\``);
  });
});

it('a reader that went away silences its stream and is told of', () => {
  const world = fakeWorld();
  const console = new Console(world, 'never');
  let gone = 0;
  console.whenReaderGone(() => gone++);
  world.stdout.breakPipe();
  console.out('unheard');
  expect(world.stdout.text).toBe('');
  expect(gone).toBe(1);
});
