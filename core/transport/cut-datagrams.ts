// Whether the system cut a datagram into fragments. node:dgram cannot forbid it, and Linux does it as soon as a router has said
// that a path is narrower (ICMP): what is to try the path would arrive in pieces, and pass for proof that it fits.
import { readFileSync } from 'node:fs';

const TABLES = {
  // Two lines for each protocol: names, values.
  4: { file: '/proc/net/snmp', read: (text: string) => valueOfIp(text, 'FragOKs') },
  6: { file: '/proc/net/snmp6', read: (text: string) => Number(/^Ip6FragOKs\s+(\d+)/m.exec(text)?.[1]) },
} as const;

function valueOfIp(text: string, name: string): number {
  const [names = '', values = ''] = text.split('\n').filter((line) => line.startsWith('Ip: '));
  return Number(values.split(' ')[names.split(' ').indexOf(name)]);
}

/** @returns how many datagrams of this network the system has cut so far; undefined where it does not say (not Linux) */
export function cutDatagrams(family: 4 | 6): number | undefined {
  const { file, read } = TABLES[family];
  try {
    const count = read(readFileSync(file, 'latin1'));
    return Number.isNaN(count) ? undefined : count;
  } catch {
    return undefined;
  }
}
