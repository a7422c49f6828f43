// Addresses of the interop network: 10.99.0.n and fd99::n on a loopback of our own, one of each for every client, because some clients
// refuse 127/8 and ::1 as peers (Transmission) or allow one connection an address.
import { networkInterfaces } from 'node:os';

/** Set by run.ts for what runs inside the namespace. */
export const RUNNER_VARIABLE = 'TT_INTEROP_NETWORK';

/** How many addresses of each family; run.ts and what it runs must agree, hence the environment. */
export const ADDRESS_COUNT_VARIABLE = 'TT_INTEROP_ADDRESSES';
/** Enough for two test workers with more than a hundred clients each. Some clients list all addresses for each connection. */
const ADDRESS_COUNT = Number(process.env[ADDRESS_COUNT_VARIABLE] ?? '250');
/** .1 belongs to trackers. */
const FIRST_CLIENT = 2;

export const TRACKER_V4 = '10.99.0.1';
export const TRACKER_V6 = 'fd99::1';

export type Family = 'v4' | 'v6';

/** Shell commands that raise the network in a fresh namespace. */
export function networkCommands(): string[] {
  const batch = (family: 4 | 6): string => {
    const address = family === 4 ? '10.99.0.$n/32' : 'fd99::$(printf %x $n)/128';
    const tail = family === 4 ? '' : ' nodad';
    return `for n in $(seq ${ADDRESS_COUNT}); do echo "addr add ${address} dev lo${tail}"; done | ip -${family} -batch -`;
  };
  return [
    'ip link set lo up',
    batch(4),
    batch(6),
    // Clients look for a default route before they use IPv6 at all.
    'ip route add default dev lo',
    'ip -6 route add default dev lo',
  ];
}

/** @returns why this process cannot run interop tests, or undefined */
export function networkMissing(): string | undefined {
  const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return addresses.some(({ address }) => address === TRACKER_V4)
    ? undefined
    : 'the interop network is not there: use `npm run test:interop` (test/interop/run.ts)';
}

export interface HostPair {
  readonly v4: string;
  readonly v6: string;
}

let used = 0;

/** A fresh pair of addresses. Two test workers take odd and even numbers. */
export function nextHosts(): HostPair {
  const worker = (Number(process.env['VITEST_POOL_ID'] ?? '1') + 1) % 2;
  const n = FIRST_CLIENT + ((used++ * 2 + worker) % (ADDRESS_COUNT - FIRST_CLIENT));
  return { v4: `10.99.0.${n}`, v6: `fd99::${n.toString(16)}` };
}
