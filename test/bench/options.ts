// Flags of the benchmark.
import { parseArgs } from 'node:util';
import { PROGRAM_NAMES, type ProgramName } from './programs.ts';

const CASES = [
  'leech',
  'seed',
  'webseed',
  'utp',
  'swarm',
  'check',
  'start',
  'magnet',
  'idle',
  'screen',
  'dht',
] as const;
type CaseName = (typeof CASES)[number];

export const HELP = `npm run bench -- [flags]
  --rounds N       runs of everything, interleaved; figures are medians (default 5)
  --size MIB       the single file (default 1024); the tree of 2,000 files is a quarter of it, the file of zeros of the screen case eight of it
  --only LIST      cases: ${CASES.join(', ')} (default all)
  --programs LIST  ${PROGRAM_NAMES.join(', ')} (default all)
  --where LIST     tmpfs, disk (default both)
  --what LIST      single, tree (default both)
  --from LIST      seeders of the leech case (default aria2, libtorrent)
  --quick          --rounds 1 --size 128, tmpfs and the single file only
  --json           the JSON document on stdout instead of the table
`;

export interface BenchOptions {
  readonly rounds: number;
  readonly sizeMib: number;
  readonly cases: readonly CaseName[];
  readonly programs: readonly ProgramName[];
  readonly fileSystems: readonly ('tmpfs' | 'disk')[];
  readonly contents: readonly ('single' | 'tree')[];
  readonly leechFrom: readonly ProgramName[];
  readonly json: boolean;
}

function listOf<T extends string>(
  text: string | undefined,
  known: readonly T[],
  whenAbsent: readonly T[],
): readonly T[] {
  if (text === undefined) return whenAbsent;
  return text.split(',').map((word) => {
    const found = known.find((name) => name === word.trim());
    if (found === undefined) throw new Error(`unknown name ${word}: one of ${known.join(', ')}`);
    return found;
  });
}

/** @returns undefined when help was asked for */
export function parseOptions(args: readonly string[]): BenchOptions | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rounds: { type: 'string' },
      size: { type: 'string' },
      only: { type: 'string' },
      programs: { type: 'string' },
      where: { type: 'string' },
      what: { type: 'string' },
      from: { type: 'string' },
      quick: { type: 'boolean' },
      json: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help === true) return undefined;
  const quick = values.quick === true;
  const number = (text: string | undefined, whenAbsent: number): number => {
    const value = text === undefined ? whenAbsent : Number(text);
    if (!Number.isInteger(value) || value < 1) throw new Error(`not a positive whole number: ${text}`);
    return value;
  };
  return {
    rounds: number(values.rounds, quick ? 1 : 5),
    sizeMib: number(values.size, quick ? 128 : 1024),
    cases: listOf(values.only, CASES, CASES),
    programs: listOf(values.programs, PROGRAM_NAMES, PROGRAM_NAMES),
    fileSystems: listOf(values.where, ['tmpfs', 'disk'], quick ? ['tmpfs'] : ['tmpfs', 'disk']),
    contents: listOf(values.what, ['single', 'tree'], quick ? ['single'] : ['single', 'tree']),
    leechFrom: listOf(values.from, PROGRAM_NAMES, ['aria2', 'libtorrent']),
    json: values.json === true,
  };
}
