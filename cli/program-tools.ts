// The part of the command tree for looking at this machine: `tt doctor`. Data only, like program.ts.
import { DHT_FLAGS, STATE_DIR_FLAG, TIMEOUT_FLAG } from './flags.ts';
import type { CommandSpec } from './spec.ts';

export const DOCTOR_COMMAND: CommandSpec = {
  name: 'doctor',
  group: 'Tools',
  summary: 'what helps or hurts here: addresses, ports, NAT, DHT, clock, disk, terminal',
  details:
    'Each fact is ok, a note, BAD, or "not checked"; what hurts comes with what to do about it. Exit code 6 when the network\nhurts, 8 when a folder does, else 0. Asks DHT nodes, and nobody else but the servers that --clock-from names.',
  flagGroups: [
    {
      title: 'Doctor',
      flags: [
        { flags: '--offline', summary: 'send nothing: what needs the network is not checked' },
        {
          flags: '--clock-from <url>',
          summary: 'compare the clock with the date this web server sends (repeatable)',
          repeat: true,
        },
        { flags: '-o, --out <dir>', summary: 'the folder for downloads to look at', completes: 'directory' },
        STATE_DIR_FLAG,
        {
          flags: '-p, --port <port>',
          summary: 'the port to listen on: a port, a range, or 0 for any (default: 6891-6999)',
        },
        { flags: '--no-dht', summary: 'ask no DHT node' },
        { flags: '--dht', summary: 'ask DHT nodes', isHidden: true },
        ...DHT_FLAGS.filter(({ flags }) => !flags.includes('read-only')),
        { ...TIMEOUT_FLAG, summary: 'for all of it (default: 15s); what is not done by then is not checked' },
      ],
    },
  ],
  examples: [
    ['tt doctor', 'a page of facts, in some seconds'],
    ['tt doctor --offline', 'sends nothing'],
    ['tt doctor --clock-from https://tracker.example/ --json', 'the clock too; for a program'],
  ],
  load: () => import('./commands/doctor.ts'),
};
