// The rows of the matrix: what is set up, and what must come of it. What was measured comes from the tests (support/measured.ts).
export interface Row {
  readonly number: number;
  readonly setUp: string;
  readonly must: string;
}

export const ROWS: readonly Row[] = [
  { number: 1, setUp: 'the lab itself, ten kinds, UDP and TCP', must: '20 of 20 behave as they are called' },
  {
    number: 2,
    setUp: 'every kind: `tt nat status` against an independent probe',
    must: 'the same verdict within 5 s',
  },
  {
    number: 3,
    setUp: 'miniupnpd: PCP, NAT-PMP, UPnP, and all at once',
    must: 'mapped within 2 s, tried from outside, renewed at half life, made again within 5 s of a restart, gone after the end',
  },
  {
    number: 4,
    setUp: 'a port that another host has, or is denied; a private outer address; a gateway that lies',
    must: 'the granted port is the one announced, no storm, never MAPPED without proof',
  },
  {
    number: 5,
    setUp: 'public leecher that knows it is, a seed behind each NATed kind',
    must: 'called back, first byte within 2 s',
  },
  {
    number: 6,
    setUp: 'all 45 pairs',
    must: '34 direct, called back or punched, 11 spliced, first byte within 5 s',
  },
  {
    number: 7,
    setUp: 'gateways that reject or accept strangers, 20 ms links, one side hears 0, 50, 1000 ms later',
    must: 'the same pairs straight as in row 6',
  },
  {
    number: 8,
    setUp: 'tt asks, answers and introduces, with libtorrent 2.0.8',
    must: 'a hole in all three roles',
  },
  { number: 9, setUp: 'tt introduces two libtorrents behind routers that shift ports', must: 'a hole' },
  {
    number: 10,
    setUp: '16 MiB from a seed behind a symmetric NAT, by unmodified programs and by tt behind another',
    must: 'the payload is identical, 10 s; Transmission: what it needs from a seed in the open, within a tick of its own (10 s)',
  },
  { number: 11, setUp: 'no UDP at one end', must: 'a hole in TCP, or a splice' },
  {
    number: 12,
    setUp: 'a relay is killed, started again, or cut off, in mid-splice',
    must: 'the other relay within 10 s of a kill and 20 s of a cut, reserved again within 60 s, no corrupt piece',
  },
  {
    number: 13,
    setUp: 'the gateway restarts in mid-transfer',
    must: 'bytes flow again within 30 s',
  },
  {
    number: 14,
    setUp: 'the target is away for 5 minutes, 20 calls of 5 senders, 1 of 3 relays killed',
    must: 'all 20 once each, in order, within 10 s of the return',
  },
  {
    number: 15,
    setUp: 'a splice reaches its bytes, its time, its rate',
    must: 'closed with a code at ± 1 %, rate ± 10 %; the download ends elsewhere',
  },
  {
    number: 16,
    setUp: 'a relay and a neighbour name a victim and private addresses a thousand times',
    must: 'at most 10 packets a minute to the victim, 0 to private addresses',
  },
  {
    number: 17,
    setUp: 'a client that reserves, tries tickets, replays nonces, pushes, says nothing',
    must: 'quotas hold, the relay grows by less than 64 MiB, honest peers are served',
  },
  { number: 18, setUp: 'after each test of every row', must: 'no packet with a private address gets out' },
  {
    number: 19,
    setUp: 'a private torrent behind four kinds, and a public one beside it',
    must: 'no extension, no announce, no dial',
  },
  {
    number: 20,
    setUp: '100 peers behind 20 NATs, one relay, one seed behind a NAT; a splice at full speed',
    must: 'everybody completes; the relay takes less than a core at 50 MB/s',
  },
];

/** The rows that a test's full name speaks of; every test stands for row 18 besides. */
export function rowsOf(fullName: string): number[] {
  // Of `row 8` inside `rows 8 and 9` only the inner counts.
  const single = [...fullName.matchAll(/\brow (\d+)/g)].map(([, number]) => Number(number));
  if (single.length > 0) return [...new Set(single)];
  const many = /\brows (\d+)(?: and (\d+))?/.exec(fullName);
  return many === null
    ? []
    : many.slice(1).flatMap((number) => (number === undefined ? [] : [Number(number)]));
}

export interface RowResult {
  readonly passed: number;
  readonly failed: number;
  readonly texts: readonly string[];
}

const NOT_RUN = 'not run';

/**
 * Lines of a Markdown table.
 * @param before lines of an earlier one: what of it was not run this time is kept
 */
export function rowTable(results: ReadonlyMap<number, RowResult>, before: readonly string[] = []): string[] {
  const known = new Map(
    before.flatMap((line) => {
      const cells = line.split(' | ');
      const number = Number(/^\| (\d+)$/.exec(cells[0] ?? '')?.[1]);
      return Number.isNaN(number) ? [] : [[number, (cells.at(-1) ?? '').replace(/ \|$/, '')] as const];
    }),
  );
  const cell = (number: number): string => {
    const result = results.get(number);
    if (result === undefined || result.passed + result.failed === 0) return known.get(number) ?? NOT_RUN;
    const { passed, failed, texts } = result;
    const tests = failed === 0 ? `${passed} tests pass` : `**${failed} of ${passed + failed} tests fail**`;
    return [tests, ...texts].join('; ');
  };
  return [
    '| row | set-up | must | measured |',
    '| ---: | --- | --- | --- |',
    ...ROWS.map(({ number, setUp, must }) => `| ${number} | ${setUp} | ${must} | ${cell(number)} |`),
  ];
}
