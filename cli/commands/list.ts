// `tt list`: every torrent that can be resumed, where its files lie and how far it is.
import { listResumable, type ResumableTorrent } from '../../core/storage/resume-state.ts';
import { done, type Outcome } from '../base/outcome.ts';
import type { CommandContext } from '../contract/context.ts';
import { formatTable } from '../terminal/table.ts';
import { safeText, truncateText } from '../terminal/text.ts';
import { formatBytes, formatShare, formatUnixSeconds } from '../terminal/units.ts';

export async function run(context: CommandContext): Promise<Outcome> {
  const torrents = [...(await listResumable(context.settings.stateDir))].sort(
    (a, b) => b.updatedAtMs - a.updatedAtMs,
  );
  const data = {
    stateDir: context.settings.stateDir,
    torrents: torrents.map((torrent) => ({
      infoHash: torrent.infoHash,
      name: torrent.name,
      directory: torrent.directory,
      rename: torrent.rename,
      torrentPath: torrent.torrentPath,
      magnet: torrent.magnet,
      totalBytes: torrent.totalLength,
      pieceCount: torrent.pieceCount,
      verifiedPieces: torrent.verifiedPieces,
      complete: torrent.pieceCount > 0 && torrent.verifiedPieces === torrent.pieceCount,
      updatedAtMs: Math.round(torrent.updatedAtMs),
      running: torrent.isOpen,
    })),
  };
  if (torrents.length === 0) {
    return done(`Nothing to resume in ${safeText(context.settings.stateDir)}.`, data);
  }
  return done(resumableTable(torrents).join('\n'), data);
}

/** One torrent with a name of 255 letters would push the folders of all the others off the screen; --json has it whole. */
const NAME_COLUMNS = 50;

export function resumableTable(torrents: readonly ResumableTorrent[]): readonly string[] {
  return formatTable(
    [
      { title: 'DONE', align: 'right' },
      { title: 'SIZE', align: 'right' },
      { title: 'LAST CHANGE' },
      { title: 'INFO HASH' },
      { title: 'NAME' },
      { title: 'IN' },
    ],
    torrents.map((torrent) => [
      torrent.pieceCount === 0 ? '-' : formatShare(torrent.verifiedPieces, torrent.pieceCount),
      formatBytes(torrent.totalLength),
      torrent.isOpen ? 'running now' : formatUnixSeconds(Math.floor(torrent.updatedAtMs / 1000)),
      torrent.infoHash,
      truncateText(safeText(torrent.rename ?? torrent.name), NAME_COLUMNS),
      safeText(torrent.directory),
    ]),
  );
}
