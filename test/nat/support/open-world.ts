// What there is in the open of most labs: DHT nodes in different networks, and a relay that tries to reach who asks.
import { fileURLToPath } from 'node:url';
import type { NatLab } from '../lab/lab.ts';

const READY_TIMEOUT_MS = 20_000;
const script = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

export const DHT_PORT = 6881;
export const RELAY_PORT = 7000;

/**
 * A DHT node on each public host from number `first` on; each knows all that came before.
 * @returns `--bootstrap` flags that name them all: nodes take strangers up after minutes only
 */
export async function startDht(lab: NatLab, first = 1): Promise<string[]> {
  const known: string[] = [];
  for (const host of lab.publics.slice(first)) {
    const node = host.spawnNode(script('dht-child.ts'), [`${DHT_PORT}`, host.address, ...known]);
    await node.waitForLine(/^ready/, READY_TIMEOUT_MS);
    known.push(host.address);
  }
  return known.flatMap((address) => ['--bootstrap', `${address}:${DHT_PORT}`]);
}

/** On the first public host. @returns `host:port`, for --relay */
export async function startRelay(lab: NatLab): Promise<string> {
  const host = lab.public(0);
  const relay = host.spawnNode(script('relay-child.ts'), [`${RELAY_PORT}`, host.address]);
  await relay.waitForLine(/^ready/, READY_TIMEOUT_MS);
  return `${host.address}:${RELAY_PORT}`;
}
