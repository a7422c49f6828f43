// `tt explain`, `tt download -v` and `--trace` as the program has them: the same books in every view, each mistake in one line.
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CAUSES } from '../../core/account/causes.ts';
import type { TransferAccount } from '../../core/account/transfer-account.ts';
import type { RunningProcess } from '../support/process.ts';
import { readTrace } from '../support/trace-lines.ts';
import { waitFor } from '../support/wait.ts';
import { json, LOCAL, makePlace, payload, TIMEOUT_MS } from './support.ts';

const place = makePlace();
const { tt } = place;
const SIZE = 900_000;
let seed: RunningProcess;
let magnet: string;
let peer: string;

interface Result {
  readonly torrents: readonly { readonly ratio: number; readonly account: TransferAccount }[];
}

function sumOf(account: TransferAccount): number {
  return Object.values(account.time).reduce((sum, ms) => sum + ms, 0);
}

async function explained(...args: string[]): Promise<TransferAccount> {
  const result = await tt('explain', ...args, '--json');
  expect(result.stderr).toBe('');
  return (json(result) as unknown as { account: TransferAccount }).account;
}

beforeAll(async () => {
  writeFileSync(`${place.path}/data.bin`, payload(SIZE));
  seed = place.start(
    'seed',
    'data.bin',
    '--torrent-out',
    'data.torrent',
    '--events',
    '--trace',
    'up.ndjson',
    ...LOCAL,
  );
  const line = await seed.waitForLine(/"event":"seeding"/, TIMEOUT_MS);
  const record = JSON.parse(line) as { magnet: string; port: number };
  magnet = record.magnet;
  peer = `127.0.0.1:${record.port}`;
}, TIMEOUT_MS);

afterAll(async () => void (await seed.stop('SIGINT')));

describe('explain', () => {
  it('before any download: one line, exit code 2', async () => {
    const result = await tt('explain');
    expect(result.code).toBe(2);
    expect(result.stdout).toBe('');
    expect(result.stderr).toMatch(/^tt: no download was made yet with the state in .*$/);
  });

  it('tells of the last download: the same numbers at its end, as text and as JSON', async () => {
    const args = ['--peer', peer, '--down-limit', '300K', ...LOCAL];
    const told = await tt('download', 'data.torrent', '-o', 'one', '-v', '--no-trackers', ...args);
    expect(told.code).toBe(0);
    expect(told.stdout).toMatch(/^data\.bin: 879 KiB in .*, ratio 0\.00, 0 B wasted, in .*\/one$/m);
    expect(told.stdout).toMatch(/^ {2}own limit .* [\d.]+% {2}█+/m);
    const plain = await tt('explain');
    expect(plain.code).toBe(0);
    // Everything but its own head is what the download said.
    const account = told.stdout.slice(told.stdout.indexOf('Where the time went'));
    const part = (text: string): string => text.slice(0, text.indexOf('What it cost'));
    expect(plain.stdout).toContain(part(account));
    expect(plain.stdout).toMatch(/^complete after [\d.]+s: 879 KiB at .*, ratio 0\.00, 0 B wasted$/m);
    for (const line of plain.stdout.split('\n').filter((each) => !each.startsWith('in ')))
      expect(line.length, line).toBeLessThanOrEqual(80);

    const record = await explained();
    expect(record).toMatchObject({
      name: 'data.bin',
      state: 'complete',
      runs: 1,
      directory: `${place.path}/one`,
    });
    expect(Object.keys(record.time).sort()).toEqual(CAUSES.map(({ id }) => id).sort());
    expect(sumOf(record)).toBe(record.wallMs);
    expect(record.bytes.downloaded).toBe(SIZE);
    const greatest = Object.entries(record.time).sort(([, a], [, b]) => b - a)[0];
    expect(greatest?.[0]).toBe('limit');
    for (const how of [
      'data.torrent',
      'data.bin',
      'DATA',
      record.infoHash,
      record.infoHash.slice(0, 8),
      magnet,
    ]) {
      expect(await explained(how)).toEqual(record);
    }
  });

  it('is in the result of --json and of --events, and adds up there', async () => {
    const args = ['--peer', peer, ...LOCAL];
    const whole = json(
      await tt('download', 'data.torrent', '-o', 'two', '--json', ...args),
    ) as unknown as Result;
    const events = await tt('download', 'data.torrent', '-o', 'three', '--events', ...args);
    const last = JSON.parse(events.stdout.split('\n').at(-1) as string) as Result;
    for (const { torrents } of [whole, last]) {
      const [torrent] = torrents as [Result['torrents'][0]];
      expect(torrent.ratio).toBe(0);
      expect(torrent.account.state).toBe('complete');
      expect(sumOf(torrent.account)).toBe(torrent.account.wallMs);
    }
  });

  it('colours nothing with NO_COLOR or into a pipe, and says so when told to', async () => {
    expect((await tt('explain')).stdout).not.toContain('\u001b');
    expect((await tt('explain', '--color', 'always')).stdout).toContain('\u001b');
  });

  it('says why a download is not finished, also while it runs and after it was killed', async () => {
    const alone = ['--no-trackers', '--state-dir', 'alone', ...LOCAL];
    const given = await tt(
      'download',
      'data.torrent',
      '-o',
      'alone-out',
      '--timeout',
      '500ms',
      '-v',
      ...alone,
    );
    expect(given.code).toBe(3);
    expect(given.stdout).toContain('Not finished: no peers');
    const first = await explained('--state-dir', 'alone');
    expect(first).toMatchObject({ state: 'stopped', lastCause: 'peers', runs: 1, knownPeers: 0 });

    const child = place.start(
      'download',
      'data.torrent',
      '-o',
      'alone-out',
      '--down-limit',
      '50K',
      '--peer',
      peer,
      '--events',
      ...alone,
    );
    await child.waitForLine(/"event":"piece"/, TIMEOUT_MS);
    const running = await tt('explain', '--state-dir', 'alone');
    expect(running.stdout).toContain('running now');
    await child.stop('SIGKILL');
    const killed = await tt('explain', '--state-dir', 'alone');
    expect(killed.stdout).toContain('tt ended without a goodbye');
    expect(killed.stdout).toContain('in 2 runs');
    const second = await explained('--state-dir', 'alone');
    expect(second.wallMs).toBeGreaterThanOrEqual(first.wallMs);

    const done = await tt('download', 'data.torrent', '-o', 'alone-out', '--peer', peer, ...alone);
    expect(done.code).toBe(0);
    const third = await explained('--state-dir', 'alone');
    expect(third).toMatchObject({ state: 'complete', runs: 3, verifiedBytes: SIZE });
    expect(third.time.peers).toBeGreaterThanOrEqual(first.time.peers);
    expect(sumOf(third)).toBe(third.wallMs);
  });

  it('says what error ended it', async () => {
    mkdirSync(`${place.path}/blocked/data.bin`, { recursive: true });
    const args = ['--state-dir', 'blocked-state', '--peer', peer, ...LOCAL];
    const result = await tt('download', 'data.torrent', '-o', 'blocked', '-v', ...args);
    expect(result.code).toBe(8);
    const { stdout } = await tt('explain', '--state-dir', 'blocked-state');
    expect(stdout.replaceAll('\n', ' ')).toMatch(/Not finished: stopped by an error: .*data\.bin.*folder/);
    expect(await explained('--state-dir', 'blocked-state')).toMatchObject({ state: 'error' });
  });

  it('of a magnet that nobody answers', async () => {
    const alone = ['--no-trackers', '--state-dir', 'magnet', ...LOCAL];
    const hash = 'ab'.repeat(20);
    expect((await tt('download', hash, '-o', 'm', '--timeout', '300ms', ...alone)).code).toBe(3);
    const { stdout } = await tt('explain', '--state-dir', 'magnet');
    expect(stdout).toMatch(/^no metadata after /m);
    expect(stdout).toContain('Not finished: no peers');
  });

  it('of what is not on record, or fits several: one line and a hint, exit code 2', async () => {
    for (const what of ['nothing-like-it', 'ff'.repeat(20)]) {
      const result = await tt('explain', what);
      expect(result.code).toBe(2);
      expect(result.stdout).toBe('');
      expect(result.stderr).toMatch(
        new RegExp(`^tt: no download of .*${what}.* is on record\n    Without an argument`),
      );
    }
    writeFileSync(`${place.path}/data.txt`, payload(1000, 3));
    expect((await tt('create', 'data.txt', '-q')).code).toBe(0);
    await tt('download', 'data.txt.torrent', '--timeout', '200ms', '--no-trackers', '-o', 'four', ...LOCAL);
    const both = await tt('explain', 'data');
    expect(both.code).toBe(2);
    expect(both.stderr).toContain('fits 2 downloads');
    expect(json(await tt('explain', 'nothing-like-it', '--json'))).toMatchObject({
      reason: 'usage',
      ok: false,
    });
  });

  it('defines every cause in its help', async () => {
    const { stdout } = await tt('explain', '--help');
    for (const { title } of CAUSES) expect(stdout).toContain(`${title}:`);
  });
});

describe('--trace', () => {
  it('writes what the schema says, from both ends, for its owner only', async () => {
    const result = await tt(
      'download',
      'data.torrent',
      '-o',
      'traced',
      '--trace',
      'down.ndjson',
      '--peer',
      peer,
      ...LOCAL,
    );
    expect(result.code).toBe(0);
    const down = readTrace(readFileSync(`${place.path}/down.ndjson`, 'utf8'));
    expect(down[0]).toMatchObject({ event: 'trace' });
    const blocks = down.filter(({ event, dir }) => event === 'block' && dir === 'in');
    expect(blocks.reduce((sum, { length }) => sum + (length as number), 0)).toBe(SIZE);
    expect(down.filter(({ event, ok }) => event === 'hash' && ok === true).length).toBeGreaterThan(0);
    if (process.platform !== 'win32') expect(statSync(`${place.path}/down.ndjson`).mode & 0o777).toBe(0o600);
    // The seed writes while it runs.
    const up = await waitFor(
      () => {
        const text = readFileSync(`${place.path}/up.ndjson`, 'utf8');
        const lines = readTrace(text.slice(0, text.lastIndexOf('\n')));
        return lines.some(({ event }) => event === 'block') ? lines : undefined;
      },
      { what: "the seed's trace", timeoutMs: TIMEOUT_MS },
    );
    expect(up.some(({ event, dir }) => event === 'request' && dir === 'in')).toBe(true);
  });

  it('refuses to start where the file cannot be made: exit code 8', async () => {
    for (const file of ['no/such/folder/t.ndjson', '.']) {
      const result = await tt(
        'download',
        'data.torrent',
        '-o',
        'never',
        '--trace',
        file,
        '--peer',
        peer,
        ...LOCAL,
      );
      expect(result.code).toBe(8);
      expect(result.stderr).toMatch(
        /^tt: --trace: cannot write to .*\n {4}Give another file, or leave --trace out\.$/,
      );
    }
    expect(existsSync(`${place.path}/never`)).toBe(false);
    expect(
      (await tt('seed', 'data.bin', '--torrent', 'data.torrent', '--trace', 'no/t', ...LOCAL)).code,
    ).toBe(8);
  });

  it.runIf(existsSync('/dev/full'))('goes on without it when the disk is full, after one line', async () => {
    const result = await tt(
      'download',
      'data.torrent',
      '-o',
      'full',
      '--trace',
      '/dev/full',
      '--peer',
      peer,
      ...LOCAL,
    );
    expect(result.code).toBe(0);
    expect(readFileSync(`${place.path}/full/data.bin`).equals(Buffer.from(payload(SIZE)))).toBe(true);
    const lines = result.stderr.split('\n').filter((line) => line.includes('--trace'));
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain('the transfer goes on');
  });
});
