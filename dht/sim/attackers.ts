// Attackers as guests of a world: sybils that claim to be whatever is looked for, and a ring of ids around one key. They
// answer everything, so that only judgement helps against them, not timeouts.
import type { Rng } from '../../core/base/clock.ts';
import type { DhtAddress } from '../base/address.ts';
import { idForAddress } from '../base/bep42.ts';
import { Id160, randomIdAt } from '../base/node-id.ts';
import { Composer } from '../krpc/krpc-compose.ts';
import { pingQuery, targetQuery } from '../krpc/queries.ts';
import { attackerAddress } from './hosts.ts';
import { readQuery, writeReply } from './stub-replies.ts';
import type { World } from './world.ts';

export interface Attacker {
  readonly id: Id160;
  readonly address: DhtAddress;
}

/** What everybody answers with. */
const REPLY_NODES = 8;
const TOKEN = new Uint8Array(8).fill(1);
const TID = Uint8Array.of(0x61, 0x61);
const NO_VERSION = new Uint8Array(0);
/** Tries to find an address whose own ids fit near a key. */
const MAX_TRIES = 4_000_000;
const out = new Composer();

/**
 * Sybils, each at an address of its own with an id that fits it. To a ping they answer as themselves, to everything else
 * with an id one bit beside the target and the names of each other.
 */
export function addSybils(world: World, count: number, rng: Rng): Attacker[] {
  const ring: Attacker[] = [];
  for (let i = 0; i < count; i++) {
    const address = attackerAddress(i, i);
    const id = idForAddress(address, rng);
    ring.push({ id, address });
    addAttacker(world, { id, address }, (target) => ({
      id: target === undefined ? id : beside(target, 1),
      nodes: Array.from({ length: Math.min(REPLY_NODES, ring.length) }, (_, n) => ({
        id: target === undefined ? id : beside(target, n + 2),
        address: (ring[(i + n) % ring.length] as Attacker).address,
      })),
    }));
  }
  return ring;
}

export interface RingOptions {
  readonly key: Id160;
  readonly count: number;
  /** Different /24s the addresses come from. */
  readonly subnets: number;
  /** Leading bits the ids share with the key: more than any honest node. */
  readonly sharedBits: number;
  /** Ids that fit their addresses: the attacker has so many addresses that some allow it. Ignores `subnets`. */
  readonly fitting: boolean;
}

/** Consistent nodes around one key that name only each other and swallow announces. */
export function addRing(world: World, options: RingOptions, rng: Rng): Attacker[] {
  const { key, count, subnets, sharedBits } = options;
  const ring: Attacker[] = [];
  let tries = 0;
  while (ring.length < count && tries++ < MAX_TRIES) {
    const i = ring.length;
    if (options.fitting) {
      const address = attackerAddress(tries, tries >>> 8);
      const id = idForAddress(address, rng);
      if (id.sharedBits(key) >= sharedBits) ring.push({ id, address });
    } else {
      ring.push({ id: randomIdAt(key, sharedBits + (i % 4), rng), address: attackerAddress(i % subnets, i) });
    }
  }
  for (const member of ring) {
    addAttacker(world, member, () => ({
      id: member.id,
      nodes: ring.filter((other) => other !== member).slice(0, REPLY_NODES),
    }));
  }
  return ring;
}

/** The attackers knock at some hosts, so that those hear of them. */
export function knock(
  world: World,
  attackers: readonly Attacker[],
  hosts: readonly number[],
  key: Id160,
): void {
  for (const { id, address } of attackers) {
    const frame = { ownId: id, readOnly: false, version: NO_VERSION };
    for (const host of hosts) {
      const to = world.contact(host).address;
      world.sendAsGuest(address, targetQuery(out, frame, 'find_node', key, undefined, TID), to);
      world.sendAsGuest(address, pingQuery(out, frame, TID), to);
    }
  }
}

function addAttacker(
  world: World,
  { address }: Attacker,
  answer: (target: Id160 | undefined) => { readonly id: Id160; readonly nodes: readonly Attacker[] },
): void {
  world.addGuest(address, {
    handleDatagram: (datagram, from) => {
      const query = readQuery(datagram);
      if (query === undefined) return;
      const bytes = query.view(query.target);
      const { id, nodes } = answer(bytes === undefined ? undefined : Id160.read(bytes, 0));
      const isLookup = bytes !== undefined && query.method !== 'announce_peer';
      const reply = {
        id,
        nodes: isLookup ? nodes : undefined,
        peers: [],
        token: query.method === 'get_peers' ? TOKEN : undefined,
      };
      world.sendAsGuest(address, writeReply(query, reply, from), from);
    },
  });
}

/** `distance` away from the target in the last bits. */
function beside(target: Id160, distance: number): Id160 {
  return new Id160(target.a, target.b, target.c, target.d, target.e ^ distance);
}
