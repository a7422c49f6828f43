// All commands and their flags, and nothing else. Each command's code is imported when it runs.

import type { ArgumentSpec, CommandSpec } from './contract/spec.ts';
import {
  NETWORK_FLAGS,
  OUTPUT_FLAGS,
  STATE_DIR_FLAG,
  STOP_SEEDING_FLAGS,
  TIMEOUT_FLAG,
  WEB_SEED_FLAGS,
} from './flags.ts';
import { DHT_COMMAND, LAB_COMMAND } from './program-dht.ts';
import { EXPLAIN_COMMAND, TRACE_FLAG } from './program-explain.ts';
import { NAT_COMMAND } from './program-nat.ts';
import { RELAY_COMMAND } from './program-relay.ts';
import { CAT_COMMAND, DOCTOR_COMMAND } from './program-tools.ts';

const SOURCE_SUMMARY = '.torrent file, magnet link, info hash, http(s) URL, or - for stdin';

const SOURCE: ArgumentSpec = { name: 'source', summary: SOURCE_SUMMARY, completes: 'torrent' };

const TRANSFER = 'Transfer';
const TORRENTS = 'Torrents';
const TOOLS = 'Tools';

const download: CommandSpec = {
  name: 'download',
  group: TRANSFER,
  summary: 'download torrents and exit when they are complete',
  details:
    'Started again with the same folder it goes on where it stopped, also after another client. A file that lies in the\nway and is not of the torrent is never written over unless --overwrite says so. Several sources are downloaded at once;\nthe highest exit code of any of them is the exit code.',
  args: [{ ...SOURCE, isVariadic: true }],
  flagGroups: [
    {
      title: 'Download',
      flags: [
        {
          flags: '-o, --out <dir>',
          summary: 'put the files below this folder (default: here)',
          completes: 'directory',
        },
        { flags: '-d, --dir <dir>', summary: 'the same as --out', completes: 'directory' },
        {
          flags: '-s, --select <files>',
          summary:
            'only these files: numbers and ranges as `tt info` shows them (1,3-5) or patterns (*.txt); repeatable',
          repeat: true,
        },
        { flags: '--sequential', summary: 'from the beginning to the end instead of rarest first' },
        {
          flags: '--preallocate <how>',
          summary: 'reserve the disk space first (default: none, sparse files)',
          choices: ['none', 'full'],
        },
        { flags: '--recheck', summary: 'hash what lies there before going on' },
        {
          flags: '--overwrite',
          summary:
            'write over files that are not of the torrent; without it that is refused, and nothing is written',
        },
        ...WEB_SEED_FLAGS,
        TIMEOUT_FLAG,
        STATE_DIR_FLAG,
        TRACE_FLAG,
        {
          flags: '--on-done <cmd...>',
          summary:
            'run this when a torrent is complete: no shell; TT_INFO_HASH, TT_NAME, TT_PATH, TT_DIRECTORY and TT_SIZE are set. Takes all that follows, up to a lone ;',
          takesRest: true,
        },
      ],
    },
    {
      title: 'Seeding afterwards',
      flags: [
        { flags: '--seed', summary: 'go on seeding until told to stop; --timeout ends downloads only' },
        ...STOP_SEEDING_FLAGS,
      ],
    },
    NETWORK_FLAGS,
  ],
  examples: [
    ['tt download ubuntu.torrent', 'into the current folder'],
    ["tt download 'magnet:?xt=urn:btih:...' -o ~/Downloads", 'quote magnets: & means something to the shell'],
    ["tt download big.torrent -s 1,4-6 -s '*.txt'", 'some files only'],
    ['tt download a.torrent b.torrent --down-limit 5M --json', 'two at once, the result as JSON'],
    ['tt download a.torrent --seed-ratio 1 --on-done notify-send finished', 'share as much as you took'],
  ],
  load: () => import('./commands/download.ts'),
};

const seed: CommandSpec = {
  name: 'seed',
  group: TRANSFER,
  summary: 'share files or folders until told to stop',
  details: 'Makes a torrent of each path, prints its magnet link, announces it and serves it.',
  args: [{ name: 'path', summary: 'file or folder to share', isVariadic: true, completes: 'file' }],
  flagGroups: [
    {
      title: 'Seed',
      flags: [
        {
          flags: '--torrent <file>',
          summary: 'the torrent that PATH holds the data of',
          completes: 'torrent',
        },
        { flags: '-o, --torrent-out <file>', summary: 'keep the torrent in this file', completes: 'file' },
        { flags: '--private', summary: 'make a private torrent: peers from its trackers only' },
        { flags: '--piece-length <size>', summary: 'a power of two from 16KiB (default: by size)' },
        { flags: '-c, --comment <text>', summary: 'comment in the torrent' },
        ...STOP_SEEDING_FLAGS,
        { ...TIMEOUT_FLAG, summary: 'stop after this long, exit code 3' },
        STATE_DIR_FLAG,
        TRACE_FLAG,
      ],
    },
    NETWORK_FLAGS,
  ],
  examples: [
    ['tt seed photos/ --tracker udp://tracker.example:6969', 'share a folder, print its magnet'],
    ['tt seed data.iso --torrent data.torrent', 'share what an existing torrent describes'],
  ],
  load: () => import('./commands/seed.ts'),
};

const list: CommandSpec = {
  name: 'list',
  group: TRANSFER,
  summary: 'what can be resumed, where it lies, how far it is',
  flagGroups: [{ title: 'List', flags: [STATE_DIR_FLAG] }],
  examples: [['tt list --json', 'for a program']],
  load: () => import('./commands/list.ts'),
};

const create: CommandSpec = {
  name: 'create',
  group: TORRENTS,
  summary: 'make a .torrent of a file or folder',
  args: [{ name: 'path', summary: 'file or folder', completes: 'file' }],
  flagGroups: [
    {
      title: 'Create',
      flags: [
        {
          flags: '-o, --out <file>',
          summary: 'write here; - for stdout (default: NAME.torrent here)',
          completes: 'file',
        },
        {
          flags: '-t, --tracker <urls>',
          summary: 'one tier: a tracker, or several with commas (repeatable)',
          repeat: true,
        },
        { flags: '-w, --web-seed <url>', summary: 'web seed (repeatable)', repeat: true },
        { flags: '-c, --comment <text>', summary: 'comment' },
        { flags: '--private', summary: 'peers from the trackers only (BEP 27)' },
        { flags: '--piece-length <size>', summary: 'a power of two from 16KiB (default: by size)' },
        { flags: '--source <text>', summary: 'source tag: makes the info hash differ between sites' },
        { flags: '--name <name>', summary: 'name in the torrent (default: the last part of PATH)' },
        { flags: '--no-date', summary: 'leave the date out: the same files give the same torrent' },
        { flags: '-a, --all', summary: 'take hidden files and system clutter as well' },
        { flags: '-f, --force', summary: 'overwrite the output file' },
        { flags: '--v1', summary: 'version 1 (default)' },
        { flags: '--v2', summary: 'version 2 only: refused, cannot be made yet' },
        { flags: '--hybrid', summary: 'versions 1 and 2 in one: refused, cannot be made yet' },
      ],
    },
  ],
  examples: [
    ['tt create photos/ -t udp://tracker.example:6969', 'writes photos.torrent'],
    [
      'tt create a.iso -t https://a.example/announce,https://b.example/announce -o -',
      'one tier of two, to stdout',
    ],
  ],
  load: () => import('./commands/create.ts'),
};

const info: CommandSpec = {
  name: 'info',
  group: TORRENTS,
  summary: 'files, sizes, hashes and trackers of a torrent',
  details: 'For a magnet link or a bare info hash the metadata is fetched from peers first.',
  args: [SOURCE],
  flagGroups: [{ title: 'Info', flags: [TIMEOUT_FLAG] }, NETWORK_FLAGS],
  examples: [
    ['tt info ubuntu.torrent', 'file numbers here are those of --select'],
    ['curl -s https://example.org/a.torrent | tt info - --json', 'from stdin, as JSON'],
  ],
  load: () => import('./commands/info.ts'),
};

const metadata: CommandSpec = {
  name: 'metadata',
  group: TORRENTS,
  summary: 'fetch the metadata of a magnet and save it as a .torrent',
  args: [{ ...SOURCE, name: 'magnet', summary: 'magnet link or info hash' }],
  flagGroups: [
    {
      title: 'Metadata',
      flags: [
        {
          flags: '-o, --out <file>',
          summary: 'write here; - for stdout (default: NAME.torrent here)',
          completes: 'file',
        },
        { flags: '-f, --force', summary: 'overwrite the output file' },
        TIMEOUT_FLAG,
      ],
    },
    NETWORK_FLAGS,
  ],
  examples: [["tt metadata 'magnet:?xt=urn:btih:...' -o a.torrent", 'nothing else is downloaded']],
  load: () => import('./commands/metadata.ts'),
};

const verify: CommandSpec = {
  name: 'verify',
  group: TORRENTS,
  summary: 'check files against a torrent with all cores',
  details: 'Lists the bad pieces and the files they touch. Exit code 5 when anything is missing or wrong.',
  args: [
    SOURCE,
    {
      name: 'dir',
      summary: 'where the files lie (default: here), or the file itself',
      isOptional: true,
      completes: 'directory',
    },
  ],
  examples: [['tt verify ubuntu.torrent ~/Downloads', 'never writes anything']],
  load: async () => {
    const { HashThread } = await import('../core/storage/hash-thread.ts');
    HashThread.warm();
    return import('./commands/verify.ts');
  },
};

const TRACKER_ARGS: readonly ArgumentSpec[] = [
  {
    name: 'what',
    summary: `a tracker URL and torrents; without a URL the first torrent's own trackers are asked. Torrents: ${SOURCE_SUMMARY}`,
    isVariadic: true,
    completes: 'torrent',
  },
];

const tracker: CommandSpec = {
  name: 'tracker',
  group: TOOLS,
  summary: 'ask a tracker, or be one',
  commands: [
    {
      name: 'announce',
      summary: 'announce once, list the peers that come back, and take leave again',
      args: TRACKER_ARGS,
      flagGroups: [
        {
          title: 'Announce',
          flags: [
            {
              flags: '-p, --port <port>',
              summary: 'port to announce (default: 0, that is: nothing listens)',
            },
            { flags: '--left <size>', summary: 'bytes still to get; 0 asks as a seed does (default: 1)' },
            { flags: '--numwant <count>', summary: 'how many peers to ask for (default: 50)' },
            TIMEOUT_FLAG,
          ],
        },
      ],
      examples: [
        ['tt tracker announce udp://tracker.example:6969 a.torrent', 'who else has it?'],
        ['tt tracker announce a.torrent --json', 'ask all trackers of the torrent'],
      ],
      load: () => import('./commands/tracker-announce.ts'),
    },
    {
      name: 'scrape',
      summary: 'how many seeds and leechers a tracker knows',
      args: TRACKER_ARGS,
      flagGroups: [{ title: 'Scrape', flags: [TIMEOUT_FLAG] }],
      examples: [['tt tracker scrape https://tracker.example/announce a.torrent b.torrent', 'two at once']],
      load: () => import('./commands/tracker-scrape.ts'),
    },
    {
      name: 'serve',
      summary: 'run a small HTTP and UDP tracker for a LAN or a test',
      flagGroups: [
        {
          title: 'Serve',
          flags: [
            { flags: '-p, --port <port>', summary: 'HTTP and UDP port, 0 for any free one (default: 6969)' },
            { flags: '--http-port <port>', summary: 'another port for HTTP' },
            { flags: '--host <address>', summary: 'listen on this address only (default: all)' },
            { flags: '--interval <time>', summary: 'how often clients shall announce (default: 15m)' },
            {
              flags: '--allow <hash>',
              summary: 'serve only this torrent: source or info hash (repeatable)',
              repeat: true,
            },
            { flags: '--no-udp', summary: 'HTTP only' },
            { ...TIMEOUT_FLAG, summary: 'stop after this long, exit code 0' },
          ],
        },
      ],
      examples: [['tt tracker serve -p 6969', 'until Ctrl-C; -v shows each announce']],
      load: () => import('./commands/tracker-serve.ts'),
    },
  ],
};

const demo: CommandSpec = {
  name: 'demo',
  group: TOOLS,
  summary: 'a whole swarm on this machine: tracker, seeds and a download, nothing outside',
  flagGroups: [
    {
      title: 'Demo',
      flags: [
        { flags: '--size <size>', summary: 'how much data to make up and share (default: 64MiB)' },
        { flags: '--seeds <count>', summary: 'how many seeds (default: 3)' },
        { flags: '--down-limit <rate>', summary: 'slow the download down to watch it' },
      ],
    },
  ],
  examples: [['tt demo', 'works without any network, in a few seconds']],
  load: () => import('./commands/demo.ts'),
};

const config: CommandSpec = {
  name: 'config',
  group: TOOLS,
  summary: 'the settings in effect and where each comes from',
  details:
    'Order: defaults < config.toml < TT_* variables < flags. In config.toml write the names as shown, e.g.\n\n  out = "/srv/torrents"\n  up-limit = "2M"\n  lsd = false',
  examples: [['TT_UP_LIMIT=2M tt config', 'a variable for each setting']],
  load: () => import('./commands/config.ts'),
};

const completion: CommandSpec = {
  name: 'completion',
  group: TOOLS,
  summary: 'print the completion script of a shell',
  args: [{ name: 'shell', summary: 'bash, zsh or fish', choices: ['bash', 'zsh', 'fish'] }],
  examples: [
    ['source <(tt completion bash)', 'bash: now; put it into ~/.bashrc to keep it'],
    ['tt completion zsh > ~/.zfunc/_tt', 'zsh, with ~/.zfunc in fpath'],
    ['tt completion fish > ~/.config/fish/completions/tt.fish', 'fish'],
  ],
  load: () => import('./commands/completion.ts'),
};

export const PROGRAM: CommandSpec = {
  name: 'tt',
  summary: 'A BitTorrent client for the command line.',
  commands: [
    download,
    CAT_COMMAND,
    seed,
    list,
    EXPLAIN_COMMAND,
    create,
    info,
    metadata,
    verify,
    tracker,
    DHT_COMMAND,
    LAB_COMMAND,
    NAT_COMMAND,
    RELAY_COMMAND,
    DOCTOR_COMMAND,
    demo,
    config,
    completion,
  ],
};

export const COMMON_FLAGS = OUTPUT_FLAGS;
