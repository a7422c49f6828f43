// A session behind gateways that map ports: others are told the port that works, and it is given back at the end.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { makeTempDir } from '../support/temp.ts';
import { waitFor } from '../support/wait.ts';
import { NatLab } from './lab/lab.ts';
import { runTt, spawnTt } from './support/tt.ts';

const PORT = 7001;
const TRACKER_PORT = 6969;
const WAIT_MS = 30_000;
const SIZE = 300_000;

describe('a session behind a gateway', () => {
  it('announces the granted port, is reached there, and gives it back', async () => {
    await using lab = await NatLab.make({
      sites: [{ kind: 'symmetric', hosts: 2, igd: true }],
      publics: 2,
    });
    using dir = makeTempDir('tt-nat-session-');
    const data = join(dir.path, 'data.bin');
    writeFileSync(
      data,
      Uint8Array.from({ length: SIZE }, (_, i) => (i * 31) & 0xff),
    );
    const tracker = lab.public(0);
    const url = `http://${tracker.address}:${TRACKER_PORT}/announce`;
    const serving = spawnTt(tracker, ['tracker', 'serve', '--port', `${TRACKER_PORT}`]);
    await serving.waitForLine(/announce/, WAIT_MS);
    const torrent = join(dir.path, 'data.torrent');
    const created = await runTt(tracker, ['create', data, '-t', url, '-o', torrent]);
    expect(created.code, created.stderr).toBe(0);
    // Two hosts of one gateway want the same port; one gets another.
    const args = [
      'seed',
      data,
      '--torrent',
      torrent,
      '--port',
      `${PORT}`,
      '--no-dht',
      '--no-lsd',
      '--no-pex',
      '--no-utp',
    ];
    const first = spawnTt(lab.host(0), args);
    await waitFor(async () => (await lab.site(0).igd.mappings()).length === 2, {
      what: () => `the first seed's mappings\n${first.tail()}`,
      timeoutMs: WAIT_MS,
    });
    const second = spawnTt(lab.host(0, 1), args);
    await waitFor(async () => (await lab.site(0).igd.mappings()).length === 4, {
      what: () => `the second seed's mappings\n${second.tail()}`,
      timeoutMs: WAIT_MS,
    });
    await first.stop('SIGTERM');
    // It does not wait long for the gateway's word.
    await waitFor(async () => (await lab.site(0).igd.mappings()).length === 2, {
      what: () => `the first seed's mappings to be gone\n${first.tail()}`,
      timeoutMs: WAIT_MS,
    });
    // Only the second seed is left, at the port that the gateway chose.
    const out = join(dir.path, 'out');
    const leech = await runTt(lab.public(1), [
      ...['download', torrent, '-o', out, '--no-dht', '--no-lsd', '--no-utp', '--timeout', '45s', '--json'],
    ]);
    expect(leech.code, `${leech.stdout}\n${leech.stderr}\n${second.tail()}`).toBe(0);
    await second.stop('SIGTERM');
    await waitFor(async () => (await lab.site(0).igd.mappings()).length === 0, {
      what: () => `the second seed's mappings to be gone\n${second.tail()}`,
      timeoutMs: WAIT_MS,
    });
    expect(Object.values(await lab.leaks())).toEqual([0, 0, 0, 0]);
  });

  it('asks nobody with --no-port-map', async () => {
    await using lab = await NatLab.make({ sites: [{ kind: 'port-restricted', igd: true }], publics: 1 });
    const status = await runTt(lab.host(0), [
      'nat',
      'status',
      '-4',
      '--no-dht',
      '--no-port-map',
      '--port',
      `${PORT}`,
    ]);
    expect(status.stdout).toContain('port-map is off');
    expect(
      (await lab.site(0).connections()).some((line) => /src=192\.168\.1\.10 dst=192\.168\.1\.1 /.test(line)),
    ).toBe(false);
  });

  it('says clearly that there is no way out', async () => {
    await using lab = await NatLab.make({ sites: [{ kind: 'port-restricted' }], publics: 1 });
    await lab.host(0).shell('ip route del default');
    const status = await runTt(lab.host(0), ['nat', 'status', '-4', '--port', `${PORT}`]);
    expect(status.stderr).toContain('no default route');
    expect(status.code).toBe(6);
  });
});
