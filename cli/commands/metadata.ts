// `tt metadata MAGNET -o FILE`: fetches the info dictionary and writes it, byte for byte, with the link's trackers around it.
import { UsageError } from '../../core/base/result.ts';
import { composeTorrent } from '../../core/metainfo/compose-torrent.ts';
import type { Outcome } from '../base/outcome.ts';
import type { CommandContext } from '../contract/context.ts';
import { safeText } from '../terminal/text.ts';
import { torrentData, torrentFileName, torrentText } from '../torrent/describe-torrent.ts';
import { loadOne } from '../torrent/load-sources.ts';
import { refuseExisting, writeTorrent } from '../torrent/write-torrent.ts';
import { fetchMetadata } from '../transfer/fetch-metadata.ts';

export async function run(context: CommandContext): Promise<Outcome> {
  const source = context.args[0] as string;
  const out = context.flags.text('out');
  if (out === '-' && context.output.isForPrograms) {
    throw new UsageError('--out - and --json or --events both want stdout', 'Give --out a file name.');
  }
  const loaded = await loadOne(context, source);
  if ('metainfo' in loaded) {
    throw new UsageError(`${source} is a .torrent already: there is nothing to fetch`, 'See "tt info".');
  }
  const mayOverwrite = context.flags.isOn('force');
  if (out !== undefined) await refuseExisting(context, { out, mayOverwrite });
  const metainfo = await fetchMetadata(context, loaded.magnet, source);
  const { trackerTiers, webSeeds } = loaded.magnet;
  const file = await writeTorrent(context, {
    bytes: composeTorrent({ infoBytes: metainfo.infoBytes, trackerTiers, webSeeds }),
    out: out ?? torrentFileName(metainfo),
    mayOverwrite,
  });
  const data = { torrentPath: file, ...torrentData({ ...metainfo, trackerTiers, webSeeds }) };
  if (file === undefined) return { reason: 'done', text: '', data };
  return {
    reason: 'done',
    text: `${torrentText({ ...metainfo, trackerTiers, webSeeds })}\n\nwrote ${safeText(file)}`,
    data,
  };
}
