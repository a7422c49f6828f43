// `tt relay`: its flags. Data only, like program.ts.

import type { CommandSpec } from './contract/spec.ts';
import { DHT_FLAGS, TIMEOUT_FLAG } from './flags.ts';

export const RELAY_COMMAND: CommandSpec = {
  name: 'relay',
  group: 'Tools',
  summary: 'help peers behind NATs to be reached, until told to stop',
  details:
    'For a machine with a public address. Peers keep a connection to it; who wants one of them is introduced, or the two are\njoined byte for byte within limits. It never dials an address that somebody names, and writes nothing but its DHT nodes.',
  flagGroups: [
    {
      title: 'Relay',
      flags: [
        {
          flags: '-p, --port <port>',
          summary: 'listen here, TCP and UDP: a port, a range, or 0 for any (default: 6891-6999)',
        },
        { flags: '--reservations <count>', summary: 'peers that may be called through it (default: 128)' },
        {
          flags: '--splices <count>',
          summary: 'pairs whose bytes are passed on at a time; 0: none (default: 16)',
        },
        { flags: '--splice-limit <size>', summary: 'what one pair may send each way (default: 64MiB)' },
        { flags: '--splice-time <time>', summary: 'how long one pair is joined (default: 10m)' },
        {
          flags: '--splice-rate <rate>',
          summary: 'bytes a second of one pair, each way (default: 1MiB; 0: no limit)',
        },
        { flags: '--up-limit <rate>', summary: 'bytes a second of all pairs together (default: no limit)' },
        {
          flags: '--proxy-ports <count>',
          summary: 'ports at which unmodified clients reach seeds behind NATs (default: 0)',
        },
        {
          flags: '--tracker <url>',
          summary: 'announce those seeds to this tracker besides the DHT (repeatable)',
          repeat: true,
        },
        {
          flags: '--external-ip <address>',
          summary: 'as whom the world sees this machine (default: as the DHT says)',
        },
        { flags: '--metrics <host:port>', summary: 'numbers for Prometheus at http://host:port/metrics' },
        { ...TIMEOUT_FLAG, summary: 'stop after this long' },
      ],
    },
    {
      title: 'Network',
      flags: [
        ...DHT_FLAGS.filter(({ flags }) => !flags.includes('read-only')),
        { flags: '--no-dht', summary: 'no DHT: peers must name this relay with --relay' },
        { flags: '--dht', summary: 'take part in the DHT', isHidden: true },
        { flags: '--no-utp', summary: 'TCP only' },
        { flags: '--utp', summary: 'TCP and uTP', isHidden: true },
        {
          flags: '--encryption <how>',
          summary: 'of control connections (default: prefer)',
          choices: ['prefer', 'require', 'off'],
        },
      ],
    },
  ],
  examples: [
    ['tt relay', 'on a public machine: found through the DHT'],
    ['tt relay --proxy-ports 16', 'and unmodified clients reach seeds behind NATs'],
    ['tt relay -p 6891 --no-dht --metrics 127.0.0.1:9100', "a relay of one's own, watched"],
  ],
  load: () => import('./commands/relay.ts'),
};
