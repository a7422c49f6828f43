// `tt lab net`: a DHT of our own nodes on loopback, on real sockets, to try commands on. Nothing leaves this machine.
import { OperationError, UsageError } from '../../core/base/result.ts';
import { DhtNode } from '../../dht/io/dht-node.ts';
import type { CommandContext } from '../context.ts';
import { done, type Outcome } from '../outcome.ts';
import { formatCount, formatElapsed } from '../output/units.ts';
import { optionalFlagValue, parseCount, parseDurationMs, parsePort } from '../parse.ts';
import { waitFor } from '../transfer/session-runner.ts';

const DEFAULT_NODES = 300;
/** Each has a socket, and a table of its own: some 300 KiB. */
const MOST_NODES = 5_000;
const LOOPBACK = '127.0.0.1';
/** So many enter at a time: each takes a little of the one thread that all of them share. */
const AT_ONCE = 16;

interface Net {
  readonly nodes: DhtNode[];
  readonly port: number;
}

function openNode(port: number, entry: number | undefined): Promise<DhtNode> {
  return DhtNode.open({
    ipv6: false,
    bindV4: LOOPBACK,
    port,
    bootstrap: entry === undefined ? [] : [{ host: LOOPBACK, port: entry }],
  });
}

/** Adds to `nodes` as they open, so that whoever stops can close them. */
async function openNet(nodes: DhtNode[], count: number, port: number, signal: AbortSignal): Promise<Net> {
  const first = await openNode(port, undefined);
  nodes.push(first);
  const entry = first.port(4) as number;
  while (nodes.length < count && !signal.aborted) {
    const batch = Math.min(AT_ONCE, count - nodes.length);
    const opened = await Promise.allSettled(Array.from({ length: batch }, () => openNode(0, entry)));
    for (const each of opened) if (each.status === 'fulfilled') nodes.push(each.value);
    const failed = opened.find((each) => each.status === 'rejected');
    if (failed !== undefined)
      throw new OperationError(
        'network',
        `node ${nodes.length + 1} of ${count} cannot listen: ${(failed.reason as Error).message}`,
        { hint: 'Ask for fewer --nodes, or allow more open files (`ulimit -n`).', cause: failed.reason },
      );
    await Promise.all(nodes.slice(-batch).map(({ ready }) => ready));
  }
  return { nodes, port: entry };
}

export async function run(context: CommandContext): Promise<Outcome> {
  const { flags, output, interrupts } = context;
  const count = optionalFlagValue('--nodes', flags.text('nodes'), parseCount) ?? DEFAULT_NODES;
  const dead = optionalFlagValue('--dead', flags.text('dead'), parseCount) ?? 0;
  const port = optionalFlagValue('--port', flags.text('port'), parsePort) ?? 0;
  const timeoutMs = optionalFlagValue('--timeout', flags.text('timeout'), parseDurationMs);
  if (count > MOST_NODES)
    throw new UsageError(`--nodes: at most ${MOST_NODES}; \`tt lab dht\` simulates more`);
  if (dead >= count) throw new UsageError('--dead: fewer than --nodes: somebody must be there to be asked');
  const nodes: DhtNode[] = [];
  const startMs = performance.now();
  try {
    const net = await openNet(nodes, count, port, interrupts.signal);
    // The last ones go without a word: others list them still.
    await Promise.all(nodes.splice(count - dead).map((node) => node.close()));
    const bootstrap = `${LOOPBACK}:${net.port}`;
    const facts = { bootstrap, nodes: nodes.length, dead };
    if (!interrupts.signal.aborted) {
      const gone = dead === 0 ? '' : `, and ${dead} that are gone`;
      output.notice(
        'listening',
        `tt: ${formatCount(nodes.length, 'DHT node')} on ${LOOPBACK}${gone}, after ${formatElapsed(performance.now() - startMs)}; enter with --interface ${LOOPBACK} --bootstrap ${bootstrap}; Ctrl-C stops them`,
        facts,
      );
      await waitFor(context, new Promise<never>(() => {}), timeoutMs);
    }
    return done('', facts);
  } finally {
    await Promise.all(nodes.map((node) => node.close()));
  }
}
