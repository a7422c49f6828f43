// Every torrent of fixtures/torrents against the outcome its manifest expects, and against an independent reader.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { files as oracleFiles, hashes as oracleHashes, info as oracleInfo } from '@ctrl/torrent-file';
import { describe, expect, it } from 'vitest';
import { toHex } from '../../../core/base/bytes.ts';
import type { Metainfo } from '../../../core/metainfo/metainfo.ts';
import { torrentTitle } from '../../../core/metainfo/parse-info.ts';
import { parseTorrent } from '../../../core/metainfo/parse-torrent.ts';
import { expectSafePaths } from './safe-paths.ts';

/** Not canonical, or odd outside `info`: the other reader takes neither. */
const ORACLE_REFUSES: readonly string[] = [];

interface Entry {
  readonly file: string;
  readonly expect: 'ok' | 'error' | 'either';
  readonly prefer?: 'ok' | 'error';
  readonly reason: string;
  readonly details?: Details;
}

interface Details {
  readonly url_list?: readonly string[];
  readonly [other: string]: unknown;
}

const fixtures = new URL('../../../fixtures/', import.meta.url).pathname;
const { entries } = JSON.parse(readFileSync(join(fixtures, 'torrents/manifest.json'), 'utf8')) as {
  entries: readonly Entry[];
};

/** Ours in the manifest's terms: sizes and counts without padding, web seeds without empty ones. */
function detailsOf(metainfo: Metainfo): Record<string, unknown> {
  const data = metainfo.files.filter((file) => !file.isPadding);
  return {
    infohash_v1: metainfo.version === 'v2' ? undefined : toHex(metainfo.infoHash),
    infohash_v2: metainfo.infoHashV2 === undefined ? undefined : toHex(metainfo.infoHashV2),
    name: torrentTitle(metainfo),
    piece_length: metainfo.layout.pieceLength,
    pieces: metainfo.layout.pieceCount,
    files: data.length,
    size: data.reduce((sum, file) => sum + file.length, 0),
    private: metainfo.isPrivate,
    announce: metainfo.trackerTiers[0]?.[0],
    announce_list: metainfo.trackerTiers,
    url_list: metainfo.webSeeds,
    nodes: metainfo.nodes.map(({ host, port }) => [host, port]),
  };
}

function expectDetails(metainfo: Metainfo, details: Details): void {
  const ours = detailsOf(metainfo);
  const expected = { ...details };
  if (details.url_list !== undefined)
    Object.assign(expected, { url_list: details.url_list.filter((url) => url !== '') });
  expect(Object.fromEntries(Object.keys(expected).map((key) => [key, ours[key]]))).toEqual(expected);
}

describe('fixtures/torrents', () => {
  it('has every file of the manifest under test', () => {
    expect(entries.length).toBe(62);
  });

  it.each(entries)('$file: $expect $reason', (entry) => {
    const parsed = parseTorrent(readFileSync(join(fixtures, entry.file)));
    const wanted = entry.expect === 'either' ? (entry.prefer ?? 'ok') : entry.expect;
    if (!parsed.ok) {
      expect(wanted).toBe('error');
      expect(parsed.reason.what).toMatch(/^[^\n\r\0]{5,200}$/);
      return;
    }
    expect(wanted).toBe('ok');
    expectSafePaths(parsed.value);
    expectDetails(parsed.value, entry.details ?? {});
  });

  it.each(entries.filter((entry) => entry.expect === 'ok'))(
    '$file: read alike by another reader',
    (entry) => {
      const bytes = readFileSync(join(fixtures, entry.file));
      const parsed = parseTorrent(bytes);
      if (!parsed.ok) throw new Error(parsed.reason.what);
      let theirs: ReturnType<typeof oracleHashes>;
      try {
        theirs = oracleHashes(bytes);
      } catch (error) {
        expect(ORACLE_REFUSES, String(error)).toContain(entry.file);
        return;
      }
      const { infoHash, infoHashV2, layout } = parsed.value;
      expect(parsed.value.version === 'v2' ? undefined : toHex(infoHash)).toBe(theirs.infoHash);
      expect(infoHashV2 === undefined ? undefined : toHex(infoHashV2)).toBe(theirs.infoHashV2);
      expect(oracleInfo(bytes).name).toBe(torrentTitle(parsed.value));
      const { pieceLength, pieces, files } = oracleFiles(bytes);
      expect(pieceLength).toBe(layout.pieceLength);
      if (pieces !== undefined) expect(pieces.join('')).toBe(toHex(parsed.value.pieceHashes));
      if (parsed.value.version === 'v2') {
        expect(parsed.value.files.map(({ offset, length }) => [offset, length])).toEqual(
          files.map(({ offset, length }) => [offset, length]),
        );
      }
    },
  );
});
