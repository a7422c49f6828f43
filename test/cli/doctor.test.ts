// `tt doctor` from the real program: against a DHT on loopback, against nobody, offline; its JSON, its exit codes, nothing left behind.
import { chmodSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type LoopbackDht, loopbackDht } from '../support/dht-loopback.ts';
import { freePort } from '../support/ports.ts';
import { type RunResult, run } from '../support/process.ts';
import { json, launcher, makePlace, TIMEOUT_MS } from './support.ts';

const place = makePlace();
const { tt } = place;
const ON_LOOPBACK = ['--interface', '127.0.0.1', '--port', '0'];

interface Fact {
  readonly id: string;
  readonly status: string;
  readonly value: string;
  readonly advice?: string;
  readonly data?: Record<string, unknown>;
}

interface Found {
  readonly facts: Readonly<Record<string, Fact>>;
  readonly all: readonly Fact[];
  readonly sections: readonly string[];
  readonly code: number | null;
  readonly reason: string;
  readonly error: unknown;
}

function found(result: RunResult): Found {
  const object = json(result) as unknown as {
    ok: boolean;
    reason: string;
    exitCode: number;
    error?: unknown;
    sections: { id: string; facts: Fact[] }[];
    counts: { good: number; note: number; bad: number; notChecked: number };
  };
  const all = object.sections.flatMap((section) => section.facts);
  const { counts } = object;
  expect(counts.good + counts.note + counts.bad + counts.notChecked).toBe(all.length);
  // As of every command: what is not ok has an error, and the status of the process is the one in the object.
  expect(object).toMatchObject({ ok: object.error === undefined, exitCode: result.code });
  expect(object.ok).toBe(counts.bad === 0);
  return {
    all,
    facts: Object.fromEntries(all.map((fact) => [fact.id, fact])),
    sections: object.sections.map(({ id }) => id),
    code: result.code,
    reason: object.reason,
    error: object.error,
  };
}

const doctor = async (...args: string[]): Promise<Found> =>
  found(await tt('doctor', '--json', ...ON_LOOPBACK, ...args));

describe('with a DHT', () => {
  let dht: LoopbackDht;
  beforeAll(async () => {
    dht = await loopbackDht(Array.from({ length: 9 }, () => '127.0.0.1'));
  }, TIMEOUT_MS);
  afterAll(() => dht?.close());

  it('tells its health, and that nobody translates our address', async () => {
    const { facts, code, reason, sections } = await doctor('--dht', ...dht.bootstrap);
    expect([code, reason]).toEqual([0, 'done']);
    expect(sections).toEqual([
      'addresses',
      'listening',
      'nat',
      'dht',
      'mappings',
      'clock',
      'disk',
      'system',
      'terminal',
    ]);
    expect(facts['dht4']).toMatchObject({ status: 'good' });
    expect(facts['dht4']?.data?.['good']).toBeGreaterThanOrEqual(8);
    expect(facts['dht4-lookup']).toMatchObject({ status: 'good' });
    expect(facts['nat4']).toMatchObject({ status: 'good', data: { mapping: 'none', host: '127.0.0.1' } });
    expect(facts['filtering']).toMatchObject({ status: 'not-checked' });
    expect(facts['mapping']?.status).toBe('not-checked');
  });

  it('is a page for people', async () => {
    const result = await tt('doctor', '--dht', ...dht.bootstrap, ...ON_LOOPBACK);
    expect(result.code).toBe(0);
    expect(result.stderr).toBe('');
    expect(result.stdout).toMatch(/^ {2}ok {4}IPv4 +\d+ good nodes/m);
    expect(result.stdout).toMatch(/nothing hurts, .*not checked$/);
    for (const line of result.stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(110);
  });
});

describe('without a network', () => {
  it('nobody answers: bad, code 6, within the time that was given', async () => {
    const dead = `127.0.0.1:${await freePort()}`;
    const { facts, code, reason, error } = await doctor('--dht', '--bootstrap', dead, '--timeout', '1s');
    expect([code, reason]).toEqual([6, 'network']);
    const { value, advice } = facts['dht'] as Fact;
    expect(error).toMatchObject({ message: expect.stringContaining(value), hint: advice });
    expect(facts['dht']).toMatchObject({ status: 'bad', advice: expect.stringContaining('UDP') });
  });

  it('--offline, a proxy, the DHT switched off: not checked, and no harm in that', async () => {
    const offline = await doctor('--dht', '--offline', '--clock-from', 'http://127.0.0.1:1/');
    for (const { facts, code } of [offline, await doctor('--no-dht')]) {
      expect(code).toBe(0);
      expect(facts['dht']?.status).toBe('not-checked');
      expect(facts['clock-offset']?.status).toBe('not-checked');
    }
    const behindProxy = await run(process.execPath, [launcher, 'doctor', '--json', '--dht'], {
      cwd: place.path,
      env: { ...place.env, TT_PROXY: 'socks5://127.0.0.1:1' },
      timeoutMs: TIMEOUT_MS,
    });
    expect(found(behindProxy).facts['dht']).toMatchObject({
      status: 'not-checked',
      value: expect.stringContaining('proxy'),
    });
  });

  it('every note and every harm says what to do', async () => {
    const { all } = await doctor('--no-dht');
    for (const fact of all) {
      if (fact.status === 'note' || fact.status === 'bad') expect(fact.advice, fact.id).toBeTruthy();
      expect(fact.value, fact.id).not.toContain('\n');
    }
  });
});

describe('the rest', () => {
  it('ports: all taken is bad, and says which', async () => {
    const server = net.createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as AddressInfo;
    const { facts, code } = await doctor('--no-dht', '--port', String(port));
    server.close();
    expect(code).toBe(6);
    expect(facts['tcp']).toMatchObject({ status: 'bad', value: expect.stringContaining(String(port)) });
  });

  it('the clock, against a server of our own: right, an hour off, no date', async () => {
    let date: string | undefined = '';
    const server = http.createServer((_request, response) => {
      response.sendDate = false;
      if (date !== undefined) response.setHeader('Date', date);
      response.end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    try {
      date = new Date(Date.now()).toUTCString();
      expect((await doctor('--no-dht', '--clock-from', url)).facts['clock-offset']?.status).toBe('good');
      date = new Date(Date.now() - 3_600_000).toUTCString();
      const wrong = await doctor('--no-dht', '--clock-from', url);
      expect(wrong.code).toBe(6);
      expect(wrong.facts['clock-offset']).toMatchObject({
        status: 'bad',
        value: expect.stringContaining('ahead'),
      });
      date = undefined;
      expect((await doctor('--no-dht', '--clock-from', url)).facts['clock-offset']?.status).toBe(
        'not-checked',
      );
    } finally {
      server.close();
    }
    expect((await tt('doctor', '--clock-from', 'nonsense')).code).toBe(2);
  });

  it('folders: speed and room, nothing left behind; a file in the way is code 8', async () => {
    mkdirSync(`${place.path}/target`);
    const { facts } = await doctor('--no-dht', '--out', 'target');
    expect(facts['target']?.data).toMatchObject({ folder: `${place.path}/target` });
    expect(facts['target-speed']?.status).not.toBe('bad');
    expect(facts['target-free']?.data?.['freeBytes']).toBeGreaterThan(0);
    expect(readdirSync(`${place.path}/target`)).toEqual([]);
    writeFileSync(`${place.path}/file`, '');
    const wrong = await doctor('--no-dht', '--out', 'file');
    expect([wrong.code, wrong.reason]).toEqual([8, 'disk']);
    expect(wrong.facts['target']?.status).toBe('bad');
  });

  it.skipIf(process.getuid?.() === 0)('a folder that may not be written is code 8', async () => {
    mkdirSync(`${place.path}/locked`);
    chmodSync(`${place.path}/locked`, 0o500);
    expect((await doctor('--no-dht', '--out', 'locked')).code).toBe(8);
  });

  it('usage and Ctrl-C', async () => {
    expect((await tt('doctor', '--bootstrap', 'nonsense')).code).toBe(2);
    expect((await tt('doctor', '--timeout', 'x')).code).toBe(2);
    const dead = `127.0.0.1:${await freePort()}`;
    const child = place.start(
      'doctor',
      '--dht',
      '--bootstrap',
      dead,
      '--timeout',
      '1m',
      '--log-file',
      'tt.log',
      ...ON_LOOPBACK,
    );
    // The log is opened, so signals are heard.
    await expect.poll(() => readdirSync(place.path), { timeout: TIMEOUT_MS }).toContain('tt.log');
    child.signal('SIGINT');
    const { code, stderr } = await child.waitForExit(TIMEOUT_MS);
    expect({ code, stderr }).toEqual({ code: 130, stderr: '' });
  });
});
