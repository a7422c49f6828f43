// The part of the command tree that works on datasets, `tt dht report`, `export` and `enrich`, and the network to try them on,
// `tt lab net`. Data only, like program.ts.

import type { ArgumentSpec, CommandSpec } from './contract/spec.ts';
import { TIMEOUT_FLAG } from './flags.ts';

const RUN: ArgumentSpec = {
  name: 'run',
  summary: 'folder that a crawl or a monitor wrote',
  completes: 'directory',
};

export const DATASET_COMMANDS: readonly CommandSpec[] = [
  {
    name: 'report',
    summary: 'the summary of a run with its intervals, plots, and a page with all of them',
    details:
      'Writes index.html (one file, to be opened or mailed as it is) and every plot as SVG and PNG. Several runs are compared: how\nmany nodes at which time of the day, and how many of one run are still there in another. A plot without data says why.',
    args: [{ ...RUN, isVariadic: true }],
    flagGroups: [
      {
        title: 'Report',
        flags: [
          {
            flags: '--out <dir>',
            summary: 'folder for page and plots (default: report in the folder of the first run)',
            completes: 'directory',
          },
          { flags: '--no-plots', summary: 'print only, write nothing' },
          { flags: '--plots', summary: 'write page and plots', isHidden: true },
        ],
      },
    ],
    examples: [
      ['tt dht report my-run', 'then open my-run/report/index.html'],
      ['tt dht report monday tuesday wednesday --out week', 'side by side, and who stayed'],
      ['tt dht report my-run --no-plots --json', 'the figures for a program'],
    ],
    load: () => import('./commands/dht-report.ts'),
  },
  {
    name: 'export',
    summary: 'the tables of a run as Parquet, CSV or JSON lines',
    details: 'Columns as in docs/dataset.md; 64-bit integers stay whole, and what is empty stays empty.',
    args: [RUN],
    flagGroups: [
      {
        title: 'Export',
        flags: [
          {
            flags: '--format <format>',
            summary: 'of the files (default: parquet)',
            choices: ['parquet', 'csv', 'jsonl'],
          },
          { flags: '--table <name>', summary: 'only this table (repeatable; default: all)', repeat: true },
          {
            flags: '--out <dir>',
            summary: 'folder for the files, or - for stdout (default: export in the folder of the run)',
            completes: 'directory',
          },
        ],
      },
    ],
    examples: [
      ['tt dht export my-run', 'my-run/export/visit.parquet and the others'],
      ['tt dht export my-run --format csv --table visit --out - | head', 'one table into a pipe'],
    ],
    load: () => import('./commands/dht-export.ts'),
  },
  {
    name: 'enrich',
    summary: 'add AS, organisation and country from MaxMind databases (MMDB) to a run',
    details:
      'Into a table of its own: it is not a measurement, and it ages. Needs a run with --ip-privacy raw or prefix: hashed addresses\ncannot be looked up (`tt dht crawl --mmdb` does it before they are hashed). No database comes with tt; MaxMind, DB-IP and IPinfo\npublish free ones. A second time replaces the first.',
    args: [RUN],
    flagGroups: [
      {
        title: 'Enrich',
        flags: [
          {
            flags: '--mmdb <file>',
            summary: 'a database of AS numbers, of countries, or of both (repeatable)',
            completes: 'file',
            repeat: true,
          },
        ],
      },
    ],
    examples: [
      ['tt dht enrich my-run --mmdb asn.mmdb --mmdb country.mmdb', 'then `tt dht report my-run` again'],
    ],
    load: () => import('./commands/dht-enrich.ts'),
  },
];

export const LAB_NET_COMMAND: CommandSpec = {
  name: 'net',
  summary: 'a DHT of our own nodes on loopback until told to stop, to try commands on',
  details:
    'Real nodes on real sockets of 127.0.0.1; nothing leaves this machine. Prints the address to enter by.',
  flagGroups: [
    {
      title: 'Nodes',
      flags: [
        { flags: '--nodes <count>', summary: 'how many (default: 300)' },
        {
          flags: '--dead <count>',
          summary: 'so many of them go again, and stay in the tables of others (default: 0)',
        },
        { flags: '--addresses <count>', summary: 'spread over so many of 127.0.0.0/8 (default: 1)' },
        { flags: '-p, --port <port>', summary: 'UDP port of the first node, to enter by (default: any)' },
        { ...TIMEOUT_FLAG, summary: 'stop after this long, exit code 0' },
      ],
    },
  ],
  examples: [
    ['tt lab net --port 7001', 'then, in another terminal:'],
    [
      'tt dht crawl --zone 8/1 --interface 127.0.0.1 --bootstrap 127.0.0.1:7001 --out my-run',
      'half of its ids',
    ],
  ],
  load: () => import('./commands/lab-net.ts'),
};
