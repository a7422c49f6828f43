// What the scenarios on real machines measure: who stands in tables, what upkeep costs, whether lookups find the truth.
import type { Id160 } from '../base/node-id.ts';
import type { GetPeersResult } from '../base/results.ts';
import { mean } from './chance.ts';
import { hostOf } from './hosts.ts';
import type { World } from './world.ts';

/** Between the starts of lookups, so that they do not all meet in one instant. */
const SPACING_MS = 50;
/** The slowest client simulated gives up a node after 30 s; its lookups meet several of those one after the other. */
const PATIENCE_MS = 300_000;

export interface TableHealth {
  /** Members of a table. */
  readonly contacts: number;
  /** Share of them who are gone, hidden, or somebody else. */
  readonly deadShare: number;
}

/** Averages over the tables of `hosts`. */
export function tableHealth(world: World, hosts: readonly number[]): TableHealth {
  const sizes: number[] = [];
  const shares: number[] = [];
  for (const host of hosts) {
    const contacts = world.machine(host)?.contacts() ?? [];
    if (contacts.length === 0) continue;
    sizes.push(contacts.length);
    shares.push(contacts.filter((contact) => !world.isServing(contact)).length / contacts.length);
  }
  return { contacts: mean(sizes), deadShare: mean(shares) };
}

/** Bytes all of `hosts` have sent so far. */
export function bytesSent(world: World, hosts: readonly number[]): number {
  let sum = 0;
  for (const host of hosts) sum += world.machine(host)?.snapshot(world.nowMs).statistics.bytesOut ?? 0;
  return sum;
}

/** Some of those who are there, spread evenly over the host numbers. */
export function somePresent(
  world: World,
  count: number,
  admits: (host: number) => boolean = () => true,
): number[] {
  const all = [...world.present()].filter(admits);
  const step = Math.max(1, all.length / count);
  return Array.from({ length: Math.min(count, all.length) }, (_, i) => all[Math.floor(i * step)] as number);
}

export interface MeasuredLookup {
  readonly host: number;
  readonly target: Id160;
  readonly result: GetPeersResult;
  /** Of the 8 hosts that are nearest and can be reached, how many the result has, 0 to 1. */
  readonly recall: number;
}

/** One get_peers for each, run to their ends. Lookups of hosts that leave meanwhile are left out. */
export function runLookups(
  world: World,
  lookups: readonly { readonly host: number; readonly target: Id160 }[],
): MeasuredLookup[] {
  const measured: MeasuredLookup[] = [];
  let open = 0;
  lookups.forEach(({ host, target }, i) => {
    world.at(world.nowMs + i * SPACING_MS, () => {
      open++;
      const truth = world.closestServing(target, 8);
      const onDone = (result: GetPeersResult): void => {
        open--;
        const found = new Set(result.closest.map(({ address }) => hostOf(address)));
        const others = truth.filter((other) => other !== host);
        const recall = others.filter((other) => found.has(other)).length / others.length;
        measured.push({ host, target, result, recall });
      };
      const started = world.command(host, (machine, nowMs) =>
        machine.getPeers(target.toBytes(), { onDone }, nowMs),
      );
      if (started === undefined) open--;
    });
  });
  world.run(world.nowMs + lookups.length * SPACING_MS);
  const untilMs = world.nowMs + PATIENCE_MS;
  while (open > 0 && world.nowMs < untilMs) world.run(Math.min(untilMs, world.nowMs + 1_000));
  return measured;
}

/** Elapsed seconds of each lookup. */
export function lookupSeconds(lookups: readonly MeasuredLookup[]): number[] {
  return lookups.map(({ result }) => (result.reports[0]?.elapsedMs ?? Number.NaN) / 1000);
}
