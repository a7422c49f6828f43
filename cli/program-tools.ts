// The part of the command tree for looking at this machine, and for pipes: `tt doctor`, `tt cat`. Data only, like program.ts.

import type { CommandSpec } from './contract/spec.ts';
import { DHT_FLAGS, NETWORK_FLAGS, STATE_DIR_FLAG, TIMEOUT_FLAG, WEB_SEED_FLAGS } from './flags.ts';

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

export const CAT_COMMAND: CommandSpec = {
  name: 'cat',
  group: 'Transfer',
  summary: 'stream a file of a torrent to stdout, verified, in order',
  details:
    'For pipes and players: bytes leave as soon as their piece is verified, and no faster than the reader takes them. With --out\nwhat was fetched is kept as in a download; else nothing is left behind.',
  args: [
    {
      name: 'source',
      summary: '.torrent file, magnet link, info hash, http(s) URL, or - for stdin',
      completes: 'torrent',
    },
    {
      name: 'path',
      summary: 'path or number of the file as `tt info` shows them; not needed when there is one file only',
      isOptional: true,
    },
  ],
  flagGroups: [
    {
      title: 'Cat',
      flags: [
        {
          flags: '--range <first-last>',
          summary: 'these bytes of the file only, as in HTTP: 0-499, 500-, -500 for the last 500',
        },
        {
          flags: '-o, --out <dir>',
          summary: 'keep what is fetched below this folder (default: a temporary one, removed at the end)',
          completes: 'directory',
        },
        { ...TIMEOUT_FLAG, summary: 'give up when no byte has come for so long, exit code 3' },
        ...WEB_SEED_FLAGS,
      ],
    },
    NETWORK_FLAGS,
  ],
  examples: [
    ['tt cat film.torrent | mpv -', 'watch while it comes'],
    ["tt cat 'magnet:?xt=urn:btih:...' docs/readme.txt", 'one file of many'],
    ['tt cat ubuntu.torrent --range 0-1023 | xxd', 'the first KiB'],
  ],
  load: () => import('./commands/cat.ts'),
};
