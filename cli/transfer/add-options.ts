// The flags that concern one torrent in a session, turned into AddTorrentOptions: trackers, peers, selection, order.
import { OperationError, UsageError } from '../../core/base/result.ts';
import type { LoadedSource } from '../../core/metainfo/io/load-source.ts';
import type { Metainfo } from '../../core/metainfo/metainfo.ts';
import { selectByRanges, selectFiles } from '../../core/metainfo/select-files.ts';
import type { AddTorrentOptions } from '../../core/session/session-api.ts';
import type { FilePriority } from '../../core/session/snapshot.ts';
import type { Flags } from '../base/flag-values.ts';
import { flagValue, parseHostPort, parseTracker, parseWebUrl } from '../base/parse.ts';
import type { CommandContext } from '../contract/context.ts';

type SourceOptions = Pick<AddTorrentOptions, 'source' | 'trackers' | 'peers' | 'webSeeds' | 'useWebSeeds'>;

/** @throws UsageError on a malformed --peer, --tracker or --web-seed; OperationError `refused` where a private torrent forbids it */
export function sourceOptions(context: CommandContext, loaded: LoadedSource, label: string): SourceOptions {
  const { flags, settings } = context;
  const webSeeds = flags.list('webSeed').map((url) => flagValue('--web-seed', url, parseWebUrl));
  const trackers = flags.list('tracker').map((url) => flagValue('--tracker', url, parseTracker));
  const peers = flags.list('peer').map((text) => flagValue('--peer', text, parseHostPort));
  if ('metainfo' in loaded && loaded.metainfo.isPrivate && trackers.length > 0) {
    throw new OperationError(
      'refused',
      `${label} is private: its peers come from its own trackers only, --tracker is refused (BEP 27)`,
      { hint: 'Leave --tracker out.' },
    );
  }
  return {
    source: flags.choice('trackers') === false ? withoutTrackers(loaded) : loaded,
    trackers,
    peers,
    webSeeds,
    useWebSeeds: settings.webSeeds,
  };
}

function withoutTrackers(loaded: LoadedSource): LoadedSource {
  return 'metainfo' in loaded
    ? { metainfo: { ...loaded.metainfo, trackerTiers: [] } }
    : { magnet: { ...loaded.magnet, trackerTiers: [] } };
}

type Priorities = (metainfo: Metainfo) => readonly FilePriority[];

/**
 * Which files are fetched: --select, else what the magnet link says (BEP 53), else all.
 * For a .torrent a selection that matches nothing is told at once. @throws UsageError
 */
export function selection(flags: Flags, loaded: LoadedSource): Priorities | undefined {
  const patterns = flags.list('select');
  if (patterns.length > 0) {
    if ('metainfo' in loaded) selectFiles(loaded.metainfo, patterns);
    return (metainfo) => selectFiles(metainfo, patterns);
  }
  const ranges = 'magnet' in loaded ? loaded.magnet.selectOnly : undefined;
  return ranges === undefined ? undefined : (metainfo) => selectByRanges(metainfo, ranges);
}

/**
 * For a magnet the selection runs once the metadata is there, deep inside the session: a mistake in it is handed to
 * `onMistake` and nothing is fetched.
 */
export function guardedSelection(
  select: Priorities | undefined,
  onMistake: (error: UsageError) => void,
): Priorities | undefined {
  if (select === undefined) return undefined;
  return (metainfo) => {
    try {
      return select(metainfo);
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      onMistake(error);
      return metainfo.files.map(() => 0);
    }
  };
}
