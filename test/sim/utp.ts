// `npm run sim -- utp [--seed S] [--json]`: what uTP makes of lines of all kinds, beside TCP, and of each other.
import { parseArgs } from 'node:util';
import { formatTable } from './statistics.ts';
import { besideReno, transfer, twoFlows } from './utp-scenarios.ts';

const MB = 1_000_000;
const LINE = { bytesPerSec: MB, delayMs: 25, queueBytes: 400_000 };

type Row = Record<string, string | number>;

/** @returns the exit code */
export function simulateUtp(args: readonly string[]): number {
  const { values } = parseArgs({
    args: [...args],
    options: { seed: { type: 'string', default: '1' }, json: { type: 'boolean' } },
  });
  const tables = utpTables(Number(values.seed));
  if (values.json)
    console.log(JSON.stringify({ scenario: 'utp', seed: Number(values.seed), tables }, null, 2));
  else for (const { title, rows } of tables) console.log(`\n${title}\n${formatTable(rows)}`);
  return 0;
}

function utpTables(seed: number): { title: string; rows: Row[] }[] {
  const lines = [
    ['clean', LINE],
    ['1 % lost', { ...LINE, lossShare: 0.01 }],
    ['5 % lost', { ...LINE, lossShare: 0.05 }],
    ['10 % lost', { ...LINE, lossShare: 0.1 }],
    ['20 ms of jitter, 5 % twice', { ...LINE, jitterMs: 20, repeatShare: 0.05 }],
    ['nothing above 1,400 bytes', { ...LINE, largestBytes: 1_400 }],
    ['nothing above 900 bytes', { ...LINE, largestBytes: 900 }],
    ['50 kB/s', { bytesPerSec: 50_000, delayMs: 40, queueBytes: 100_000 }],
    ['100 MB/s, 5 ms', { bytesPerSec: 100 * MB, delayMs: 5, queueBytes: 4 * MB }],
    ['5 MB/s, 150 ms', { bytesPerSec: 5 * MB, delayMs: 150, queueBytes: 2 * MB }],
  ] as const;
  const alone = lines.map(([name, line]) => {
    const result = transfer(seed, line, Math.min(20 * MB, line.bytesPerSec * 8));
    return {
      line: name,
      'kB/s': Math.round(result.bytesPerSec / 1000),
      'mean queue, ms': result.meanQueueMs.toFixed(1),
      drops: result.drops,
      'sent / needed': result.sentShare.toFixed(3),
      datagram: result.datagramBytes,
    };
  });
  const sharing = (name: string, { first, second, meanQueueMs }: ReturnType<typeof twoFlows>): Row => ({
    flows: name,
    'first, kB/s': Math.round(first / 1000),
    'second, kB/s': Math.round(second / 1000),
    'mean queue, ms': meanQueueMs.toFixed(1),
  });
  const shared = [
    sharing('uTP, uTP', twoFlows(seed, LINE, 0, 120_000)),
    sharing('uTP, uTP 20 s later', twoFlows(seed, LINE, 20_000, 160_000)),
    sharing('uTP, TCP later, 400 ms of buffer', besideReno(seed, LINE, 120_000)),
    sharing('uTP, TCP later, 50 ms of buffer', besideReno(seed, { ...LINE, queueBytes: 50_000 }, 120_000)),
  ];
  return [
    {
      title: 'One flow; the line has 1 MB/s, 25 ms each way and 400 kB of buffer unless it says otherwise',
      rows: alone,
    },
    { title: 'Two flows through 1 MB/s, 25 ms each way', rows: shared },
  ];
}
