// The part of the command tree that is about NATs: `tt nat ...`. Data only, like program.ts.

import type { CommandSpec } from './contract/spec.ts';
import { DHT_FLAGS, STATE_DIR_FLAG, TIMEOUT_FLAG } from './flags.ts';

export const NAT_COMMAND: CommandSpec = {
  name: 'nat',
  group: 'Tools',
  summary: 'what lies between us and everybody else',
  commands: [
    {
      name: 'status',
      summary: 'the kind of NAT here, on what evidence, and what the router forwards',
      details:
        'Asks some DHT nodes as whom they see us and the router for a port, which is given back at the end. Whether anybody\ngets in is known only when somebody tries: a relay named with --relay does.',
      flagGroups: [
        {
          title: 'NAT',
          flags: [
            {
              flags: '-p, --port <port>',
              summary: 'the port to look at: a port, a range, or 0 for any (default: 6891-6999)',
            },
            {
              flags: '--relay <host:port>',
              summary: 'let this relay try to reach us (repeatable)',
              repeat: true,
            },
            { flags: '--no-port-map', summary: 'do not ask the router to forward the port' },
            { flags: '--port-map', summary: 'ask the router to forward the port', isHidden: true },
            { flags: '--no-dht', summary: 'ask no DHT node' },
            { flags: '--dht', summary: 'ask DHT nodes', isHidden: true },
            ...DHT_FLAGS.filter(({ flags }) => !flags.includes('read-only')),
            STATE_DIR_FLAG,
            { ...TIMEOUT_FLAG, summary: 'for all of it (default: 15s)' },
          ],
        },
      ],
      examples: [
        ['tt nat status', 'in a few seconds'],
        ['tt nat status --relay 203.0.113.5:6891 --json', 'with somebody outside who tries; for a program'],
      ],
      load: () => import('./commands/nat-status.ts'),
    },
  ],
};
