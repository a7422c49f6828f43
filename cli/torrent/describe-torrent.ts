// A Metainfo as lines for a person and as the `tt/1` object: what `info`, `create` and `metadata` say about a torrent.
import { toHex } from '../../core/base/ids.ts';
import { formatMagnet, magnetOf } from '../../core/metainfo/magnet.ts';
import type { Magnet, Metainfo } from '../../core/metainfo/metainfo.ts';
import { torrentTitle } from '../../core/metainfo/parse-info.ts';
import { formatFields, formatTable } from '../terminal/table.ts';
import { safeText } from '../terminal/text.ts';
import { formatBytes, formatCount, formatUnixSeconds } from '../terminal/units.ts';

/** Bytes of the files a person sees: without padding. */
export function contentBytes(metainfo: Metainfo): number {
  return metainfo.files.reduce((sum, file) => sum + (file.isPadding ? 0 : file.length), 0);
}

/** @returns undefined for none, and for a date so far off that the milliseconds are no exact integer */
function createdAtMs(seconds: number | undefined): number | undefined {
  return seconds !== undefined && Number.isSafeInteger(seconds * 1000) ? seconds * 1000 : undefined;
}

export function torrentData(metainfo: Metainfo): Readonly<Record<string, unknown>> {
  const files = metainfo.files.filter((file) => !file.isPadding);
  return {
    infoHash: toHex(metainfo.infoHash),
    ...(metainfo.infoHashV2 === undefined ? {} : { infoHashV2: toHex(metainfo.infoHashV2) }),
    version: metainfo.version,
    name: torrentTitle(metainfo),
    totalBytes: contentBytes(metainfo),
    pieceLength: metainfo.layout.pieceLength,
    pieceCount: metainfo.layout.pieceCount,
    private: metainfo.isPrivate,
    source: metainfo.source,
    comment: metainfo.comment,
    createdBy: metainfo.createdBy,
    createdAtMs: createdAtMs(metainfo.creationDate),
    trackers: metainfo.trackerTiers,
    webSeeds: metainfo.webSeeds,
    httpSeeds: metainfo.httpSeeds,
    nodes: metainfo.nodes,
    magnet: formatMagnet(magnetOf(metainfo)),
    fileCount: files.length,
    files: files.map((file) => ({
      index: file.index + 1,
      path: file.path.join('/'),
      bytes: file.length,
      ...(file.isExecutable ? { executable: true } : {}),
      ...(file.isHidden ? { hidden: true } : {}),
      ...(file.symlinkTarget === undefined ? {} : { symlink: file.symlinkTarget.join('/') }),
    })),
  };
}

export function torrentText(metainfo: Metainfo): string {
  const fields: [string, string][] = [
    ['name', safeText(torrentTitle(metainfo))],
    ['info hash', toHex(metainfo.infoHash)],
  ];
  if (metainfo.infoHashV2 !== undefined) fields.push(['info hash v2', toHex(metainfo.infoHashV2)]);
  const count = metainfo.files.filter((file) => !file.isPadding).length;
  const bytes = contentBytes(metainfo);
  fields.push(
    [
      'version',
      metainfo.version === 'v2' ? 'v2 only: this version of tt cannot download it' : metainfo.version,
    ],
    ['size', `${formatBytes(bytes)} (${bytes} bytes) in ${formatCount(count, 'file')}`],
    ['pieces', `${metainfo.layout.pieceCount} of ${formatBytes(metainfo.layout.pieceLength)}`],
  );
  if (metainfo.isPrivate) fields.push(['private', 'yes: peers from its trackers only']);
  if (metainfo.source !== undefined) fields.push(['source', safeText(metainfo.source)]);
  if (metainfo.comment !== undefined) fields.push(['comment', safeText(metainfo.comment)]);
  if (metainfo.createdBy !== undefined) fields.push(['made by', safeText(metainfo.createdBy)]);
  if (metainfo.creationDate !== undefined) fields.push(['made on', formatUnixSeconds(metainfo.creationDate)]);
  metainfo.trackerTiers.forEach((tier, i) => {
    for (const url of tier) fields.push([`tracker ${i + 1}`, safeText(url)]);
  });
  for (const url of metainfo.webSeeds) fields.push(['web seed', safeText(url)]);
  for (const url of metainfo.httpSeeds) fields.push(['http seed', safeText(url)]);
  for (const node of metainfo.nodes) fields.push(['node', safeText(`${node.host}:${node.port}`)]);
  fields.push(['magnet', safeText(formatMagnet(magnetOf(metainfo)))]);
  const files = formatTable(
    [{ title: '#', align: 'right' }, { title: 'SIZE', align: 'right' }, { title: 'FILE' }],
    metainfo.files
      .filter((file) => !file.isPadding)
      .map((file) => [
        String(file.index + 1),
        formatBytes(file.length),
        safeText(file.path.join('/')) +
          (file.symlinkTarget === undefined ? '' : ` -> ${safeText(file.symlinkTarget.join('/'))}`),
      ]),
  );
  return [...formatFields(fields), '', ...files].join('\n');
}

/** A file name for a torrent that has none yet. */
export function torrentFileName(metainfo: Metainfo): string {
  return `${metainfo.name}.torrent`;
}

/** One name for a magnet, for people. */
export function magnetName(magnet: Magnet): string {
  return magnet.displayName ?? toHex(magnet.infoHash);
}
