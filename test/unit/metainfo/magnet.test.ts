// Magnet links: the vectors, what is written is read back, bounds, and the shell's unquoted `&`.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { toHex } from '../../../core/base/bytes.ts';
import {
  formatMagnet,
  looksCutShort,
  magnetOf,
  mergeRanges,
  parseMagnet,
} from '../../../core/metainfo/magnet.ts';
import type { Magnet } from '../../../core/metainfo/metainfo.ts';
import { parseTorrent } from '../../../core/metainfo/parse-torrent.ts';

interface Vector {
  readonly uri: string;
  readonly expect: 'ok' | 'error';
  readonly note?: string;
  readonly infohash_v1?: string;
  readonly infohash_v2?: string;
  readonly name?: string;
  readonly trackers?: readonly string[];
  readonly webseeds?: readonly string[];
  readonly peers?: readonly string[];
  readonly select?: readonly number[];
}

const { cases } = JSON.parse(
  readFileSync(new URL('../../../fixtures/vectors/magnets.json', import.meta.url), 'utf8'),
) as { cases: readonly Vector[] };

const XT = `xt=urn:btih:${'cd'.repeat(20)}`;

function magnet(text: string): Magnet {
  const parsed = parseMagnet(text);
  if (!parsed.ok) throw new Error(parsed.reason.what);
  return parsed.value;
}

describe('vectors', () => {
  it.each(cases)('$uri ($note): $expect', (vector) => {
    const parsed = parseMagnet(vector.uri);
    expect(parsed.ok).toBe(vector.expect === 'ok');
    if (!parsed.ok) return;
    const { value } = parsed;
    expect({
      infohash_v1: value.hasV1 ? toHex(value.infoHash) : undefined,
      infohash_v2: value.infoHashV2 === undefined ? undefined : toHex(value.infoHashV2),
      name: value.displayName,
      trackers: value.trackerTiers.flat(),
      webseeds: value.webSeeds,
      peers: value.peers.map(({ host, port }) => `${host.includes(':') ? `[${host}]` : host}:${port}`),
      select: (value.selectOnly ?? []).flatMap(([first, last]) =>
        Array.from({ length: last - first + 1 }, (_, i) => first + i),
      ),
    }).toEqual({
      infohash_v1: vector.infohash_v1,
      infohash_v2: vector.infohash_v2,
      name: vector.name,
      trackers: vector.trackers ?? [],
      webseeds: vector.webseeds ?? [],
      peers: vector.peers ?? [],
      select: vector.select ?? [],
    });
    expect(magnet(formatMagnet(value))).toEqual(value);
  });
});

describe('reading', () => {
  it('takes a link as the source of a web page has it, with &amp; between its parameters', () => {
    const read = magnet(`magnet:?xt=urn:btih:${'cd'.repeat(20)}&amp;dn=a&amp;tr=http://a/x&amp;tr=udp://b:1`);
    expect(read.displayName).toBe('a');
    expect(read.trackerTiers).toEqual([['http://a/x'], ['udp://b:1']]);
  });

  it('takes numbered parameters, any case of keys and schemes, and a plus in URLs as a plus', () => {
    const read = magnet(`MAGNET:?XT.1=URN:BTIH:${'CD'.repeat(20)}&tr.1=http://a/x+y&TR.2=udp://b:1&xl=42`);
    expect(read.trackerTiers).toEqual([['http://a/x+y'], ['udp://b:1']]);
    expect(read.exactLength).toBe(42);
  });

  it('uses the sound one of several xt', () => {
    expect(toHex(magnet(`magnet:?xt=urn:btih:123&${XT}`).infoHash)).toBe('cd'.repeat(20));
  });

  it('skips malformed peers, lengths and ranges', () => {
    const read = magnet(
      `magnet:?${XT}&x.pe=a:0&x.pe=b:65536&x.pe=c&x.pe=[::1]:&x.pe=d/e:1&x.pe=ok:1&xl=-1&so=5-2,x,,1--2,9`,
    );
    expect(read.peers).toEqual([{ host: 'ok', port: 1 }]);
    expect(read.exactLength).toBeUndefined();
    expect(read.selectOnly).toEqual([[9, 9]]);
  });

  it('bounds what it keeps', () => {
    const many = Array.from(
      { length: 1000 },
      (_, i) => `tr=http://t${i}/&ws=http://w${i}/&x.pe=h${i}:1`,
    ).join('&');
    const read = magnet(`magnet:?${XT}&${many}`);
    expect(read.trackerTiers.length).toBe(500);
    expect(read.webSeeds.length).toBe(200);
    expect(read.peers.length).toBe(200);
    expect(magnet(`magnet:?${XT}&tr=http://a/${'x'.repeat(3000)}`).trackerTiers).toEqual([]);
    expect(parseMagnet(`magnet:?${XT}&dn=${'x'.repeat(70_000)}`).ok).toBe(false);
  });

  it('names what is wrong', () => {
    const what = (text: string) => {
      const parsed = parseMagnet(text);
      return parsed.ok ? '' : parsed.reason.what;
    };
    expect(what('magnet:?dn=x')).toContain("'xt'");
    expect(what('magnet:?xt=urn:btih:abab')).toContain('40 hex digits');
    expect(what('http://x/')).toContain('magnet:?');
  });
});

describe('ranges', () => {
  it('are sorted, and joined where they touch', () => {
    expect(
      mergeRanges([
        [7, 9],
        [0, 2],
        [3, 4],
        [8, 20],
        [30, 30],
      ]),
    ).toEqual([
      [0, 4],
      [7, 20],
      [30, 30],
    ]);
  });
});

describe('a link cut at an unquoted &', () => {
  it('is recognised by having one parameter only', () => {
    expect(looksCutShort(`magnet:?${XT}`)).toBe(true);
    expect(looksCutShort('magnet:?dn=name')).toBe(true);
    expect(looksCutShort(`magnet:?${XT}&dn=name`)).toBe(false);
    expect(looksCutShort('cd'.repeat(20))).toBe(false);
  });
});

describe('the link of a torrent', () => {
  it('names hash, name, length, trackers and peers, and survives reading', () => {
    const bytes = readFileSync(
      new URL('../../../fixtures/torrents/libtorrent/sample.torrent', import.meta.url),
    );
    const torrent = parseTorrent(bytes);
    if (!torrent.ok) throw new Error(torrent.reason.what);
    const link = magnetOf(torrent.value, [{ host: '::1', port: 6881 }]);
    expect(formatMagnet(link)).toBe(
      'magnet:?xt=urn:btih:58d8d15a4eb3bd9afabc9cee2564f78192777edb&dn=sample&xl=45' +
        '&tr=udp%3A%2F%2Ftracker.opentracker.com%3A80%2Fannounce&tr=tracker.publicbt.com%3A80%2Fannounce&x.pe=[::1]:6881',
    );
    expect(magnet(formatMagnet(link))).toEqual(link);
  });
});
