// The words of `tt tracker announce|scrape`: which trackers to ask about which torrents, in whatever order they were typed.

import type { InfoHash } from '../../core/base/ids.ts';
import { toHex } from '../../core/base/ids.ts';
import { OperationError, UsageError } from '../../core/base/result.ts';
import { parseTrackerUrl } from '../../tracker/tracker-url.ts';
import type { CommandContext } from '../contract/context.ts';
import { loadOne } from './load-sources.ts';

export interface Question {
  readonly urls: readonly string[];
  readonly torrents: readonly {
    readonly source: string;
    readonly infoHash: InfoHash;
    readonly name: string;
  }[];
}

/** By its last word, as BEP 48 tells them apart: nobody calls a .torrent so. */
function isAnnounceUrl(text: string): boolean {
  return URL.canParse(text) && /\/announce[^/]*$/.test(new URL(text).pathname) && parseTrackerUrl(text).ok;
}

/** @throws UsageError when there is no tracker or no torrent to ask about; OperationError as loadSource */
export async function questionOf(context: CommandContext): Promise<Question> {
  const words = context.args;
  // One word alone is the torrent, even when it is an http(s) address: that is where the .torrent lies.
  const url = words.length > 1 ? words.find((word) => parseTrackerUrl(word).ok) : undefined;
  const rest = words.filter((word) => word !== url);
  const bad = rest.find((word) => /^(udp|wss?):/i.test(word));
  if (bad !== undefined) throw new UsageError(`${bad} is a tracker, but no torrent to ask about is given`);
  const lone = words.length === 1 && isAnnounceUrl(words[0] as string) ? words[0] : undefined;
  if (lone !== undefined) throw new UsageError(`${lone} is a tracker, but no torrent to ask about is given`);
  const loaded = await Promise.all(rest.map((word) => loadOne(context, word)));
  const torrents = loaded.map((each, i) => {
    const from = 'metainfo' in each ? each.metainfo : each.magnet;
    const infoHash = from.infoHash;
    const name = 'metainfo' in each ? each.metainfo.name : each.magnet.displayName;
    return { source: rest[i] as string, infoHash, name: name ?? toHex(infoHash) };
  });
  if (url !== undefined) return { urls: [url], torrents };
  const first = loaded[0];
  const tiers = first === undefined ? [] : ('metainfo' in first ? first.metainfo : first.magnet).trackerTiers;
  const urls = [...new Set(tiers.flat())];
  if (urls.length === 0) {
    throw new UsageError(
      `${rest[0]} names no tracker`,
      'Give the address of one, like udp://tracker.example:6969.',
    );
  }
  return { urls, torrents };
}

/** When nobody answered: the first reason there is. */
export function noAnswer(errors: readonly (string | undefined)[], urls: readonly string[]): OperationError {
  const first = errors.find((error) => error !== undefined) ?? 'no answer';
  const isLate =
    errors.length > 0 &&
    errors.every((error) => error !== undefined && /no (answer|reply)|timed? ?out/i.test(error));
  return new OperationError(isLate ? 'timeout' : 'network', `${urls.join(', ')}: ${first}`);
}
