// Every exit code, one by one, from the real program, with the slug that JSON gives for it.
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import net from 'node:net';
import { beforeAll, describe, expect, it } from 'vitest';
import { start } from '../support/process.ts';
import { json, LOCAL, launcher, makePlace, payload, TIMEOUT_MS } from './support.ts';

const place = makePlace();
const { tt } = place;
const HASH = 'aa'.repeat(20);

beforeAll(async () => {
  mkdirSync(`${place.path}/data`);
  writeFileSync(`${place.path}/data/a.bin`, payload(100_000));
  writeFileSync(`${place.path}/garbage.torrent`, 'd4:infoi1ee');
  expect((await tt('create', 'data', '-q')).code).toBe(0);
  expect((await tt('create', 'data', '-q', '--private', '-o', 'private.torrent')).code).toBe(0);
}, TIMEOUT_MS);

describe('each code with its slug', () => {
  it('0 done', async () => {
    const result = await tt('verify', 'data.torrent', '--json');
    expect(result.code).toBe(0);
    expect(json(result)).toMatchObject({
      schema: 'tt/1',
      command: 'verify',
      ok: true,
      reason: 'done',
      exitCode: 0,
    });
  });

  it('1 unexpected: a bug, told as one, in the form that was asked for', async () => {
    // There is no bug to call up: one is put in from outside, and goes off when it is told to.
    const bug = "process.on('SIGUSR2',()=>{throw new TypeError('put%20in')})";
    const args = ['seed', 'data', '--events', '--state-dir', 'state-bug', ...LOCAL];
    const child = start(process.execPath, [`--import=data:text/javascript,${bug}`, launcher, ...args], {
      cwd: place.path,
      env: place.env,
    });
    await child.waitForLine(/"event":"seeding"/, TIMEOUT_MS);
    child.signal('SIGUSR2');
    const result = await child.waitForExit(TIMEOUT_MS);
    expect(result.code).toBe(1);
    expect(JSON.parse(result.stdout.split('\n').at(-1) as string)).toMatchObject({
      event: 'result',
      command: 'seed',
      ok: false,
      reason: 'unexpected',
      exitCode: 1,
      error: { message: 'put in' },
    });
    expect(result.stderr).toContain('bug in tt');
    expect(result.stderr).not.toContain('    at ');
  });

  it('2 usage: unknown command, unknown flag, missing argument, bad value, none at all', async () => {
    for (const args of [
      ['downlod'],
      ['info', '--nope', 'x'],
      ['info'],
      ['download', 'data.torrent', '--port', 'x'],
      ['tracker', 'announce', 'http://127.0.0.1:1/announce'],
      ['dht', 'crawl', '--rate', '1e3'],
      ['demo', '--seeds', '21'],
      [],
    ]) {
      const result = await tt(...args);
      expect(result.code).toBe(2);
      expect(result.stdout).toBe('');
      expect(result.stderr).not.toBe('');
    }
    expect(json(await tt('info', '--json'))).toMatchObject({
      ok: false,
      reason: 'usage',
      exitCode: 2,
      command: 'info',
    });
    // The whole name, and not the name of another command that is an argument here.
    expect(json(await tt('dht', 'lookup', '--json', '--nope'))).toMatchObject({ command: 'dht lookup' });
    expect(json(await tt('info', '--json', 'download', '--nope'))).toMatchObject({ command: 'info' });
  });

  it('2 usage: help for what is not there; help for what is, at any depth', async () => {
    expect((await tt('help', 'nosuch')).code).toBe(2);
    expect((await tt('help', 'tracker', 'serve')).stdout).toContain('Usage: tt tracker serve');
    expect((await tt('help', 'download')).stdout).toContain('Examples:');
  });

  it('2 usage: what this version cannot do is said, not ignored', async () => {
    for (const other of [['--no-utp'], ['--proxy', 'socks5://127.0.0.1:1']]) {
      const withoutTcp = await tt('download', 'data.torrent', '--no-tcp', ...other);
      expect(withoutTcp.code).toBe(2);
      expect(withoutTcp.stderr).toContain('--no-tcp');
    }
    for (const version of ['--v2', '--hybrid']) {
      const result = await tt('create', 'data', version, '-o', 'x.torrent');
      expect(result.code).toBe(2);
    }
  });

  it('3 timeout: no metadata, no peers', async () => {
    const info = await tt('info', HASH, '--timeout', '500ms', '--json', ...LOCAL);
    expect(info.code).toBe(3);
    expect(json(info)).toMatchObject({ ok: false, reason: 'timeout', exitCode: 3 });
    const download = await tt(
      'download',
      'data.torrent',
      '-o',
      'empty',
      '--timeout',
      '500ms',
      '--json',
      ...LOCAL,
    );
    expect(download.code).toBe(3);
    expect(json(download)).toMatchObject({
      reason: 'timeout',
      torrents: [{ reason: 'timeout', exitCode: 3 }],
    });
  });

  it('3 timeout: a torrent sends nobody to web servers of this machine, and that is said', async () => {
    expect((await tt('create', 'data', '-q', '-w', 'http://127.0.0.1:9/', '-o', 'web.torrent')).code).toBe(0);
    const result = await tt('download', 'web.torrent', '-o', 'web', '--timeout', '300ms', ...LOCAL);
    expect(result.code).toBe(3);
    expect(result.stderr).toContain('127.0.0.1 is on this machine or network');
  });

  it('3 timeout: a site is waited for no longer than --timeout says', async () => {
    const silent = createServer(() => {}).listen(0, '127.0.0.1');
    await new Promise((resolve) => silent.once('listening', resolve));
    const url = `http://127.0.0.1:${(silent.address() as net.AddressInfo).port}/x`;
    try {
      const result = await tt('download', url, '-o', 'never', '--timeout', '400ms', '--json', ...LOCAL);
      expect(result.code).toBe(3);
      expect(json(result)).toMatchObject({ reason: 'timeout', torrents: [{ source: url, exitCode: 3 }] });
      expect(result.stderr).toContain('did not answer in full within 0.4 s');
    } finally {
      silent.close();
      silent.closeAllConnections();
    }
  });

  it('4 unfinished: nobody reads the events any more', async () => {
    const child = start(
      process.execPath,
      [launcher, 'download', 'data.torrent', '-o', 'gone', '--events', ...LOCAL],
      {
        cwd: place.path,
        env: place.env,
      },
    );
    await child.waitForLine(/"event":"added"/, TIMEOUT_MS);
    child.child.stdout?.destroy();
    child.child.stderr?.destroy();
    expect((await child.exited).code).toBe(4);
  });

  it('5 verification failed', async () => {
    mkdirSync(`${place.path}/bad/data`, { recursive: true });
    const damaged = payload(100_000);
    damaged[20_000] = (damaged[20_000] as number) ^ 1;
    writeFileSync(`${place.path}/bad/data/a.bin`, damaged);
    const result = await tt('verify', 'data.torrent', 'bad', '--json');
    expect(result.code).toBe(5);
    expect(json(result)).toMatchObject({
      reason: 'verification-failed',
      badPieces: [1],
      goodPieces: 6,
      badFiles: [{ index: 1, path: 'data/a.bin', state: 'bad', badPieces: 1 }],
    });
    const text = await tt('verify', 'data.torrent', 'bad');
    expect(text.stdout).toContain('bad pieces: 1');
    expect(text.stdout).toContain('data/a.bin');
  });

  it('6 network: the port is taken', async () => {
    const server = net.createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as net.AddressInfo;
    const flags = ['--no-lsd', '--interface', '127.0.0.1', '--port', String(port)];
    const result = await tt('download', 'data.torrent', '-o', 'x', '--json', ...flags);
    server.close();
    expect(result.code).toBe(6);
    expect(json(result)).toMatchObject({ reason: 'network', error: { code: 'EADDRINUSE' } });
    expect(result.stderr).toContain(`port ${port}: the port is taken (EADDRINUSE)`);
    expect(result.stderr).toContain('--port 0');
  });

  it('7 bad torrent or magnet', async () => {
    for (const source of ['garbage.torrent', 'magnet:?xt=urn:btih:zz', 'magnet:?dn=x']) {
      const result = await tt('info', source, '--json');
      expect(result.code).toBe(7);
      expect(json(result)).toMatchObject({ reason: 'bad-torrent', exitCode: 7 });
    }
  });

  it('7 also for a magnet cut short by the shell, with what to do', async () => {
    const result = await tt('info', 'magnet:?dn=name');
    expect(result.code).toBe(7);
    expect(result.stderr).toMatch(/quot/i);
  });

  it('8 disk: no such file, no permission, file exists', async () => {
    expect((await tt('info', 'missing.torrent')).code).toBe(8);
    expect(json(await tt('create', 'missing', '--json'))).toMatchObject({ reason: 'disk', exitCode: 8 });
    const exists = await tt('create', 'data', '--json');
    expect(exists.code).toBe(8);
    expect(json(exists)).toMatchObject({ error: { code: 'EEXIST' } });
    expect(exists.stderr).toContain('--force');
    // Said before anything is hashed.
    const events = await tt('create', 'data', '--events');
    expect(events.stdout.trimEnd().split('\n')).toHaveLength(1);
  });

  it('8 disk: one file where the torrent has a folder of them', async () => {
    const result = await tt('verify', 'data.torrent', 'data/a.bin');
    expect(result.code).toBe(8);
    expect(result.stderr).toContain('data/a.bin is one file');
  });

  it('8 disk: no state folder, with the flag that names another', async () => {
    const nowhere = ['--state-dir', '/dev/null/tt'];
    const result = await tt('download', 'data.torrent', '-o', 'x', '--json', ...nowhere, ...LOCAL);
    expect(result.code).toBe(8);
    expect(json(result)).toMatchObject({
      reason: 'disk',
      error: { code: 'ENOTDIR', hint: expect.stringContaining('--state-dir') },
    });
  });

  it.skipIf(process.getuid?.() === 0)('8 disk: a folder that may not be written', async () => {
    mkdirSync(`${place.path}/locked`);
    chmodSync(`${place.path}/locked`, 0o500);
    expect((await tt('create', 'data', '-o', 'locked/x.torrent')).code).toBe(8);
  });

  it('8 disk: the target is a file', async () => {
    const result = await tt('download', 'data.torrent', '-o', 'garbage.torrent', ...LOCAL);
    expect(result.code).toBe(8);
    expect(result.stderr).toContain('not a folder');
  });

  it('9 refused: what would go past the proxy', async () => {
    const result = await tt(
      'download',
      'http://127.0.0.1:1/a.torrent',
      '--proxy',
      'socks5://127.0.0.1:1',
      '--json',
    );
    expect(result.code).toBe(9);
    expect(json(result)).toMatchObject({ reason: 'refused' });
  });

  it('9 refused: another tracker for a private torrent', async () => {
    const result = await tt(
      'download',
      'private.torrent',
      '--tracker',
      'http://127.0.0.1:1/',
      '--json',
      ...LOCAL,
    );
    expect(result.code).toBe(9);
    expect(json(result)).toMatchObject({ reason: 'refused', torrents: [{ reason: 'refused' }] });
    expect(result.stderr).toContain('private');
  });

  it.each([
    ['SIGINT', 130, 'interrupted'],
    ['SIGTERM', 143, 'terminated'],
    ['SIGHUP', 129, 'hangup'],
  ] as const)('%s: %d', async (signal, code, reason) => {
    const child = place.start('seed', 'data', '--events', '--state-dir', `state-${code}`, ...LOCAL);
    await child.waitForLine(/"event":"seeding"/, TIMEOUT_MS);
    child.signal(signal);
    const result = await child.waitForExit(TIMEOUT_MS);
    expect(result.code).toBe(code);
    expect(JSON.parse(result.stdout.split('\n').at(-1) as string)).toMatchObject({
      event: 'result',
      reason,
      exitCode: code,
    });
  });
});

describe('several inputs', () => {
  it('the highest code wins, with details of each', async () => {
    const result = await tt(
      'download',
      'garbage.torrent',
      'missing.torrent',
      'data.torrent',
      '-o',
      '.',
      '--json',
      ...LOCAL,
    );
    expect(result.code).toBe(8);
    const { torrents } = json(result) as unknown as {
      torrents: { reason: string; source: string; error?: unknown }[];
    };
    expect(torrents.map((item) => item.reason)).toEqual(['bad-torrent', 'disk', 'done']);
    expect(torrents[0]?.error).toBeDefined();
    expect(result.stderr).toContain('garbage.torrent');
    expect(result.stderr).toContain('missing.torrent');
  });
});
