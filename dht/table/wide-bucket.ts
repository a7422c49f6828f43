// Who makes way in a bucket that holds more than k: its contacts should be spread over their part of the space, and be fast.

import type { Id160 } from '../base/node-id.ts';
import type { ContactSlab } from './contact-slab.ts';

/** A full bucket trades a contact for one of the same part of the space that is this much faster (mldht). */
const FASTER_FACTOR = 2.5;
/** Bits after the bucket's own that should be spread evenly (libtorrent). */
const DIVERSITY_BITS = 3;

/**
 * Diverse next bits first, then round trips: the slowest of the most crowded part, if that part is not the newcomer's or slower.
 * @param at the first bit in which the bucket's ids may differ
 * @returns -1 for nobody
 */
export function slowestOfCrowd(
  slab: ContactSlab,
  members: readonly number[],
  at: number,
  id: Id160,
  roundTripMs: number,
): number {
  const counts = new Uint8Array(2 ** DIVERSITY_BITS);
  const partOf = (other: Id160): number => other.bits(at, DIVERSITY_BITS);
  const parts = members.map((slot) => partOf(slab.id(slot)));
  for (const part of parts) counts[part] = (counts[part] as number) + 1;
  const ours = partOf(id);
  let crowd = 0;
  for (let part = 1; part < counts.length; part++)
    if ((counts[part] as number) > (counts[crowd] as number)) crowd = part;
  const isLopsided = (counts[crowd] as number) > (counts[ours] as number) + 1;
  const from = isLopsided ? crowd : ours;
  let slowest = -1;
  members.forEach((slot, i) => {
    if (parts[i] !== from) return;
    if (slowest < 0 || slab.roundTripMs(slot) > slab.roundTripMs(slowest)) slowest = slot;
  });
  if (slowest < 0 || isLopsided) return slowest;
  return slab.roundTripMs(slowest) > roundTripMs * FASTER_FACTOR ? slowest : -1;
}
