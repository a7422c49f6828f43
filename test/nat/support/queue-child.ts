// A peer that leaves calls for others and takes those left for it: the client's side of the relay protocol on a host of a lab, with
// nothing behind it.   queue-child.ts RELAY RELAY RELAY
// Lines on stdin: `push KEY INFO_HASH NONCE`. Says `key`, `reserved` (how many relays), `pushed`, `queued`.
import os from 'node:os';
import { createInterface } from 'node:readline';
import { fromHex, toHex } from '../../../core/base/bytes.ts';
import { RelayIdentity } from '../../../core/relay/identity.ts';
import { ClientShell } from '../../../core/relay/io/client-shell.ts';
import { systemClock, systemRng } from '../../../core/session/system.ts';
import { dialTcp } from '../../../core/transport/tcp.ts';
import { placeOf, say, UNKNOWN_FACTS } from './relay-speaker.ts';

const DIAL_MS = 5_000;
const POLL_MS = 1_000;
const TORRENT = new Uint8Array(20).fill(7);
const bytes = (hex: string | undefined): Uint8Array => fromHex(hex ?? '') ?? new Uint8Array(0);

const relays = process.argv.slice(2).map(placeOf);
const identity = RelayIdentity.random(systemRng);
const shell = new ClientShell(
  {
    clock: systemClock,
    rng: systemRng,
    log: () => {},
    policy: 'prefer',
    client: 'queue-child',
    peerId: new Uint8Array(20).fill(65),
    identity,
    wallMs: () => Date.now(),
    facts: () => UNKNOWN_FACTS,
    torrents: () => [TORRENT],
    sought: () => [],
    proxied: () => [],
    wantsRelays: () => true,
    whyNotFollow: () => undefined,
    dialControl: (relay) => dialTcp(relay, { timeoutMs: DIAL_MS }),
    listenPort: () => 0,
  },
  {
    decide: () => 'none',
    introduce: () => {},
    splice: () => {},
    onQueued: ({ nonce }) => say('queued', { nonce: toHex(nonce) }),
    onSilent: () => {},
    onChanged: () =>
      say('reserved', {
        relays: shell.client.status().filter(({ state }) => state === 'reserved').length,
      }),
    findRelays: () => {},
  },
);
say('key', { key: toHex(identity.publicKey) });
shell.run((client, nowMs) => {
  for (const relay of relays) client.addGiven(relay, nowMs);
});

// As a session does it: another network, other reservations.
const addresses = (): string => JSON.stringify(os.networkInterfaces());
let known = addresses();
setInterval(() => {
  const now = addresses();
  if (now !== known) shell.run((client, nowMs) => client.handleNetworkChange(nowMs));
  known = now;
}, POLL_MS);

createInterface({ input: process.stdin }).on('line', (line) => {
  const [verb, key, infoHash, nonce] = line.split(' ');
  if (verb !== 'push') return;
  shell.run((client, nowMs) => {
    const onResult = (result: object): void => say('pushed', { nonce, ...result });
    client.push(bytes(key), bytes(infoHash), onResult, nowMs, bytes(nonce));
  });
});
