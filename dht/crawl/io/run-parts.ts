// Parts of a run that know no order of events: its zone, the options of its passes, whom to ask again.
import { randomBytes } from 'node:crypto';
import { seededRng } from '../../../core/base/clock.ts';
import { OperationError } from '../../../core/base/result.ts';
import type { DhtAddress } from '../../base/address.ts';
import { Id160 } from '../../base/node-id.ts';
import { CLIENT_VERSION } from '../../base/options.ts';
import type { RunRow } from '../../dataset/run-table.ts';
import { systemRng } from '../../io/system-rng.ts';
import type { CrawlConfig } from '../config.ts';
import type { CrawlMachine } from '../crawl-machine.ts';
import { NodeState } from '../node-table.ts';
import { PingRound } from '../ping-round.ts';
import type { ProbePolicy } from '../prober.ts';
import { recheckCount } from '../recheck.ts';
import { repeatZone } from '../repeat-zone.ts';
import { Zone } from '../zone.ts';
import type { CrawlSetup } from './crawl-setup.ts';
import type { Driver } from './drive.ts';
import type { Pass, PassOptions, RowSink, Vantage } from './pass.ts';
import { addressText } from './privacy.ts';

/** Of a run of several machines: its orders, and which are done. */
export const FLEET_FILE = 'fleet.json';

export interface Recheckable {
  readonly id: Id160;
  readonly address: DhtAddress;
}

/** A random part of the verified nodes, by the seed. */
export function recheckSample(
  { table, counts }: CrawlMachine,
  config: CrawlConfig,
  lookMs: number,
): Recheckable[] {
  const sample: Recheckable[] = [];
  const chance = recheckCount(counts.verified, lookMs, config.recheckShare) / Math.max(1, counts.verified);
  const rng = seededRng(config.seed ^ 0x5a5a);
  for (let node = 0; node < table.size; node++) {
    if (table.state(node) !== NodeState.verified || !table.hasClaim(node) || rng.next() >= chance) continue;
    sample.push({ id: table.id(node), address: table.address(node) });
  }
  return sample;
}

/** @returns by place in the list: did it answer? */
export async function pingAll(
  driver: Driver,
  nodes: readonly Recheckable[],
  { family, policy }: CrawlConfig,
  isStopped: () => boolean,
): Promise<readonly boolean[]> {
  const ownId = Id160.of(new Uint8Array(randomBytes(20)));
  const options = { family, policy, rng: systemRng, ownId, version: CLIENT_VERSION };
  const round = new PingRound(options, nodes, driver.send);
  await driver.run({
    get isDone() {
      return isStopped() || round.isDone;
    },
    handleDatagram: (bytes, from, nowMs) => round.handleDatagram(bytes, from, nowMs),
    nextTimeoutMs: (nowMs) => round.nextTimeoutMs(nowMs),
    handleTimeout: (nowMs) => round.handleTimeout(nowMs),
  });
  return round.answered;
}

export function zoneOf(config: CrawlConfig): Zone {
  const zone = Zone.parse(config.zone);
  if (!zone.ok) throw new OperationError('disk', `the run's zone "${config.zone}" is ${zone.reason.what}`);
  return zone.value;
}

export function passZone(config: CrawlConfig, first: Pass): Zone {
  const { machine, look } = first;
  return repeatZone(zoneOf(config), machine.counts.verified, config.seed, look.lastedMs);
}

export function passOptions(
  setup: CrawlSetup,
  header: RunRow,
  config: CrawlConfig,
  zone: Zone,
  pass: number,
  ownId: Id160,
  store: RowSink,
  vantage: Vantage,
): PassOptions {
  const text = addressText(config.ipPrivacy, setup.key);
  const { optOut, jsonl, book } = setup;
  return {
    runId: header.run_id,
    pass,
    zone,
    ownId,
    config,
    optOut,
    text,
    rng: systemRng,
    store,
    jsonl,
    book,
    vantage,
  };
}

/** Crawl and monitor share the rate. */
export function halfOf(policy: ProbePolicy): ProbePolicy {
  const { perSecond, burst } = policy.total;
  return { ...policy, total: { perSecond: perSecond / 2, burst: Math.max(1, Math.ceil(burst / 2)) } };
}

/** A look that heard nobody at all is no look at an empty zone. @throws OperationError `network` */
export function checkWayIn({ counts }: CrawlMachine): void {
  const silent = (counts.outcomes.get('timeout') ?? 0) + (counts.outcomes.get('icmp_unreachable') ?? 0);
  if (counts.answeredFirst + counts.answeredSecond > 0 || silent === 0) return;
  throw new OperationError('network', 'nobody answered: there is no way into the DHT from here', {
    hint: 'Is the network up, and UDP let through? Begin a new run, by another node with --bootstrap HOST:PORT.',
  });
}

export function hexOfId(id: Id160): string {
  return Buffer.from(id.toBytes()).toString('hex');
}
