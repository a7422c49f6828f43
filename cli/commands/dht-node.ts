// `tt dht node`: takes part in the DHT until told to stop, with its statistics as a live line, as events, or at the end.
import { toHex } from '../../core/base/bytes.ts';
import { endpointKey } from '../../core/base/endpoint.ts';
import { OperationError } from '../../core/base/result.ts';
import type { DhtSnapshot } from '../../dht/base/results.ts';
import { DhtNode } from '../../dht/io/dht-node.ts';
import { done, type Outcome } from '../base/outcome.ts';
import { optionalFlagValue, parseDurationMs } from '../base/parse.ts';
import { waitFor } from '../base/wait.ts';
import type { CommandContext } from '../contract/context.ts';
import { snapshotJson } from '../dht/describe.ts';
import { commandNodeOptions } from '../dht/dht-command.ts';
import { formatFields } from '../terminal/table.ts';
import { formatBytes, formatCount, formatElapsed } from '../terminal/units.ts';

const LIVE_INTERVAL_MS = 1_000;
/** In a log file or a pipe. */
const PLAIN_INTERVAL_MS = 10_000;

/** The first free port of the range, as for a listener. */
async function openNode(context: CommandContext): Promise<DhtNode> {
  const [first, last] = context.settings.port;
  const options = commandNodeOptions(context);
  for (let port = first; ; port++) {
    try {
      return await DhtNode.open({ ...options, port });
    } catch (error) {
      const isTaken = error instanceof OperationError && error.code === 'EADDRINUSE';
      if (!isTaken || port >= last) throw error;
    }
  }
}

function statisticsLine(snapshot: DhtSnapshot): string {
  const { statistics, families } = snapshot;
  const nodes = families.map(({ family, good, nodes: all }) => `IPv${family} ${good}/${all} nodes`);
  const sizes = families
    .map(({ networkSize }) => networkSize)
    .filter((size) => size !== undefined)
    .map((size) => `network ~${Math.round(size)}`);
  return [
    ...nodes,
    ...sizes,
    `in ${statistics.queriesIn} asked ${statistics.repliesOut} answered`,
    `out ${statistics.queriesOut} asked ${statistics.timeouts} lost`,
    `${snapshot.storedPeers} peers of ${snapshot.storedHashes} torrents`,
    `${snapshot.storedItems} items`,
    `↓ ${formatBytes(statistics.bytesIn)} ↑ ${formatBytes(statistics.bytesOut)}`,
    ...(snapshot.offline ? ['OFFLINE'] : []),
  ].join(' · ');
}

function summary(snapshot: DhtSnapshot): string {
  const { statistics } = snapshot;
  const answered = Object.entries(statistics.answered)
    .filter(([, count]) => count > 0)
    .map(([name, count]) => `${name} ${count}`);
  return formatFields([
    ...snapshot.families.map(
      (family) =>
        [
          `IPv${family.family}`,
          `${formatCount(family.good, 'good node')} of ${family.nodes} in ${formatCount(family.buckets.length, 'bucket')}, id ${toHex(family.id)}` +
            (family.externalAddress === undefined ? '' : `, seen as ${endpointKey(family.externalAddress)}`),
        ] as const,
    ),
    ['Answered', answered.length > 0 ? answered.join(', ') : 'nothing'],
    [
      'Asked',
      `${formatCount(statistics.queriesOut, 'query', 'queries')}, ${statistics.timeouts} without an answer`,
    ],
    [
      'Stored',
      `${snapshot.storedPeers} peers of ${snapshot.storedHashes} torrents, ${formatCount(snapshot.storedItems, 'item')}`,
    ],
    [
      'Dropped',
      `${statistics.malformed} malformed, ${statistics.dropped} over the limits, ${statistics.strays} strays`,
    ],
    ['Traffic', `${formatBytes(statistics.bytesIn)} in, ${formatBytes(statistics.bytesOut)} out`],
  ]).join('\n');
}

export async function run(context: CommandContext): Promise<Outcome> {
  const { output, flags } = context;
  const timeoutMs = optionalFlagValue('--timeout', flags.text('timeout'), parseDurationMs);
  const node = await openNode(context);
  const snapshot = (): DhtSnapshot => node.machine.snapshot(node.now());
  let timer: ReturnType<typeof setInterval> | undefined;
  try {
    const ports = ([4, 6] as const)
      .map((family) => ({ family, port: node.port(family) }))
      .filter(({ port }) => port !== undefined);
    const ids = snapshot().families.map(({ family, id }) => ({ family, id: toHex(id) }));
    output.notice(
      'listening',
      `tt: a DHT node on ${ports.map(({ family, port }) => `port ${port} (IPv${family})`).join(' and ')}; Ctrl-C stops it`,
      { ports, ids },
    );
    void node.ready.then((joined) => {
      if (joined === undefined) return;
      const text =
        joined.nodes === 0
          ? 'nobody answered yet; it keeps trying, and whoever asks is taken up'
          : `in the network: ${formatCount(joined.nodes, 'node')} after ${formatElapsed(joined.elapsedMs)}`;
      output.notice('joined', `tt: ${text}`, { ...joined, elapsedMs: Math.round(joined.elapsedMs) });
    });
    const isLive = output.console.isLive && !output.isForPrograms;
    const show = (): void => {
      if (output.mode.isEvents) output.notice('statistics', '', snapshotJson(snapshot()));
      else if (isLive) output.console.live([statisticsLine(snapshot())]);
      else output.console.err(statisticsLine(snapshot()));
    };
    if (output.mode.isEvents || !(output.mode.isQuiet || output.mode.isJson)) {
      timer = setInterval(show, isLive || output.mode.isEvents ? LIVE_INTERVAL_MS : PLAIN_INTERVAL_MS);
    }
    await waitFor(context, new Promise<never>(() => {}), timeoutMs);
    const last = snapshot();
    return done(summary(last), { ports, ...snapshotJson(last) });
  } finally {
    clearInterval(timer);
    output.console.clearLive();
    await node.close();
  }
}
