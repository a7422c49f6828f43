// `tt lab net`: a DHT of our own nodes on loopback, on real sockets, to try commands on. Nothing leaves this machine.
import { OperationError, UsageError } from '../../core/base/result.ts';
import { DhtNode } from '../../dht/io/dht-node.ts';
import { done, type Outcome } from '../base/outcome.ts';
import { optionalFlagValue, parseCount, parseDurationMs, parsePort } from '../base/parse.ts';
import { waitFor } from '../base/wait.ts';
import type { CommandContext } from '../contract/context.ts';
import { formatCount, formatElapsed } from '../terminal/units.ts';

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

/** Spread over 127.0.0.0/8, each in a /24 of its own until they run out: 127.0.0.1, 127.1.7.1, 127.2.14.1 ... */
export function loopbackAddress(index: number): string {
  return `127.${index & 255}.${((index >> 8) + index * 7) & 255}.${1 + (index >> 16)}`;
}

function openNode(host: string, port: number, entry: number | undefined): Promise<DhtNode> {
  return DhtNode.open({
    ipv6: false,
    bindV4: host,
    port,
    bootstrap: entry === undefined ? [] : [{ host: LOOPBACK, port: entry }],
  });
}

/** Adds to `nodes` as they open, so that whoever stops can close them. */
async function openNet(
  nodes: DhtNode[],
  { count, addresses, port }: { readonly count: number; readonly addresses: number; readonly port: number },
  signal: AbortSignal,
  onGrown: (count: number) => void,
): Promise<Net> {
  const first = await openNode(LOOPBACK, port, undefined);
  nodes.push(first);
  const entry = first.port(4) as number;
  while (nodes.length < count && !signal.aborted) {
    const batch = Math.min(AT_ONCE, count - nodes.length);
    const hosts = Array.from({ length: batch }, (_, i) => loopbackAddress((nodes.length + i) % addresses));
    const opened = await Promise.allSettled(hosts.map((host) => openNode(host, 0, entry)));
    for (const each of opened) if (each.status === 'fulfilled') nodes.push(each.value);
    const failed = opened.find((each) => each.status === 'rejected');
    if (failed !== undefined)
      throw new OperationError(
        'network',
        `node ${nodes.length + 1} of ${count} cannot listen: ${(failed.reason as Error).message}`,
        {
          hint:
            addresses > 1
              ? 'Leave out --addresses: not every system has all of 127.0.0.0/8. Or ask for fewer --nodes.'
              : 'Ask for fewer --nodes, or allow more open files (`ulimit -n`).',
          cause: failed.reason,
        },
      );
    await Promise.all(nodes.slice(-batch).map(({ ready }) => ready));
    onGrown(nodes.length);
  }
  return { nodes, port: entry };
}

export async function run(context: CommandContext): Promise<Outcome> {
  const { flags, output, interrupts } = context;
  const count = optionalFlagValue('--nodes', flags.text('nodes'), parseCount) ?? DEFAULT_NODES;
  const dead = optionalFlagValue('--dead', flags.text('dead'), parseCount) ?? 0;
  const addresses = optionalFlagValue('--addresses', flags.text('addresses'), parseCount) ?? 1;
  const port = optionalFlagValue('--port', flags.text('port'), parsePort) ?? 0;
  const timeoutMs = optionalFlagValue('--timeout', flags.text('timeout'), parseDurationMs);
  if (count > MOST_NODES)
    throw new UsageError(`--nodes: at most ${MOST_NODES}; \`tt lab dht\` simulates more`);
  if (addresses < 1 || addresses > MOST_NODES) throw new UsageError(`--addresses: from 1 to ${MOST_NODES}`);
  if (dead >= count) throw new UsageError('--dead: fewer than --nodes: somebody must be there to be asked');
  const nodes: DhtNode[] = [];
  const startMs = performance.now();
  try {
    const { console, mode } = output;
    const showsGrowth = console.isLive && !output.isForPrograms && !mode.isQuiet;
    const net = await openNet(nodes, { count, addresses, port }, interrupts.signal, (grown) => {
      if (showsGrowth) console.live([`${grown} of ${formatCount(count, 'node')} have entered`]);
    }).finally(() => console.clearLive());
    // The last ones go without a word: others list them still.
    await Promise.all(nodes.splice(count - dead).map((node) => node.close()));
    const bootstrap = `${LOOPBACK}:${net.port}`;
    const facts = { bootstrap, nodes: nodes.length, dead, addresses };
    if (!interrupts.signal.aborted) {
      const gone = dead === 0 ? '' : `, and ${dead} that are gone`;
      output.notice(
        'listening',
        `tt: ${formatCount(nodes.length, 'DHT node')} on ${addresses === 1 ? LOOPBACK : formatCount(addresses, 'address', 'addresses')}${gone}, after ${formatElapsed(performance.now() - startMs)}; enter with --interface ${LOOPBACK} --bootstrap ${bootstrap}; Ctrl-C stops them`,
        facts,
      );
      await waitFor(context, new Promise<never>(() => {}), timeoutMs);
    }
    return done('', facts);
  } finally {
    await Promise.all(nodes.map((node) => node.close()));
  }
}
