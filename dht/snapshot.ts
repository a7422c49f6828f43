// Pictures of a node for people and for the state file: plain data, made on demand.

import type { DhtContact, DhtSnapshot, DhtState, FamilySnapshot } from './base/results.ts';
import type { NodeContext } from './node/context.ts';
import type { FamilyState } from './node/family-state.ts';
import type { ItemStore } from './storage/item-store.ts';
import type { PeerStore } from './storage/peer-store.ts';

/** Plain data of its own: nothing in it changes afterwards. */
export function snapshotOf(
  context: NodeContext,
  peers: PeerStore,
  items: ItemStore,
  nowMs: number,
): DhtSnapshot {
  const { counters, roundTrips, transactions, lookup, readOnly } = context;
  return {
    families: [...context.families.values()].map((family) => familySnapshot(family, nowMs)),
    statistics: { ...counters, answered: { ...counters.answered } },
    outstanding: transactions.size,
    offline: context.isOffline(nowMs),
    readOnly,
    storedHashes: peers.hashes,
    storedPeers: peers.peers,
    storedItems: items.size,
    stallMs: roundTrips.stallMs(lookup.stall, 0),
    roundTripP10Ms: roundTrips.p10Ms,
    roundTripP90Ms: roundTrips.p90Ms,
  };
}

function familySnapshot(state: FamilyState, nowMs: number): FamilySnapshot {
  const { table, family, external, size } = state;
  const buckets = [...table.buckets()];
  return {
    family,
    id: state.ownId.toBytes(),
    good: table.goodCount(nowMs),
    nodes: table.size,
    spares: buckets.reduce((sum, bucket) => sum + bucket.spares.length, 0),
    buckets: buckets.map((bucket) => ({
      depth: table.depthOf(bucket),
      nodes: bucket.members.length,
      capacity: bucket.capacity,
      spares: bucket.spares.length,
    })),
    externalAddress: external.address,
    networkSize: size.nodes,
    quarantined: state.quarantine.length,
  };
}

/** Contacts in the order in which they should be tried: good ones first, then those heard from last. */
export function stateOf(context: NodeContext, nowMs: number): DhtState {
  const ids: DhtState['ids'][number][] = [];
  const rated: { readonly contact: DhtContact; readonly answeredMs: number; readonly isGood: boolean }[] = [];
  for (const { family, ownId, table } of context.families.values()) {
    ids.push({ family, id: ownId.toBytes() });
    for (const slot of table.members()) {
      rated.push({
        contact: { id: table.slab.id(slot).toBytes(), address: table.slab.address(slot) },
        answeredMs: table.slab.answeredMs(slot),
        isGood: table.isGood(slot, nowMs),
      });
    }
  }
  rated.sort((x, y) => Number(y.isGood) - Number(x.isGood) || y.answeredMs - x.answeredMs);
  return { ids, contacts: rated.map(({ contact }) => contact) };
}
