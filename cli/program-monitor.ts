// `tt dht monitor` in the command tree. Data only.

import type { CommandSpec } from './contract/spec.ts';
import { DHT_FLAGS } from './flags.ts';
import { DATASET_FLAGS, MMDB_FLAG, POLITENESS_FLAGS } from './program-crawl.ts';

export const MONITOR_COMMAND: CommandSpec = {
  name: 'monitor',
  summary: 'how long nodes stay: the nodes of a zone asked again and again for a while',
  details:
    'Each node is asked at 1.2 times the gap since its last answer, between 1 and 15 minutes; newcomers are looked for by a crawl now and then. Sessions seen to begin are followed for half of the time, so that short ones are not preferred. Stopped or killed, it goes on with --resume.',
  flagGroups: [
    {
      title: 'Monitor',
      flags: [
        { flags: '--zone <prefix/bits>', summary: 'ids that begin so, like a3f/12 (default: a random /12)' },
        { flags: '--for <time>', summary: 'how long to look (default: 1h)' },
        { flags: '--rescan <time>', summary: 'between crawls that look for newcomers (default: 10m)' },
        {
          flags: '--seed <number>',
          summary: 'fixes targets and order (default: random, kept in the dataset)',
        },
        {
          flags: '--resume <dir>',
          summary: 'go on with a run that was stopped or killed',
          completes: 'directory',
        },
        ...DATASET_FLAGS,
        MMDB_FLAG,
      ],
    },
    { title: 'Politeness', flags: POLITENESS_FLAGS },
    {
      title: 'DHT',
      flags: [{ flags: '-p, --port <port>', summary: 'UDP port to ask from (default: any)' }, ...DHT_FLAGS],
    },
  ],
  examples: [
    ['tt dht monitor --zone a3f/12 --for 6h --out my-run', 'sessions up to three hours are seen whole'],
    ['tt dht monitor --resume my-run', 'after Ctrl-C or kill -9: what is open goes on'],
  ],
  load: () => import('./commands/dht-monitor.ts'),
};
