// `tt info SOURCE`: what a torrent holds; for a magnet link its metadata is fetched first.

import { done, type Outcome } from '../base/outcome.ts';
import type { CommandContext } from '../contract/context.ts';
import { torrentData, torrentText } from '../torrent/describe-torrent.ts';
import { loadOne } from '../torrent/load-sources.ts';

export async function run(context: CommandContext): Promise<Outcome> {
  const source = context.args[0] as string;
  const loaded = await loadOne(context, source);
  const metainfo =
    'metainfo' in loaded
      ? loaded.metainfo
      : await (await import('../transfer/fetch-metadata.ts')).fetchMetadata(context, loaded.magnet, source);
  return done(torrentText(metainfo), torrentData(metainfo));
}
