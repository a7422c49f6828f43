// Programs that know nothing of tt_relay, as downloaders on a host of a lab: they have a .torrent and its tracker, no more.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { missingReason, type PeerName, PYTHON } from '../../interop/support/requirements.ts';
import type { RunningProcess } from '../../support/process.ts';
import type { LabHost } from '../lab/host.ts';

export interface Leecher {
  readonly name: PeerName;
  /** Starts it in an empty directory; what it downloads comes to lie in `directory`. */
  start(host: LabHost, torrentFile: string, directory: string): RunningProcess;
}

const SCRIPT = fileURLToPath(new URL('../../interop/support/libtorrent_peer.py', import.meta.url));
const PORT = 51_413;

export const LEECHERS: readonly Leecher[] = [
  {
    name: 'aria2',
    start: (host, torrentFile, directory) =>
      host.spawn('aria2c', [
        ...[
          '--no-conf',
          '--enable-dht=false',
          '--bt-enable-lpd=false',
          '--seed-time=0',
          '--summary-interval=0',
        ],
        ...[`--listen-port=${PORT}`, `--dir=${directory}`, torrentFile],
      ]),
  },
  {
    name: 'libtorrent',
    start: (host, torrentFile, directory) => {
      const requests = [{ op: 'add', torrent: torrentFile, dir: directory, peers: [] }];
      const settings = { enable_outgoing_utp: true, enable_incoming_utp: true };
      const argument = JSON.stringify({
        host: '0.0.0.0',
        port: PORT,
        encryption: 'preferred',
        settings,
        requests,
      });
      return host.spawn(PYTHON, [SCRIPT, argument], { stdin: 'pipe' });
    },
  },
  {
    name: 'transmission',
    start: (host, torrentFile, directory) => {
      const config = join(directory, 'config');
      mkdirSync(config, { recursive: true });
      const settings = {
        'dht-enabled': false,
        'download-dir': directory,
        'lpd-enabled': false,
        'peer-port': PORT,
        'port-forwarding-enabled': false,
        'rpc-enabled': true,
        'rpc-bind-address': '127.0.0.1',
        'rpc-whitelist-enabled': false,
        // Debian's 3.00 sends one uTP SYN and never turns to TCP, even towards a public seed.
        'utp-enabled': false,
        'watch-dir': join(directory, 'watch'),
        'watch-dir-enabled': true,
      };
      mkdirSync(settings['watch-dir']);
      writeFileSync(join(config, 'settings.json'), JSON.stringify(settings));
      const watched = join(settings['watch-dir'], 'it.torrent');
      return host.spawn('sh', [
        '-c',
        'cp "$1" "$2" && exec transmission-daemon -f -g "$3"',
        'sh',
        torrentFile,
        watched,
        config,
      ]);
    },
  },
  {
    name: 'rtorrent',
    start: (host, torrentFile, directory) =>
      host.spawn(
        'rtorrent',
        [
          ...['-n', '-d', directory, '-p', `${PORT}-${PORT}`],
          ...['-o', 'system.daemon.set=true', '-o', 'dht.mode.set=disable', torrentFile],
        ],
        { env: { HOME: directory, TERM: 'xterm' } },
      ),
  },
];

export function missing({ name }: Leecher): string | undefined {
  return missingReason(name);
}
