// `tt relay`: helps peers behind NATs to be reached, until told to stop.
import { endpointKey, parseIp } from '../../core/base/endpoint.ts';
import { OperationError, UsageError } from '../../core/base/result.ts';
import { DEFAULT_RELAY_LIMITS, type RelayLimits } from '../../core/relay/limits.ts';
import { relayMetrics } from '../../core/relay/snapshot.ts';
import { interfaceAddresses } from '../base/interfaces.ts';
import { done, type Outcome } from '../base/outcome.ts';
import {
  flagValue,
  optionalFlagValue,
  type Parser,
  parseBytes,
  parseDurationMs,
  parseHostPort,
  parseRate,
  parseTracker,
  parseZeroOrMore,
} from '../base/parse.ts';
import { ttVersion } from '../base/version.ts';
import { waitFor } from '../base/wait.ts';
import type { CommandContext } from '../contract/context.ts';
import { bootstrapOf, nodeOptions } from '../dht/node-options.ts';
import { type MetricsServer, serveMetrics } from '../relay/metrics-server.ts';
import { RelayRunner, type RelayStatusData } from '../relay/relay-runner.ts';
import { formatFields } from '../terminal/table.ts';
import { formatBytes, formatCount, formatRate } from '../terminal/units.ts';
import { trackerClientOptions } from '../transfer/compose.ts';

const LIVE_INTERVAL_MS = 1_000;
/** In a log file or a pipe. */
const PLAIN_INTERVAL_MS = 10_000;
/** As many as there are peers to be called, and then some who call. */
const LINKS_PER_RESERVATION = 4;
const MAX_COUNT = 100_000;

function limitsOf(context: CommandContext): RelayLimits {
  const { flags, settings } = context;
  const value = (name: string, flag: string, parse: Parser<number>): number | undefined =>
    optionalFlagValue(flag, flags.text(name), parse);
  const base = DEFAULT_RELAY_LIMITS;
  const count = (name: string, flag: string, fallback: number): number => {
    const given = value(name, flag, parseZeroOrMore) ?? fallback;
    if (given > MAX_COUNT) throw new UsageError(`${flag}: ${given} is more than ${MAX_COUNT}`);
    return given;
  };
  const reservations = count('reservations', '--reservations', base.reservations);
  const splices = count('splices', '--splices', base.splices);
  const seconds = value('spliceTime', '--splice-time', parseDurationMs);
  return {
    ...base,
    reservations,
    reservationsPerNetwork: Math.max(base.reservationsPerNetwork, Math.ceil(reservations / 4)),
    links: Math.max(base.links, reservations * LINKS_PER_RESERVATION),
    splices,
    splice: {
      bytes: value('spliceLimit', '--splice-limit', parseBytes) ?? base.splice.bytes,
      seconds: seconds === undefined ? base.splice.seconds : Math.max(1, Math.round(seconds / 1000)),
      bytesPerSec: value('spliceRate', '--splice-rate', parseRate) ?? base.splice.bytesPerSec,
    },
    totalBytesPerSec: settings.upLimit,
  };
}

async function openRelay(context: CommandContext): Promise<RelayRunner> {
  const { flags, settings, log } = context;
  if (settings.proxy !== '') {
    throw new OperationError('refused', 'a relay must be reached, which nobody is behind a proxy', {
      hint: 'Leave --proxy out (tt config shows where it is set).',
    });
  }
  const bindAddresses = settings.interface === '' ? undefined : interfaceAddresses(settings.interface);
  const externalHost = flags.text('externalIp');
  if (externalHost !== undefined && parseIp(externalHost) === undefined)
    throw new UsageError(`--external-ip: "${externalHost}" is not an IP address`);
  bootstrapOf(flags);
  return RelayRunner.open({
    log,
    client: `tt ${ttVersion()}`,
    policy: settings.encryption,
    limits: limitsOf(context),
    portRange: settings.port,
    hosts: bindAddresses ?? ['0.0.0.0', '::'],
    proxyPortCount: optionalFlagValue('--proxy-ports', flags.text('proxyPorts'), parseZeroOrMore) ?? 0,
    dht: settings.dht ? nodeOptions({ settings, flags, bindAddresses, log }) : undefined,
    utp: settings.utp,
    trackers: flags.list('tracker').map((text) => flagValue('--tracker', text, parseTracker)),
    tracker: trackerClientOptions(settings),
    externalHost,
  });
}

export function relayLine(status: RelayStatusData, rateBytesPerSec: number): string {
  const { counters, proxies, splices } = status;
  const refused = Object.values(counters.refusals).reduce((sum, each) => sum + each, 0);
  const proxied = proxies.length === 0 ? [] : [`${formatCount(proxies.length, 'proxied torrent')}`];
  return [
    `${formatCount(status.reservations, 'peer')} of ${formatCount(status.torrents, 'torrent')}`,
    `${formatCount(status.links, 'connection')}`,
    `${counters.calls} called`,
    `${formatCount(splices.length, 'splice')} ${formatRate(rateBytesPerSec)} (${formatBytes(counters.splicedBytes)})`,
    ...proxied,
    `${status.queuedItems} waiting`,
    `${refused} refused`,
    `DHT ${formatCount(status.dhtNodes, 'node')}`,
  ].join(' · ');
}

function summary(status: RelayStatusData): string {
  const { counters } = status;
  const nonZero = (record: Readonly<Record<string, number>>): string =>
    Object.entries(record)
      .filter(([, count]) => count > 0)
      .map(([name, count]) => `${name} ${count}`)
      .join(', ');
  return formatFields([
    ['Reservations', `${counters.reservations} granted`],
    [
      'Calls',
      `${counters.calls} passed on${nonZero(counters.answers) === '' ? '' : `: ${nonZero(counters.answers)}`}`,
    ],
    ['Splices', `${counters.splices}, ${formatBytes(counters.splicedBytes)}`],
    ['Proxied', formatCount(counters.proxied, 'connection')],
    ['Dial-backs', `${counters.tests}`],
    ['Queues', `${counters.pushes} left, ${counters.pops} taken`],
    ['Refused', nonZero(counters.refusals) || 'nobody'],
  ]).join('\n');
}

/** For programs. */
function statusJson(status: RelayStatusData): Record<string, unknown> {
  return { ...status, counters: { ...status.counters } };
}

export async function run(context: CommandContext): Promise<Outcome> {
  const { output, flags } = context;
  const timeoutMs = optionalFlagValue('--timeout', flags.text('timeout'), parseDurationMs);
  const metricsAt = optionalFlagValue('--metrics', flags.text('metrics'), parseHostPort);
  const relay = await openRelay(context);
  let timer: ReturnType<typeof setInterval> | undefined;
  let metrics: MetricsServer | undefined;
  try {
    if (metricsAt !== undefined) metrics = await serveMetrics(metricsAt, () => relayMetrics(relay.status()));
    const first = relay.status();
    const at =
      first.host === undefined ? `port ${first.port}` : endpointKey({ host: first.host, port: first.port });
    const proxies =
      first.proxyPorts.length === 0
        ? ''
        : `, ${formatCount(first.proxyPorts.length, 'proxy port')} from ${first.proxyPorts[0]}`;
    output.notice('listening', `tt: relaying on ${at}${proxies}; Ctrl-C stops it`, {
      host: first.host,
      port: first.port,
      proxyPorts: first.proxyPorts,
      metricsPort: metrics?.port,
    });
    const isLive = output.console.isLive && !output.isForPrograms;
    const intervalMs = isLive || output.mode.isEvents ? LIVE_INTERVAL_MS : PLAIN_INTERVAL_MS;
    let lastBytes = 0;
    const show = (): void => {
      const status = relay.status();
      const rate = ((status.counters.splicedBytes - lastBytes) * 1000) / intervalMs;
      lastBytes = status.counters.splicedBytes;
      if (output.mode.isEvents) output.notice('statistics', '', statusJson(status));
      else if (isLive) output.console.live([relayLine(status, rate)]);
      else output.console.err(relayLine(status, rate));
    };
    if (output.mode.isEvents || !(output.mode.isQuiet || output.mode.isJson))
      timer = setInterval(show, intervalMs);
    await waitFor(context, new Promise<never>(() => {}), timeoutMs);
    const last = relay.status();
    return done(summary(last), statusJson(last));
  } finally {
    clearInterval(timer);
    output.console.clearLive();
    await Promise.all([relay.close(), metrics?.close()]);
  }
}
