// As whom DHT nodes see our UDP port (BEP 42 `ip`): a ping to some of them, in different networks. What core/nat works the class out of.
import type { Reflection } from '../../core/nat/reflection.ts';
import { operatorPrefix } from '../../core/relay/addresses.ts';
import type { PingResult } from '../../dht/base/results.ts';
import type { DhtNode } from '../../dht/io/dht-node.ts';

/** One liar among them does not matter, and one that is gone neither. */
const MOST_ASKED = 8;
/** Who answers at all answers in much less; a pause of ours must not look like silence of theirs. */
const ANSWER_MS = 2_500;

/** Never rejects. */
export async function reflectBy(node: DhtNode, family: 4 | 6): Promise<Reflection> {
  const chosen = new Map<string, ReturnType<DhtNode['machine']['contacts']>[number]>();
  for (const contact of node.machine.contacts()) {
    if (chosen.size >= MOST_ASKED) break;
    if (contact.address.family !== family || contact.address.scope !== 'global') continue;
    const network = operatorPrefix(contact.address.host);
    if (!chosen.has(network)) chosen.set(network, contact);
  }
  if (chosen.size === 0) return nobodyToAsk(node);
  const answers = await Promise.all(
    [...chosen.values()].map(async ({ address }) => [address.host, await ping(node, address)] as const),
  );
  return {
    asked: answers.length,
    answered: answers.filter(([, result]) => result !== undefined && result.failure === undefined).length,
    seen: answers.flatMap(([by, result]) =>
      result?.seenAs === undefined
        ? []
        : [{ by, as: { host: result.seenAs.host, port: result.seenAs.port } }],
    ),
  };
}

/** When a node that knows nobody was first asked for its knowledge. */
const emptySince = new WeakMap<DhtNode, number>();

/** Either the node has just begun, or nobody has ever answered it: entry nodes are strangers as well. */
function nobodyToAsk(node: DhtNode): Reflection {
  const nowMs = node.now();
  const { queriesOut, repliesIn } = node.machine.snapshot(nowMs).statistics;
  const sinceMs = emptySince.get(node) ?? nowMs;
  emptySince.set(node, sinceMs);
  const isSilent = repliesIn === 0 && nowMs - sinceMs >= ANSWER_MS;
  return { asked: isSilent ? queriesOut : 0, answered: 0, seen: [] };
}

function ping(
  node: DhtNode,
  address: Parameters<DhtNode['machine']['ping']>[0],
): Promise<PingResult | undefined> {
  return new Promise((resolve) => {
    const finish = (result: PingResult | undefined): void => {
      clearTimeout(timer);
      resolve(result);
    };
    const operation = node.run((machine, nowMs) => machine.ping(address, finish, nowMs));
    const timer = setTimeout(() => {
      node.run(() => operation.cancel());
      finish(undefined);
    }, ANSWER_MS);
    timer.unref();
  });
}
