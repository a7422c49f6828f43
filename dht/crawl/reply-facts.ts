// What one reply says, as the dataset has it: counts, sizes, what its sender understands, whom it lists.
import type { DhtAddress } from '../base/address.ts';
import type { Id160 } from '../base/node-id.ts';
import type { KrpcMessage } from '../krpc/krpc.ts';
import type { CrawlOptions } from './crawl-machine.ts';
import {
  bep42Of,
  countDuplicateIps,
  countValues,
  echoOf,
  entriesOf,
  isBogon,
  type Listing,
  type ReplyFacts,
  samplesOf,
  versionOf,
} from './visit.ts';

/** Bytes of an entry of the other family: BEP 5 and BEP 32. */
const ENTRY_BYTES = { 4: 26, 6: 38 } as const;

/**
 * @param onListing for each node it names that could be asked, in order
 * @returns everything but how many of them were new, and the size of the datagram
 */
export function factsOf(
  message: KrpcMessage,
  { family, zone, method, wantsBoth }: Pick<CrawlOptions, 'family' | 'zone' | 'method' | 'wantsBoth'>,
  {
    from,
    observed,
    onListing,
  }: {
    readonly from: DhtAddress;
    readonly observed: Id160;
    readonly onListing: (listing: Listing) => void;
  },
): Omit<ReplyFacts, 'nodesNew' | 'bytes'> {
  const listings = entriesOf(message, family);
  let nodesBogon = 0;
  let nodesInZone = 0;
  for (const listing of listings) {
    if (isBogon(listing.address, from)) nodesBogon++;
    else onListing(listing);
    if (zone.has(listing.id)) nodesInZone++;
  }
  const other = family === 4 ? message.nodes6 : message.nodes;
  const echo = echoOf(message);
  const version = versionOf(message);
  const samples = samplesOf(message);
  return {
    versionHex: version.hex,
    client: version.client,
    isReadOnly: message.readOnly,
    echo,
    bep42: bep42Of(observed, from),
    supports32: wantsBoth ? other.start >= 0 : undefined,
    supports33: undefined,
    supports42: echo !== undefined && echo !== 'malformed',
    supports51: method === 'sample_infohashes' ? samples !== undefined : undefined,
    nodesOtherFamily: Math.floor(message.length(other) / ENTRY_BYTES[family === 4 ? 6 : 4]),
    nodesBogon,
    nodesDuplicateIp: countDuplicateIps(listings),
    nodesInZone,
    tokenBytes: message.length(message.token),
    valueCount: countValues(message),
    unknownKeys: message.unknownKeys,
    listings,
    samples,
  };
}
