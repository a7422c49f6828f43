// What `tt doctor` makes of what it finds: the judgement, without the machine.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { addressKind, familyFact } from '../../../cli/doctor/addresses.ts';
import { clockFact, clockReading } from '../../../cli/doctor/clock.ts';
import { healthFacts, silenceFact } from '../../../cli/doctor/dht.ts';
import { type FolderReport, folderFacts } from '../../../cli/doctor/disk.ts';
import { reachabilityFact } from '../../../cli/doctor/listening.ts';
import { mappingOf, natFacts } from '../../../cli/doctor/nat-kind.ts';
import { doctorFailure, doctorJson, doctorReason, doctorText, wrapText } from '../../../cli/doctor/report.ts';
import { bad, type DoctorFact, good, notChecked, note } from '../../../cli/doctor/section.ts';
import { limitFact, openFileLimit } from '../../../cli/doctor/system.ts';
import { terminalFacts } from '../../../cli/doctor/terminal.ts';
import { styleFor } from '../../../cli/terminal/style.ts';
import { textWidth } from '../../../cli/terminal/text.ts';
import {
  ReachabilityWatch,
  readReachability,
  writeReachability,
} from '../../../cli/transfer/reachability.ts';
import { peer, session, torrent } from '../../support/screen-rig.ts';

const PLAIN = styleFor({ choice: 'never', env: {}, isTty: false });
const byId = (facts: readonly DoctorFact[]): Record<string, DoctorFact> =>
  Object.fromEntries(facts.map((fact) => [fact.id, fact]));

describe('addresses', () => {
  it('are told apart', () => {
    const kinds = {
      '127.0.0.1': 'loopback',
      '::1': 'loopback',
      '169.254.3.4': 'link-local',
      'fe80::1': 'link-local',
      'febf::1': 'link-local',
      '192.168.0.2': 'private',
      'fd00::1': 'private',
      '100.64.0.1': 'shared',
      '100.127.255.255': 'shared',
      '100.128.0.1': 'public',
      '8.8.8.8': 'public',
      '2600::1': 'public',
    };
    for (const [host, kind] of Object.entries(kinds)) expect([host, addressKind(host)]).toEqual([host, kind]);
  });

  it('good with a way out, a note without one or without any', () => {
    const all = [
      { interface: 'lo', host: '127.0.0.1' },
      { interface: 'eth0', host: '192.168.0.2' },
      { interface: 'eth0', host: 'fe80::1' },
    ];
    expect(familyFact(4, all, '192.168.0.2')).toMatchObject({ status: 'good', id: 'ipv4' });
    expect(familyFact(4, all, undefined)).toMatchObject({ status: 'note' });
    expect(familyFact(6, all, 'fe80::1')).toMatchObject({ status: 'note' });
    expect(familyFact(6, [{ interface: 'eth0', host: 'fd00::2' }], 'fd00::2').status).toBe('note');
    expect(familyFact(6, [{ interface: 'eth0', host: '2600::2' }], '2600::2').status).toBe('good');
  });
});

describe('address translation', () => {
  const seen = (...ports: number[]) => ports.map((port) => ({ host: '198.51.100.4', port }));
  const input = { family: 4 as const, localHosts: ['192.168.0.2'], localPort: 6891 };

  it('none, the same towards everybody, another towards each', () => {
    const own = { ...input, localHosts: ['198.51.100.4'] };
    expect(mappingOf({ ...own, reports: seen(6891, 6891, 6891) })).toBe('none');
    expect(mappingOf({ ...input, reports: seen(6891, 6891, 6891) })).toBe('endpoint-independent');
    expect(mappingOf({ ...own, reports: seen(40_001, 40_001, 40_001) })).toBe('endpoint-independent');
    expect(mappingOf({ ...input, reports: seen(40_001, 40_002, 40_003, 40_004) })).toBe('endpoint-dependent');
  });

  it('a liar or two change nothing; a crowd of them leaves it open', () => {
    const lies = [
      { host: '203.0.113.9', port: 1 },
      { host: '203.0.113.8', port: 2 },
    ];
    expect(mappingOf({ ...input, reports: [...seen(7, 7, 7, 7, 7, 7), ...lies] })).toBe(
      'endpoint-independent',
    );
    const facts = natFacts({ ...input, reports: [...seen(7, 7), ...lies] });
    expect(facts[0]).toMatchObject({ status: 'not-checked' });
  });

  it('two opinions are none', () => {
    expect(natFacts({ ...input, reports: seen(1, 1) })[0]).toMatchObject({ status: 'not-checked' });
    expect(natFacts({ ...input, reports: [] })[0]).toMatchObject({ status: 'not-checked' });
  });

  it("says what to do: symmetric, and an address that is the provider's", () => {
    expect(natFacts({ ...input, reports: seen(1, 2, 3, 4) })[0]).toMatchObject({
      status: 'note',
      advice: expect.stringContaining('forward'),
    });
    const shared = [1, 1, 1].map((port) => ({ host: '100.64.3.3', port }));
    expect(byId(natFacts({ ...input, reports: shared }))['nat4-shared']).toMatchObject({ status: 'note' });
  });
});

describe('the DHT', () => {
  const snapshot = {
    family: 4 as const,
    id: new Uint8Array(20),
    good: 30,
    nodes: 40,
    spares: 0,
    buckets: [],
    externalAddress: undefined,
    networkSize: 1234.5,
    quarantined: 0,
  };
  const lookup = {
    family: 4 as const,
    end: 'converged' as const,
    closest: [],
    elapsedMs: 800,
    firstReplyMs: 30,
    firstValueMs: undefined,
    queries: 20,
    replies: 18,
    lateReplies: 0,
    stalls: 0,
    timeouts: 2,
    hops: 3,
    hopsToClosest: 3,
    suspicious: false,
  };
  it('good when it answers, a note when a lookup crawls, bad when nobody answers', () => {
    const facts = byId(healthFacts({ family: 4, snapshot, joined: undefined, lookup }));
    expect(facts['dht4']?.value).toContain('30 good nodes, a network of about 1235');
    expect(facts['dht4-lookup']?.status).toBe('good');
    const slow = byId(
      healthFacts({ family: 4, snapshot, joined: undefined, lookup: { ...lookup, elapsedMs: 9000 } }),
    );
    expect(slow['dht4-lookup']?.status).toBe('note');
    expect(
      healthFacts({ family: 4, snapshot: { ...snapshot, good: 0 }, joined: undefined, lookup: undefined }),
    ).toEqual([]);
    expect(silenceFact(0)).toMatchObject({ status: 'bad', advice: expect.stringContaining('name service') });
    expect(silenceFact(9)).toMatchObject({ status: 'bad', advice: expect.stringContaining('UDP') });
  });
});

describe('the clock', () => {
  const DATE = 'Sat, 21 Nov 2026 12:00:00 GMT';
  const server = Date.parse(DATE);
  it('is compared with the middle of the second and of the trip', () => {
    expect(clockReading(DATE, server, server + 1000)).toEqual({ offsetMs: 0, errorMs: 1000 });
    expect(clockReading(DATE, server + 60_000, server + 60_200)).toEqual({ offsetMs: 59_600, errorMs: 600 });
    for (const date of [undefined, '', 'yesterday', '1', '2026-11-21'])
      expect(clockReading(date, server, server)).toBeUndefined();
  });
  it('hurts beyond half a minute; the server in the middle speaks', () => {
    const reading = (offsetMs: number) => ({ offsetMs, errorMs: 600 });
    expect(clockFact([reading(10)], ['a'])).toMatchObject({ status: 'good' });
    expect(clockFact([reading(-40_000)], ['a'])).toMatchObject({
      status: 'bad',
      value: expect.stringContaining('behind'),
    });
    expect(clockFact([reading(10), reading(-90_000_000), reading(20)], ['a', 'b', 'c']).status).toBe('good');
    expect(clockFact([], ['a'])).toMatchObject({ status: 'not-checked' });
  });
});

describe('folders', () => {
  const report: FolderReport = {
    folder: '/srv/t',
    probed: '/srv/t',
    fileSystem: 'ext4',
    freeBytes: 2 ** 40,
    writeError: undefined,
    writeBytesPerSec: 2e8,
    flushMs: 1,
  };
  const facts = (change: Partial<FolderReport>) =>
    byId(folderFacts('t', 'Target', '--out', { ...report, ...change }));
  it('good, slow, nearly full, in memory, for small files only, not to be written', () => {
    expect(Object.values(facts({})).every(({ status }) => status === 'good')).toBe(true);
    expect(facts({ writeBytesPerSec: 1e6 })['t-speed']?.status).toBe('note');
    expect(facts({ freeBytes: 1e8, writeBytesPerSec: undefined })).toMatchObject({
      't-free': { status: 'note' },
      't-speed': { status: 'not-checked' },
    });
    expect(facts({ fileSystem: 'tmpfs' })['t']?.status).toBe('note');
    expect(facts({ fileSystem: 'vfat' })['t']?.advice).toContain('4 GiB');
    expect(facts({ writeError: 'EROFS' })).toMatchObject({ t: { status: 'bad', reason: 'disk' } });
    expect(facts({ folder: '/srv/t/new' })['t']?.value).toContain('to be made');
  });
});

describe('limits and terminals', () => {
  it('open files: enough, too few, not told', () => {
    expect(
      openFileLimit('Limit\nMax open files            1024                 524288               files \n'),
    ).toBe(1024);
    expect(openFileLimit('Max open files  unlimited  unlimited files')).toBe(Number.POSITIVE_INFINITY);
    expect(openFileLimit('nothing')).toBeUndefined();
    expect(limitFact(1024, 200).status).toBe('good');
    expect(limitFact(256, 200)).toMatchObject({ status: 'note', advice: expect.stringContaining('ulimit') });
    expect(limitFact(Number.POSITIVE_INFINITY, 200).status).toBe('good');
    expect(limitFact(undefined, 200).status).toBe('not-checked');
  });

  it('terminals: the screen or why not, size, colour, alphabet', () => {
    const base = {
      env: { LANG: 'en_GB.UTF-8', TERM: 'xterm' },
      isTerminal: true,
      isErrTerminal: true,
      columns: 80,
      rows: 24,
      colorDepth: 8,
      color: 'auto' as const,
    };
    const of = (change: object) => byId(terminalFacts({ ...base, ...change }));
    expect(of({})['screen']?.value).toBe('will be shown');
    expect(of({ env: { TERM: 'dumb' } })['screen']?.value).toContain('dumb');
    expect(of({ env: { CI: '1' } })['screen']?.value).toContain('CI');
    expect(of({ isTerminal: false, columns: undefined })).toMatchObject({ size: { status: 'not-checked' } });
    expect(of({ columns: 40 })['size']?.status).toBe('note');
    expect(of({ env: { LANG: 'C.UTF-8', LC_ALL: 'C' } })['utf8']?.status).toBe('note');
    expect(of({ env: { NO_COLOR: '1' } })['color']?.value).toContain('off (NO_COLOR)');
    expect(of({ color: 'always' })['color']?.value).toContain('on (--color always)');
  });
});

describe('who came in', () => {
  it('is counted once an address, from outside only, kept and read back', async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'tt-reach-'));
    try {
      const watch = new ReachabilityWatch(1_000);
      const peers = [
        peer({ isIncoming: true, address: '203.0.113.7:1' }),
        peer({ isIncoming: true, address: '203.0.113.7:2' }),
        peer({ isIncoming: true, address: '[2600::7]:2' }),
        peer({ isIncoming: true, address: '192.168.0.9:2' }),
        peer({ isIncoming: false, address: '203.0.113.8:2' }),
      ];
      const result = watch.result(session([torrent({ peers })]), 61_000, 1_800_000_000_000);
      expect(result).toMatchObject({ fromOutside: 2, ports: [6891], elapsedMs: 60_000 });
      await writeReachability(folder, result as NonNullable<typeof result>);
      expect(await readReachability(folder)).toEqual(result);
      expect(reachabilityFact(result).status).toBe('good');
      expect(reachabilityFact({ ...(result as NonNullable<typeof result>), fromOutside: 0 }).status).toBe(
        'note',
      );
      expect(watch.result(session([], { listen: [] }), 0, 0)).toBeUndefined();
      // Nobody outside could have come: that says nothing.
      const listen = [{ transport: 'tcp', host: '127.0.0.1', port: 6891, incomingCount: 3 }] as const;
      expect(watch.result(session([], { listen }), 0, 0)).toBeUndefined();
      for (const text of ['', 'null', '{"atUnixMs":"x"}', '[1', `{"a":"${'x'.repeat(9000)}"}`]) {
        writeFileSync(path.join(folder, 'reachability.json'), text);
        expect(await readReachability(folder)).toBeUndefined();
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
    expect(reachabilityFact(undefined).status).toBe('not-checked');
  });
});

describe('the page', () => {
  const sections = [
    {
      id: 'a',
      title: 'A',
      facts: [
        good('x', 'X', 'fine \u001b[31m'),
        note('y', 'Longer name', 'so so '.repeat(20), 'do something '.repeat(9)),
        bad('z', 'Z', 'broken', 'mend it', 'disk', { n: 1 }),
        notChecked('w', 'W', 'no time'),
      ],
    },
  ];
  it('fits the width, tells marks without colour, escapes what is foreign', () => {
    for (const columns of [60, 80, 110]) {
      const lines = doctorText(sections, columns, PLAIN).split('\n');
      for (const line of lines) expect(textWidth(line)).toBeLessThanOrEqual(columns);
      expect(lines.join('\n')).toContain('\\x1b[31m');
      expect(lines.at(-1)).toBe('1 thing hurts, 1 to know, 1 not checked');
      expect(lines.filter((line) => /^ {2}(ok|note|BAD|-) /.test(line))).toHaveLength(4);
    }
  });
  it('gives the advice for several facts in a row once, below the last; in JSON to each', () => {
    const facts = [note('a', 'A', 'no', 'forward it'), note('b', 'B', 'no', 'forward it')];
    const twice = [{ id: 'm', title: 'M', facts: [...facts, note('c', 'C', 'no', 'other')] }];
    expect(doctorText(twice, 80, PLAIN).match(/> .*/g)).toEqual(['> forward it', '> other']);
    expect(doctorText(twice, 80, PLAIN)).toMatch(/B +no\n +> forward it/);
    expect(JSON.stringify(doctorJson(twice)).match(/forward it/g)).toHaveLength(2);
  });
  it('exit code by the worst, counts, every harm with an advice', () => {
    expect(doctorReason(sections)).toBe('disk');
    expect(doctorReason([])).toBe('done');
    const worse = [{ id: 'n', title: 'N', facts: [bad('n', 'N', 'v', 'a', 'network')] }];
    expect(doctorReason(worse)).toBe('network');
    expect(doctorReason([...sections, ...worse])).toBe('disk');
    expect(doctorFailure([])).toBeUndefined();
    expect(doctorFailure(worse)).toMatchObject({ reason: 'network', message: 'N: v', hint: 'a' });
    const both = { reason: 'disk', message: 'Z: broken (and 1 more)', hint: 'mend it' };
    expect(doctorFailure([...worse, ...sections])).toMatchObject(both);
    expect(doctorJson(sections)).toMatchObject({ counts: { good: 1, note: 1, bad: 1, notChecked: 1 } });
    expect(wrapText('a bb ccc', 4)).toEqual(['a bb', 'ccc']);
  });
});
