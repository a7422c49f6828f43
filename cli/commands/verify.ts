// `tt verify TORRENT [DIR]`: hashes what lies there, lists the bad pieces and the files they touch. Writes nothing.
import path from 'node:path';
import { toHex } from '../../core/base/ids.ts';
import { UsageError } from '../../core/base/result.ts';
import { type VerifyReport, verifyTorrent } from '../../core/storage/verify.ts';
import type { Outcome } from '../base/outcome.ts';
import type { CommandContext } from '../contract/context.ts';
import { formatTable } from '../terminal/table.ts';
import { safeText } from '../terminal/text.ts';
import { formatBytes, formatCount, formatElapsed } from '../terminal/units.ts';
import { locateContent } from '../torrent/content-path.ts';
import { contentBytes } from '../torrent/describe-torrent.ts';
import { loadOne } from '../torrent/load-sources.ts';
import { refuseV2Only } from '../torrent/v2-only.ts';

export async function run(context: CommandContext): Promise<Outcome> {
  const [sourceText = '', place] = context.args;
  const source = await loadOne(context, sourceText);
  if (!('metainfo' in source)) {
    throw new UsageError(
      'verify needs a .torrent: a magnet link has no piece hashes',
      'Save one with "tt metadata".',
    );
  }
  const { metainfo } = source;
  refuseV2Only(metainfo, sourceText);
  const given = path.resolve(context.environment.cwd, place ?? '.');
  const { directory, rename } = await locateContent(metainfo, given);
  const startedAtMs = context.environment.nowMs();
  const meter = context.output.meter('hashing');
  let report: VerifyReport;
  try {
    report = await verifyTorrent(metainfo, directory, {
      signal: context.interrupts.signal,
      onProgress: (bytes) => meter.update(bytes, metainfo.layout.totalLength),
      ...(rename === undefined ? {} : { rename }),
    });
  } finally {
    meter.close();
  }
  const elapsedMs = context.environment.nowMs() - startedAtMs;
  const troubled = report.files.filter((file) => file.state !== 'good');
  const isGood = report.badPieces.length === 0 && troubled.length === 0;
  const files = report.files.map((file) => ({ ...file, index: file.index + 1 }));
  const data = {
    infoHash: toHex(metainfo.infoHash),
    name: metainfo.name,
    directory,
    totalBytes: contentBytes(metainfo),
    pieceCount: metainfo.layout.pieceCount,
    goodPieces: report.good.count,
    badPieces: report.badPieces,
    badFiles: files.filter((file) => file.state !== 'good'),
    files,
    elapsedMs: Math.round(elapsedMs),
  };
  const speed = formatBytes((metainfo.layout.totalLength / Math.max(1, elapsedMs)) * 1000);
  const head = `${safeText(metainfo.name)}: ${report.good.count} of ${formatCount(metainfo.layout.pieceCount, 'piece')} good`;
  if (isGood) {
    return { reason: 'done', text: `${head}, in ${formatElapsed(elapsedMs)} (${speed}/s)`, data };
  }
  const lines = [head];
  if (report.badPieces.length > 0) lines.push(`bad pieces: ${formatRanges(report.badPieces)}`);
  if (troubled.length > 0) {
    lines.push(
      '',
      ...formatTable(
        [
          { title: 'STATE' },
          { title: 'BAD PIECES', align: 'right' },
          { title: 'SIZE', align: 'right' },
          { title: 'FOUND', align: 'right' },
          { title: 'FILE' },
        ],
        troubled.map((file) => [
          file.state,
          String(file.badPieces),
          formatBytes(file.expectedBytes),
          file.foundBytes === undefined ? '-' : formatBytes(file.foundBytes),
          safeText(file.path),
        ]),
      ),
    );
  }
  return {
    reason: 'verification-failed',
    text: lines.join('\n'),
    data,
    failure: {
      reason: 'verification-failed',
      message: `${metainfo.name} in ${directory} is not complete and intact: ${formatCount(report.badPieces.length, 'bad piece')}`,
      hint: `"tt download ${path.basename(sourceText)} --out ${directory}" fetches what is missing.`,
      code: undefined,
      stack: undefined,
    },
  };
}

/** `0-3, 7, 9-12`: piece numbers as the protocol counts them, from 0. */
function formatRanges(sorted: readonly number[]): string {
  const ranges: string[] = [];
  for (let i = 0; i < sorted.length; ) {
    let end = i;
    while (sorted[end + 1] === (sorted[end] as number) + 1) end++;
    ranges.push(end === i ? `${sorted[i]}` : `${sorted[i]}-${sorted[end]}`);
    i = end + 1;
  }
  return ranges.join(', ');
}
