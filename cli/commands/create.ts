// `tt create PATH`: hashes with all cores, writes a .torrent, says what it is.
import path from 'node:path';
import { UsageError } from '../../core/base/result.ts';
import { type CreateOptions, createTorrent } from '../../core/metainfo/io/create-torrent.ts';
import type { Metainfo } from '../../core/metainfo/metainfo.ts';
import type { Flags } from '../base/flag-values.ts';
import type { Outcome } from '../base/outcome.ts';
import { flagValue, optionalFlagValue, parseBytes, parseTracker, parseWebUrl } from '../base/parse.ts';
import { ttVersion } from '../base/version.ts';
import type { CommandContext } from '../contract/context.ts';
import { safeText } from '../terminal/text.ts';
import { formatCount } from '../terminal/units.ts';
import { torrentData, torrentFileName, torrentText } from '../torrent/describe-torrent.ts';
import { refuseExisting, writeTorrent } from '../torrent/write-torrent.ts';

/** What is left out is named as far as one line holds it. */
const MOST_NAMED = 3;

function versionOf(flags: Flags): Metainfo['version'] {
  const chosen = (['v1', 'v2', 'hybrid'] as const).filter((version) => flags.isOn(version));
  if (chosen.length > 1) throw new UsageError(`--${chosen.join(' and --')} exclude each other`);
  return chosen[0] ?? 'v1';
}

function tiersOf(flags: Flags): readonly (readonly string[])[] {
  return flags
    .list('tracker')
    .map((tier) => tier.split(',').map((url) => flagValue('--tracker', url.trim(), parseTracker)));
}

/** Shared with `tt seed`, which makes a torrent where there is none. */
export function createOptions(context: CommandContext, content: string): CreateOptions {
  const { flags, environment } = context;
  const pieceLength = optionalFlagValue('--piece-length', flags.text('pieceLength'), parseBytes);
  const comment = flags.text('comment');
  return {
    path: path.resolve(environment.cwd, content),
    version: versionOf(flags),
    trackerTiers: tiersOf(flags),
    webSeeds: flags.list('webSeed').map((url) => flagValue('--web-seed', url, parseWebUrl)),
    createdBy: `tt/${ttVersion()}`,
    isPrivate: flags.isOn('private'),
    ...(comment === undefined ? {} : { comment }),
    ...(pieceLength === undefined ? {} : { pieceLength }),
  };
}

export async function run(context: CommandContext): Promise<Outcome> {
  const { flags, output, interrupts, args, environment } = context;
  const name = flags.text('name');
  const source = flags.text('source');
  const out = flags.text('out');
  const content = path.resolve(environment.cwd, args[0] as string);
  // A torrent written into the folder it describes must not describe itself the next time.
  const written = path.resolve(environment.cwd, out ?? `${name ?? path.basename(content)}.torrent`);
  if (out === '-' && output.isForPrograms) {
    throw new UsageError('--out - and --json or --events both want stdout', 'Give --out a file name.');
  }
  const mayOverwrite = flags.isOn('force');
  await refuseExisting(context, { out: out ?? written, mayOverwrite });
  const meter = output.meter('hashing');
  const startedAtMs = environment.nowMs();
  const created = await createTorrent(
    {
      ...createOptions(context, content),
      includeHidden: flags.isOn('all'),
      ...(name === undefined ? {} : { name }),
      ...(source === undefined ? {} : { source }),
      ...(flags.choice('date') === false ? {} : { creationDate: Math.floor(Date.now() / 1000) }),
      exclude: out === '-' ? [] : [written],
    },
    {
      signal: interrupts.signal,
      onProgress: ({ hashedBytes, totalBytes }) => meter.update(hashedBytes, totalBytes),
    },
  ).finally(() => meter.close());
  if (created.warning !== undefined) output.warn(created.warning);
  const skipped = created.skipped.filter((entry) => entry.why !== 'excluded');
  if (skipped.length > 0) {
    const count = formatCount(skipped.length, 'entry is', 'entries are');
    const named = skipped.slice(0, MOST_NAMED).map(({ path, why }) => `${path} (${why})`);
    const rest = skipped.length - named.length;
    output.warn(
      `${count} left out: ${named.join(', ')}${rest > 0 ? `, and ${rest} more (--json names all)` : ''}`,
    );
  }
  const { metainfo } = created;
  const file = await writeTorrent(context, {
    bytes: created.torrentBytes,
    out: out ?? torrentFileName(metainfo),
    mayOverwrite,
  });
  const data = {
    torrentPath: file,
    ...torrentData(metainfo),
    skipped: created.skipped,
    elapsedMs: Math.round(environment.nowMs() - startedAtMs),
  };
  if (file === undefined) return { reason: 'done', text: '', data };
  return { reason: 'done', text: `${torrentText(metainfo)}\n\nwrote ${safeText(file)}`, data };
}
