// stdout carries results and nothing else; nothing foreign reaches a terminal raw; a closed pipe is no error.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { run } from '../support/process.ts';
import { json, LOCAL, launcher, makePlace, payload, TIMEOUT_MS, writeTorrent } from './support.ts';

const place = makePlace();
const { tt } = place;
// biome-ignore lint/suspicious/noControlCharactersInRegex: what must not be there
const CONTROL = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/;

beforeAll(async () => {
  mkdirSync(`${place.path}/data`);
  writeFileSync(`${place.path}/data/a.bin`, payload(50_000));
  writeTorrent(`${place.path}/evil.torrent`, 'bad\u001b]0;owned\u0007\u009b2J\u202ename');
  expect((await tt('create', 'data')).code).toBe(0);
}, TIMEOUT_MS);

describe('results', () => {
  it.skipIf(!existsSync('/dev/full'))('that a full disk does not take: 8, and the reason', async () => {
    for (const args of [
      ['info', 'data.torrent'],
      ['info', 'data.torrent', '--json'],
      ['create', 'data', '-o', '-'],
      ['--help'],
    ]) {
      const command = `exec "$0" "$@" >/dev/full`;
      const result = await run('/bin/sh', ['-c', command, process.execPath, launcher, ...args], {
        cwd: place.path,
        env: place.env,
      });
      expect([args, result.code]).toEqual([args, 8]);
      expect(result.stderr).toContain('cannot write the result to standard output: no space left');
    }
  });

  it('hold nothing at the top that the manual does not name', async () => {
    const manual = readFileSync(new URL('../../docs/json.md', import.meta.url), 'utf8');
    for (const args of [
      ['info', 'data.torrent'],
      ['create', 'data', '-f'],
      ['verify', 'data.torrent'],
      ['verify', 'data.torrent', 'missing'],
      ['list'],
      ['config'],
      ['completion', 'bash'],
      ['doctor', '--offline'],
      ['demo', '--size', '1K'],
      ['lab', 'nat', '--swarms', '1', '--nat-share', '0.5'],
    ]) {
      const unknown = Object.keys(json(await tt(...args, '--json'))).filter(
        (key) => !manual.includes(`\`${key}\``) && key !== 'schema',
      );
      expect([args, unknown]).toEqual([args, []]);
    }
  });

  it('go to stdout, progress and errors do not', async () => {
    const info = await tt('info', 'data.torrent');
    expect(info.stdout).toContain('info hash');
    expect(info.stderr).toBe('');
    const missing = await tt('info', 'missing.torrent');
    expect(missing.stdout).toBe('');
    expect(missing.stderr.split('\n').length).toBeLessThanOrEqual(2);
    expect(missing.stderr).toContain('missing.torrent');
  });

  it('what a new torrent leaves out is named, up to three of them', async () => {
    mkdirSync(`${place.path}/gaps`);
    for (const name of ['a', '.b', '.c', '.d', '.e']) writeFileSync(`${place.path}/gaps/${name}`, name);
    expect((await tt('create', 'gaps')).stderr).toContain(
      '4 entries are left out: .b (hidden), .c (hidden), .d (hidden), and 1 more',
    );
  });

  it('a log file that cannot be opened is named, one that fills its disk is a warning', async () => {
    const nowhere = await tt('info', 'data.torrent', '--log-file', 'no/such/log');
    expect(nowhere.code).toBe(8);
    expect(nowhere.stderr).toContain(`cannot write to ${place.path}/no/such/log: there is no such folder`);
    expect(nowhere.stderr).not.toContain('ENOENT');
    if (!existsSync('/dev/full')) return;
    const full = await tt('info', 'data.torrent', '--log-file', '/dev/full');
    expect(full.code).toBe(0);
    expect(full.stderr).toMatch(/warning: --log-file: .*ENOSPC.*the log file ends there/);
  });

  it.each([
    ['--jsonl', 'no/rows', 'cannot write to .*/no/rows: there is no such folder'],
    ['--opt-out', 'no-list', 'cannot read the opt-out file no-list: there is no such file'],
  ])('%s %s', async (flag, file, message) => {
    const nobody = ['--interface', '127.0.0.1', '--bootstrap', '127.0.0.1:9'];
    const result = await tt('dht', 'crawl', '--zone', 'a/4', '--out', `run${flag}`, flag, file, ...nobody);
    expect(result.code).toBe(8);
    expect(result.stderr).toMatch(new RegExp(message));
  });

  it('stack traces come with -vv only', async () => {
    expect((await tt('info', 'missing.torrent')).stderr).not.toContain('    at ');
    expect((await tt('info', 'missing.torrent', '-vv')).stderr).toContain('    at ');
  });

  it('-q leaves the result and the errors', async () => {
    const result = await tt('info', 'data.torrent', '-q');
    expect(result.stdout).toContain('info hash');
    expect((await tt('info', 'missing.torrent', '-q')).stderr).toContain('missing.torrent');
  });

  it('a torrent can go to stdout byte for byte', async () => {
    const child = spawn(process.execPath, [launcher, 'create', 'data', '--no-date', '-o', '-'], {
      cwd: place.path,
      env: { ...process.env, ...place.env },
    });
    const parts: Uint8Array[] = [];
    child.stdout.on('data', (part: Uint8Array) => parts.push(part));
    await new Promise((resolve) => child.on('close', resolve));
    expect((await tt('create', 'data', '--no-date', '-o', 'same.torrent')).code).toBe(0);
    expect(Buffer.concat(parts).equals(readFileSync(`${place.path}/same.torrent`))).toBe(true);
    expect((await tt('create', 'data', '-o', '-', '--json')).code).toBe(2);
  });
});

describe('JSON', () => {
  it('of info has the documented shape', async () => {
    expect(json(await tt('info', 'data.torrent', '--json'))).toEqual({
      schema: 'tt/1',
      command: 'info',
      ok: true,
      reason: 'done',
      exitCode: 0,
      infoHash: expect.stringMatching(/^[0-9a-f]{40}$/),
      version: 'v1',
      name: 'data',
      totalBytes: 50_000,
      pieceLength: 16384,
      pieceCount: 4,
      private: false,
      createdBy: expect.stringMatching(/^tt\//),
      createdAtMs: expect.any(Number),
      trackers: [],
      webSeeds: [],
      httpSeeds: [],
      nodes: [],
      magnet: expect.stringMatching(/^magnet:\?xt=urn:btih:/),
      fileCount: 1,
      files: [{ index: 1, path: 'data/a.bin', bytes: 50_000 }],
    });
  });

  it('is there for errors too, also when the line itself is wrong', async () => {
    const result = await tt('frobnicate', '--json');
    expect(json(result)).toMatchObject({
      ok: false,
      reason: 'usage',
      error: { message: expect.any(String) },
    });
  });

  it('reads torrents from stdin', async () => {
    const child = spawn(process.execPath, [launcher, 'info', '-', '--json'], {
      cwd: place.path,
      env: { ...process.env, ...place.env },
    });
    let stdout = '';
    child.stdout.on('data', (part) => {
      stdout += String(part);
    });
    child.stdin.end(readFileSync(`${place.path}/data.torrent`));
    await new Promise((resolve) => child.on('close', resolve));
    expect(JSON.parse(stdout)).toMatchObject({ name: 'data' });
  });
});

describe('foreign text', () => {
  it('is shown, never obeyed', async () => {
    for (const args of [
      ['info'],
      ['info', '--json'],
      ['verify'],
      ['download', '--timeout', '100ms', ...LOCAL],
    ]) {
      const result = await tt(args[0] as string, 'evil.torrent', ...args.slice(1));
      expect(`${result.stdout}${result.stderr}`).not.toMatch(CONTROL);
      expect(`${result.stdout}${result.stderr}`).not.toContain('\u202e');
    }
    expect((await tt('info', 'evil.torrent')).stdout).toContain('a \\x1b[31mred');
  });

  it('also from arguments and file names', async () => {
    const result = await tt('info', 'no\u001b[2Jsuch.torrent');
    expect(result.stderr).not.toMatch(CONTROL);
  });
});

describe('colour', () => {
  it('is for terminals, or where it is asked for', async () => {
    const plain = await tt('info', 'missing.torrent');
    expect(plain.stderr).not.toContain('\u001b');
    const always = await tt('info', 'missing.torrent', '--color', 'always');
    expect(always.stderr).toContain('\u001b[31m');
    const forced = await run(process.execPath, [launcher, 'info', 'missing.torrent'], {
      cwd: place.path,
      env: { ...place.env, FORCE_COLOR: '1' },
    });
    expect(forced.stderr).toContain('\u001b[31m');
  });
});

describe('colour, by rank: the flag, NO_COLOR, FORCE_COLOR, the stream', () => {
  it.each([
    ['a pipe', {}, [], false],
    ['FORCE_COLOR', { FORCE_COLOR: '1' }, [], true],
    ['FORCE_COLOR=0', { FORCE_COLOR: '0' }, [], false],
    ['FORCE_COLOR on a dumb terminal', { FORCE_COLOR: '1', TERM: 'dumb' }, [], true],
    ['NO_COLOR over FORCE_COLOR', { NO_COLOR: '1', FORCE_COLOR: '1' }, [], false],
    ['an empty NO_COLOR is none', { NO_COLOR: '', FORCE_COLOR: '1' }, [], true],
    ['--color never over FORCE_COLOR', { FORCE_COLOR: '1' }, ['--color', 'never'], false],
    ['--color always over NO_COLOR', { NO_COLOR: '1' }, ['--color', 'always'], true],
    ['TT_COLOR', { TT_COLOR: 'always' }, [], true],
  ] as const)('%s', async (_name, env, flags, hasColor) => {
    const result = await run(process.execPath, [launcher, 'info', 'missing.torrent', ...flags], {
      cwd: place.path,
      env: { ...place.env, ...env },
    });
    expect(result.code).toBe(8);
    expect(result.stderr.includes('\u001b[31m')).toBe(hasColor);
  });
});

describe('a closed pipe', () => {
  it('is silent and changes no exit code', async () => {
    const result = await run(
      'bash',
      ['-c', `"${process.execPath}" "${launcher}" info data.torrent | true; echo "code \${PIPESTATUS[0]}"`],
      { cwd: place.path, env: place.env },
    );
    expect(result.stdout).toBe('code 0');
    expect(result.stderr).toBe('');
  });
});

describe('logs', () => {
  it('go to a file with times', async () => {
    await tt(
      'download',
      'data.torrent',
      '-o',
      'none',
      '--timeout',
      '100ms',
      '--log-file',
      'tt.log',
      ...LOCAL,
    );
    const log = readFileSync(`${place.path}/tt.log`, 'utf8');
    for (const line of log.trimEnd().split('\n'))
      expect(line).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z (error|warn|info|debug) /);
  });
  it('a file that cannot be written is error 8', async () => {
    expect((await tt('list', '--log-file', 'no/such/folder/log')).code).toBe(8);
  });
});
