// The tracker commands against a tracker of our own, the demo, the settings, the completions.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { beforeAll, describe, expect, it } from 'vitest';
import { run } from '../support/process.ts';
import { json, LOCAL, launcher, makePlace, payload, TIMEOUT_MS } from './support.ts';

const place = makePlace();
const { tt } = place;

beforeAll(async () => {
  mkdirSync(`${place.path}/data`);
  writeFileSync(`${place.path}/data/a.bin`, payload(50_000));
  expect((await tt('create', 'data', '-q')).code).toBe(0);
}, TIMEOUT_MS);

describe('tracker', () => {
  it('serves a swarm: seed, download, announce and scrape over HTTP and UDP', async () => {
    const server = place.start('tracker', 'serve', '-p', '0', '--host', '127.0.0.1', '--events');
    const { urls } = JSON.parse(await server.waitForLine(/"event":"listening"/, TIMEOUT_MS)) as {
      urls: string[];
    };
    expect(urls).toHaveLength(2);
    const [http = '', udp = ''] = urls;
    const seed = place.start(
      'seed',
      'data',
      '--tracker',
      http,
      '--torrent-out',
      't.torrent',
      '--events',
      ...LOCAL,
    );
    const line = await seed.waitForLine(/"event":"seeding"/, TIMEOUT_MS);
    const { magnet } = JSON.parse(line) as { magnet: string };
    expect(magnet).toContain(`tr=${encodeURIComponent(http)}`);
    expect(magnet).not.toContain('x.pe');
    await server.waitForLine(/"event":"announce".*"left":0/, TIMEOUT_MS);

    for (const url of [http, udp]) {
      const announced = json(await tt('tracker', 'announce', url, 't.torrent', '--json'));
      expect(announced).toMatchObject({
        ok: true,
        answers: [{ ok: true, families: [{ seeds: 1 }] }],
      });
      const scraped = json(await tt('tracker', 'scrape', url, 't.torrent', magnet, '--json'));
      expect(scraped).toMatchObject({
        answers: [{ families: [{ torrents: [{ known: true, seeds: 1 }, { seeds: 1 }] }] }],
      });
    }
    // The torrent names its tracker; the order of the words does not matter.
    expect((await tt('tracker', 'announce', 't.torrent')).stdout).toContain('1 seed');
    expect((await tt('tracker', 'scrape', 't.torrent', udp)).stdout).toMatch(/SEEDS.*\n +1 /);

    const download = await tt('download', magnet, '-o', 'got', ...LOCAL);
    expect(download.code).toBe(0);
    await server.waitForLine(/"announceEvent":"stopped"/, TIMEOUT_MS);
    expect((await seed.stop('SIGINT')).code).toBe(130);
    server.signal('SIGINT');
    const ended = await server.waitForExit(TIMEOUT_MS);
    expect(ended.code).toBe(130);
    expect(JSON.parse(ended.stdout.split('\n').at(-1) as string)).toMatchObject({
      event: 'result',
      stats: { torrents: 1 },
    });
  });

  it('says when nobody answers', async () => {
    const result = await tt('tracker', 'announce', 'http://127.0.0.1:1/announce', 'data.torrent', '--json');
    expect(result.code).toBe(6);
    expect(json(result)).toMatchObject({ reason: 'network' });
    expect((await tt('tracker', 'scrape', 'data.torrent')).code).toBe(2);
    expect((await tt('tracker', 'announce', 'udp://127.0.0.1:1')).code).toBe(2);
    expect((await tt('tracker', 'serve', '--host', 'nowhere')).code).toBe(2);
  });
});

describe('demo', () => {
  it('is a whole swarm that checks itself and leaves nothing behind', async () => {
    const before = readdirSync(tmpdir()).filter((name) => name.startsWith('tt-demo-'));
    const result = await tt('demo', '--size', '2M', '--seeds', '2', '--json');
    expect(result.code).toBe(0);
    expect(json(result)).toMatchObject({ command: 'demo', bytes: 2 << 20, seeds: 2, verified: true });
    const after = readdirSync(tmpdir()).filter(
      (name) => name.startsWith('tt-demo-') && !before.includes(name),
    );
    expect(after).toEqual([]);
  });
  it('can be interrupted at once', async () => {
    const child = place.start('demo', '--size', '64M', '--events');
    await child.waitForLine(/"step":"content"/, TIMEOUT_MS);
    child.signal('SIGINT');
    expect((await child.waitForExit(TIMEOUT_MS)).code).toBe(130);
  });
});

describe('config', () => {
  it('shows every setting and its source, without passwords', async () => {
    mkdirSync(`${place.path}/home`, { recursive: true });
    writeFileSync(`${place.path}/home/config.toml`, 'up-limit = "2M"\n');
    const result = await run(process.execPath, [launcher, 'config', '--json', '--color', 'never'], {
      cwd: place.path,
      env: { ...place.env, TT_MAX_PEERS: '50', TT_PROXY: 'socks5://me:secret@127.0.0.1:1080' },
    });
    const { settings } = json(result) as unknown as {
      settings: { name: string; value: unknown; source: string }[];
    };
    const of = (name: string) => settings.find((setting) => setting.name === name);
    expect(of('up-limit')).toMatchObject({ value: 2 ** 21, source: 'file' });
    expect(of('max-peers')).toMatchObject({ value: 50, source: 'environment' });
    expect(of('color')).toMatchObject({ value: 'never', source: 'flag' });
    expect(of('down-limit')).toMatchObject({ value: 0, source: 'default' });
    expect(result.stdout).not.toContain('secret');
    writeFileSync(`${place.path}/home/config.toml`, 'nonsense = 1\n');
    const wrong = await tt('config');
    writeFileSync(`${place.path}/home/config.toml`, '');
    expect(wrong.code).toBe(2);
    expect(wrong.stderr).toContain('nonsense');
  });
});

describe('completion', () => {
  it('for bash completes commands, flags and values', async () => {
    const { stdout } = await tt('completion', 'bash');
    writeFileSync(`${place.path}/tt.bash`, stdout);
    const complete = (...words: string[]): string[] => {
      const list = words.map((word) => `'${word}'`).join(' ');
      const script = `source ./tt.bash; COMP_WORDS=(tt ${list}); COMP_CWORD=${words.length}; _tt; printf '%s\\n' "\${COMPREPLY[@]}"`;
      return execFileSync('bash', ['-c', script], { cwd: place.path, encoding: 'utf8' }).trim().split('\n');
    };
    expect(complete('do')).toEqual(['download', 'doctor']);
    expect(complete('dow')).toEqual(['download']);
    expect(complete('tracker', '')).toEqual(['announce', 'scrape', 'serve']);
    expect(complete('download', '--seq')).toEqual(['--sequential']);
    expect(complete('download', '--encryption', 're')).toEqual(['require']);
    expect(complete('tracker', 'serve', '--int')).toEqual(['--interval']);
    expect(complete('info', 'data.tor')).toEqual(['data.torrent']);
    expect(complete('completion', 'z')).toEqual(['zsh']);
    expect(complete('download', '--no-tc')).toEqual(['--no-tcp']);
  });
  it('for zsh and fish names every command', async () => {
    for (const shell of ['zsh', 'fish']) {
      const { stdout, code } = await tt('completion', shell);
      expect(code).toBe(0);
      for (const name of ['download', 'seed', 'verify', 'announce', 'sequential'])
        expect(stdout).toContain(name);
    }
    expect((await tt('completion', 'tcsh')).code).toBe(2);
  });
});
