// Swarms whose peers sit behind a mix of NATs: which share of all pairs can connect, with and without each rung of the ladder.
import { type Rng, randomInt, seededRng } from '../../base/clock.ts';
import type { Rung } from '../ladder.ts';
import { attempt } from './attempt.ts';
import {
  ADDRESS_RESTRICTED,
  FULL_CONE,
  type NatModel,
  PORT_RESTRICTED,
  PUBLIC,
  SYMMETRIC,
  TCP_ONLY,
} from './nat-model.ts';

/** Among peers behind NATs. Seven in ten pairs of such peers can punch, as libp2p's DCUtR measured in the wild (70 ± 7 %). */
const NAT_MIX: readonly (readonly [model: NatModel, share: number])[] = [
  [FULL_CONE, 0.15],
  [ADDRESS_RESTRICTED, 0.1],
  [PORT_RESTRICTED, 0.55],
  [SYMMETRIC, 0.17],
  [TCP_ONLY, 0.03],
];

export interface Client {
  readonly name: string;
  readonly rungs: readonly Rung[];
  /** A `tt relay` node beside the swarm: it passes calls on where no public peer is, and bytes. */
  readonly hasRelayNode: boolean;
}

export const CLIENTS: readonly Client[] = [
  { name: 'direct', rungs: ['direct'], hasRelayNode: false },
  { name: '+ reverse', rungs: ['direct', 'reverse'], hasRelayNode: false },
  { name: '+ punch', rungs: ['direct', 'reverse', 'punch'], hasRelayNode: false },
  { name: '+ relay node', rungs: ['direct', 'reverse', 'punch'], hasRelayNode: true },
  { name: '+ splice', rungs: ['direct', 'reverse', 'punch', 'splice'], hasRelayNode: true },
];

export interface SwarmOptions {
  readonly seed: number;
  readonly swarms: number;
  readonly peersPerSwarm: number;
  /** Pairs tried per swarm; each direction is a pair of its own. */
  readonly pairsPerSwarm: number;
  readonly natShare: number;
  readonly client: Client;
}

export interface SwarmResult {
  readonly pairs: number;
  readonly connected: number;
  readonly byRung: Readonly<Record<Rung, number>>;
  /** Of those that connected. */
  readonly medianMs: number;
  readonly p95Ms: number;
}

export function runSwarms(options: SwarmOptions): SwarmResult {
  const rng = seededRng(options.seed);
  const byRung: Record<Rung, number> = { direct: 0, reverse: 0, punch: 0, 'tcp-punch': 0, splice: 0 };
  const times: number[] = [];
  const { client, peersPerSwarm } = options;
  const rungs = new Set(client.rungs);
  for (let swarm = 0; swarm < options.swarms; swarm++) {
    const peers = Array.from({ length: peersPerSwarm }, () => drawPeer(rng, options.natShare));
    const publicCount = peers.filter((peer) => peer === PUBLIC).length;
    for (let i = 0; i < options.pairsPerSwarm; i++) {
      const a = randomInt(rng, peersPerSwarm);
      const b = (a + 1 + randomInt(rng, peersPerSwarm - 1)) % peersPerSwarm;
      const [caller, target] = [peers[a] as NatModel, peers[b] as NatModel];
      // Everybody keeps a connection to every public peer of so small a swarm.
      const others = publicCount - Number(caller === PUBLIC) - Number(target === PUBLIC);
      const latency = (): number => 5 + 70 * rng.next();
      const reached = attempt(caller, target, {
        latencyMs: { direct: latency(), callerRelay: latency(), targetRelay: latency() },
        rungs,
        hasRelay: others > 0 || client.hasRelayNode,
        hasSplice: client.hasRelayNode,
      });
      if (reached === undefined) continue;
      byRung[reached.rung]++;
      times.push(reached.ms);
    }
  }
  times.sort((x, y) => x - y);
  const at = (share: number): number => Math.round(times[Math.floor(times.length * share)] ?? Number.NaN);
  return {
    pairs: options.swarms * options.pairsPerSwarm,
    connected: times.length,
    byRung,
    medianMs: at(0.5),
    p95Ms: at(0.95),
  };
}

function drawPeer(rng: Rng, natShare: number): NatModel {
  if (rng.next() >= natShare) return PUBLIC;
  let left = rng.next();
  for (const [model, share] of NAT_MIX) {
    left -= share;
    if (left < 0) return model;
  }
  return PORT_RESTRICTED;
}
