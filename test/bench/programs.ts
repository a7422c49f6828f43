// The command lines of everybody in the race, each with the settings its own users would call fast, and none with encryption.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  authority,
  type Endpoint,
  withMagnetHints,
  withTrackers,
  withWebSeed,
} from '../interop/support/client.ts';
import { nginxArgs } from '../interop/support/nginx.ts';
import { PYTHON } from '../interop/support/requirements.ts';
import { TT } from '../interop/support/tt.ts';
import type { Program } from './keeper.ts';
import type { Payload } from './payloads.ts';

const LIBTORRENT_SCRIPT = fileURLToPath(new URL('../interop/support/libtorrent_peer.py', import.meta.url));

export const PROGRAM_NAMES = ['libtorrent', 'aria2', 'transmission', 'tt'] as const;
export type ProgramName = (typeof PROGRAM_NAMES)[number];

/** What one process of a race is to do. */
export interface Task {
  readonly payload: Payload;
  /** Its own address and port. */
  readonly at: Endpoint;
  readonly trackerUrl: string;
  /** Holds, or is to hold, the content. */
  readonly dir: string;
  /** A fresh folder for settings and state. */
  readonly stateDir: string;
  /** Kept from run to run: caches a user would have. */
  readonly homeDir: string;
  /** The program (or a script it calls) makes this file when everything is there; see `doneMarker`. */
  readonly donePath: string;
  /** For transmission's RPC. */
  readonly rpcPort: number;
  /** A web server that has it all. */
  readonly webSeedUrl?: string;
  /** uTP and nothing else (libtorrent and tt); otherwise TCP, which is what they take where they have the choice. */
  readonly utpOnly?: boolean;
}

export interface Racer {
  readonly name: ProgramName;
  /** Text on stdout that says "complete and verified"; undefined: it makes `donePath`. */
  readonly doneMarker: string | undefined;
  seed(task: Task): Program;
  /** @param staysOn goes on seeding: for swarms */
  leech(task: Task, staysOn: boolean): Program;
  /** Hashes complete content that it has never seen; ends or writes `checkMarker`. Transmission is special: see checks.ts. */
  check(task: Task): Program | undefined;
  readonly checkMarker: string | undefined;
  /** Fetches metadata by magnet; ends or writes `metadataMarker`. */
  metadata(task: Task): Program | undefined;
  readonly metadataMarker: string | undefined;
}

function torrentWithTracker(task: Task): string {
  mkdirSync(task.stateDir, { recursive: true });
  const path = join(task.stateDir, 'bench.torrent');
  writeFileSync(path, withTrackers(readFileSync(task.payload.torrentFile), [task.trackerUrl]));
  return path;
}

function torrentWithSources(task: Task): string {
  const path = torrentWithTracker(task);
  if (task.webSeedUrl !== undefined) writeFileSync(path, withWebSeed(readFileSync(path), task.webSeedUrl));
  return path;
}

/** Serves what a task holds at its endpoint, as `webSeedUrlOf` says. */
export function webServer({ at, dir, stateDir }: Task): Program {
  const args = nginxArgs({ stateDir: join(stateDir, 'nginx'), root: dir, host: at.host }, at.port);
  return { name: 'nginx', argv: ['nginx', ...args] };
}

export function webSeedUrlOf({ at }: Task): string {
  return `http://${authority(at)}/`;
}

function magnetWithTracker({ payload, trackerUrl }: Task): string {
  const { magnet, infoHash, name } = payload;
  return withMagnetHints(magnet, { magnet, infoHash, name, trackers: [trackerUrl] });
}

/** Makes `donePath`, which it finds in its environment. */
function doneScript(task: Task): string {
  mkdirSync(task.stateDir, { recursive: true });
  const path = join(task.stateDir, 'done.sh');
  writeFileSync(path, '#!/bin/sh\n: > "$BENCH_DONE"\n', { mode: 0o755 });
  return path;
}

const UTP_ONLY = {
  enable_outgoing_utp: true,
  enable_incoming_utp: true,
  enable_outgoing_tcp: false,
  enable_incoming_tcp: false,
};

function libtorrentProgram(task: Task, request: object): Program {
  const options = {
    ...task.at,
    encryption: 'plain',
    profile: 'high-performance',
    unattended: true,
    requests: [{ op: 'add', ...request }],
    ...(task.utpOnly === true ? { settings: UTP_ONLY } : {}),
  };
  return { name: 'libtorrent', argv: [PYTHON, LIBTORRENT_SCRIPT, JSON.stringify(options)] };
}

const libtorrent: Racer = {
  name: 'libtorrent',
  doneMarker: '"event": "torrent_finished"',
  seed: (task) =>
    libtorrentProgram(task, { torrent: torrentWithTracker(task), dir: task.dir, seed_mode: true }),
  leech: (task) => libtorrentProgram(task, { torrent: torrentWithSources(task), dir: task.dir }),
  check: (task) => libtorrentProgram(task, { torrent: task.payload.torrentFile, dir: task.dir }),
  checkMarker: '"event": "torrent_checked"',
  metadata: (task) => libtorrentProgram(task, { magnet: magnetWithTracker(task), dir: task.dir }),
  metadataMarker: '"event": "metadata_received"',
};

function aria2Program(task: Task, args: readonly string[]): Program {
  return {
    name: 'aria2',
    argv: [
      'aria2c',
      '--no-conf',
      '--no-netrc',
      `--listen-port=${task.at.port}`,
      `--interface=${task.at.host}`,
      '--disable-ipv6=true',
      '--enable-dht=false',
      '--enable-dht6=false',
      '--bt-enable-lpd=false',
      '--file-allocation=none',
      '--allow-overwrite=true',
      '--auto-save-interval=0',
      '--bt-max-peers=0',
      '--summary-interval=0',
      '--console-log-level=warn',
      '--show-console-readout=false',
      `--dir=${task.dir}`,
      ...args,
    ],
    env: { BENCH_DONE: task.donePath },
  };
}

const aria2: Racer = {
  name: 'aria2',
  doneMarker: undefined,
  seed: (task) =>
    aria2Program(task, ['--bt-seed-unverified=true', '--seed-ratio=0', torrentWithTracker(task)]),
  leech: (task, staysOn) =>
    aria2Program(task, [
      staysOn ? '--seed-ratio=0' : '--seed-time=0',
      `--on-bt-download-complete=${doneScript(task)}`,
      torrentWithSources(task),
    ]),
  check: (task) =>
    aria2Program(task, ['--check-integrity=true', '--hash-check-only=true', torrentWithTracker(task)]),
  checkMarker: undefined,
  metadata: (task) =>
    aria2Program(task, ['--bt-metadata-only=true', '--bt-save-metadata=true', magnetWithTracker(task)]),
  metadataMarker: undefined,
};

function transmissionProgram(task: Task, torrentFile: string | undefined): Program {
  const watchDir = join(task.stateDir, 'watch');
  mkdirSync(watchDir, { recursive: true });
  if (torrentFile !== undefined) writeFileSync(join(watchDir, 'bench.torrent'), readFileSync(torrentFile));
  const settings = {
    'bind-address-ipv4': task.at.host,
    'cache-size-mb': 64,
    'dht-enabled': false,
    'download-dir': task.dir,
    'download-queue-enabled': false,
    encryption: 0,
    'lpd-enabled': false,
    'message-level': 1,
    'peer-port': task.at.port,
    'port-forwarding-enabled': false,
    preallocation: 0,
    'rpc-authentication-required': false,
    'rpc-bind-address': '127.0.0.1',
    'rpc-port': task.rpcPort,
    'rpc-whitelist-enabled': false,
    'script-torrent-done-enabled': true,
    'script-torrent-done-filename': doneScript(task),
    'seed-queue-enabled': false,
    'upload-slots-per-torrent': 14,
    'utp-enabled': false,
    'watch-dir': watchDir,
    'watch-dir-enabled': torrentFile !== undefined,
  };
  writeFileSync(join(task.stateDir, 'settings.json'), JSON.stringify(settings));
  return {
    name: 'transmission',
    argv: ['transmission-daemon', '-f', '-g', task.stateDir],
    env: { BENCH_DONE: task.donePath },
  };
}

const transmission: Racer = {
  name: 'transmission',
  doneMarker: undefined,
  seed: (task) => transmissionProgram(task, torrentWithTracker(task)),
  leech: (task) => transmissionProgram(task, torrentWithTracker(task)),
  check: (task) => transmissionProgram(task, undefined),
  checkMarker: undefined,
  metadata: () => undefined,
  metadataMarker: undefined,
};

function ttProgram(task: Task, args: readonly string[]): Program {
  const network = [
    '--port',
    String(task.at.port),
    '--interface',
    task.at.host,
    '--encryption',
    'off',
    '--no-lsd',
    '--no-dht',
    '--no-port-map',
    task.utpOnly === true ? '--no-tcp' : '--no-utp',
  ];
  const state = ['--state-dir', join(task.stateDir, 'tt-state')];
  const command = args[0] as string;
  return {
    name: 'tt',
    argv: [
      process.execPath,
      TT,
      ...args,
      ...(command === 'verify' ? [] : network),
      ...(command === 'download' || command === 'seed' ? state : []),
    ],
    env: { TT_HOME: task.homeDir },
  };
}

/** @param flags how it shows itself: `--events`, `-q`, or nothing for whatever fits its terminal */
export function ttDownload(task: Task, flags: readonly string[]): Program {
  // A torrent may not name a server of this machine: its user may.
  const webSeed = task.webSeedUrl === undefined ? [] : ['--web-seed', task.webSeedUrl];
  return ttProgram(task, ['download', torrentWithTracker(task), '--out', task.dir, ...webSeed, ...flags]);
}

const tt: Racer = {
  name: 'tt',
  doneMarker: '"event":"completed"',
  seed: (task) =>
    ttProgram(task, [
      'seed',
      join(task.dir, task.payload.name),
      '--torrent',
      torrentWithTracker(task),
      '--events',
    ]),
  leech: (task, staysOn) => ttDownload(task, ['--events', ...(staysOn ? ['--seed'] : [])]),
  check: (task) => ttProgram(task, ['verify', task.payload.torrentFile, task.dir]),
  checkMarker: undefined,
  metadata: (task) =>
    ttProgram(task, ['metadata', magnetWithTracker(task), '-o', join(task.stateDir, 'fetched.torrent')]),
  metadataMarker: undefined,
};

export const RACERS: Readonly<Record<ProgramName, Racer>> = { libtorrent, aria2, transmission, tt };
