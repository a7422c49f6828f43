// Who makes room when every place of a torrent is taken: whoever moves the least now and then, and at once the crowd of one address.
// As long as there is place a source (an address; of IPv6 the /64) may have as many connections as it likes: a NAT, a test machine.
// In a full house it keeps its share, or one stranger with many ports could shut everybody else out.
import { sourceOf } from '../base/endpoint.ts';
import type { PeerConnection } from './peer/peer-connection.ts';

/** Of all places, when others want in. */
const SHARE_OF_SOURCE = 0.1;
/** Places that a crowd is known to hold are dialled for a few at a time. */
const MOST_AT_ONCE = 5;

interface Crowd {
  readonly source: string;
  readonly members: PeerConnection[];
}

/** The source with the most connections. The user's own peers are not counted, nor what comes through relays: that is many under one address. */
function largestCrowd(connections: Iterable<PeerConnection>): Crowd {
  const bySource = new Map<string, Crowd>();
  let largest: Crowd = { source: '', members: [] };
  for (const connection of connections) {
    const { stream, candidate, isAdmitted, isClosing } = connection;
    if (!isAdmitted || isClosing || stream.transport === 'relayed' || candidate?.origin === 'manual')
      continue;
    const source = sourceOf(stream.remote.host);
    const crowd = bySource.get(source) ?? { source, members: [] };
    crowd.members.push(connection);
    bySource.set(source, crowd);
    if (crowd.members.length > largest.members.length) largest = crowd;
  }
  return largest;
}

function shareOf(places: number): number {
  return Math.max(1, Math.floor(places * SHARE_OF_SOURCE));
}

/** How many places could be had by thinning a crowd, in a full house of so many `places`. */
export function crowdedPlaces(connections: Iterable<PeerConnection>, places: number): number {
  const { members } = largestCrowd(connections);
  return Math.min(MOST_AT_ONCE, Math.max(0, members.length - shareOf(places) - 1));
}

/** @returns whether a newcomer from `host` gets a place in a full house: of the largest crowd the one that moves the least goes */
export function makePlace(
  connections: ReadonlySet<PeerConnection>,
  host: string,
  places: number,
  nowMs: number,
): boolean {
  const leaving = placeOfCrowd(connections, host, places, nowMs);
  leaving?.close('made room for another address', true);
  return leaving !== undefined;
}

function placeOfCrowd(
  connections: ReadonlySet<PeerConnection>,
  host: string,
  places: number,
  nowMs: number,
): PeerConnection | undefined {
  const { source, members } = largestCrowd(connections);
  const own = sourceOf(host);
  let ownCount = 0;
  for (const { stream } of connections) if (sourceOf(stream.remote.host) === own) ownCount++;
  // Two places between them at the least, or two crowds would take turns for ever.
  if (source === own || members.length <= shareOf(places) || members.length <= ownCount + 1) return undefined;
  return slowestFirst(members, nowMs)[0];
}

/** Of those that move alike, who came last goes first. */
export function slowestFirst(connections: readonly PeerConnection[], nowMs: number): PeerConnection[] {
  const rate = ({ swarmPeer }: PeerConnection): number =>
    swarmPeer === undefined ? 0 : swarmPeer.down.rateBytesPerSec(nowMs) + swarmPeer.up.rateBytesPerSec(nowMs);
  return [...connections].sort((a, b) => rate(a) - rate(b) || b.openedAtMs - a.openedAtMs);
}
