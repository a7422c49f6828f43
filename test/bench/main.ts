// `npm run bench`: libtorrent, aria2, Transmission and tt at the same work, in one go, and their DHT nodes. Rounds are interleaved, so that a slow minute of
// the machine hits everybody; figures are medians. Prints a table, writes JSON to .bench/.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ADDRESS_COUNT_VARIABLE, networkMissing } from '../interop/support/network.ts';
import { missingReason } from '../interop/support/requirements.ts';
import { StaticTracker } from '../interop/support/static-tracker.ts';
import { makeTempDir } from '../support/temp.ts';
import { idle, magnetToMetadata, recheck } from './checks.ts';
import { DHT_METHODS, DHT_RESPONDERS, flood } from './dht/flood.ts';
import { Keeper } from './keeper.ts';
import { type BenchOptions, HELP, parseOptions } from './options.ts';
import { type Payload, preparePayload, singleFile, smallFiles } from './payloads.ts';
import { type ProgramName, RACERS } from './programs.ts';
import { type Bench, type FileSystem, race } from './race.ts';
import { type Contestant, type Figures, formatTable, formatVerdicts, Table, verdicts } from './report.ts';
import { screenCost } from './screen.ts';
import { warmUp } from './warm-up.ts';

const PROJECT = fileURLToPath(new URL('../..', import.meta.url));
const BENCH_DIR = join(PROJECT, '.bench');
const MIB = 1024 * 1024;
/** Payload figures are in MB of 10^6 bytes. */
const MB = 1e6;
/** Transmission moves 25 MB/s here, whatever it is given: enough for its rate. */
const TRANSMISSION_MOST_MIB = 64;
/** And it waits ten seconds a run. */
const TRANSMISSION_MOST_ROUNDS = 2;
const START_MIB = 16;
/** The screen is measured over eight times what the others move. */
const SCREEN_MIB_PER_GIB = 128;
/** Seeder and leecher over uTP alone. */
const UTP_PAIRS = [
  ['libtorrent', 'libtorrent'],
  ['tt', 'tt'],
  ['libtorrent', 'tt'],
  ['tt', 'libtorrent'],
] as const;
const SWARM_LEECHERS = 4;
/** More than one race uses, and few enough that listing them costs nobody anything. */
const ADDRESSES = 16;

interface Step {
  readonly case: string;
  readonly variant: string;
  readonly program: Contestant;
  run(): Promise<Figures>;
}

type Payloads = (what: 'single' | 'tree', fileSystem: FileSystem, program: ProgramName) => Promise<Payload>;

function steps(bench: Bench, options: BenchOptions, payloads: Payloads): Step[] {
  const list: Step[] = [];
  const transfer = async (
    program: ProgramName,
    what: 'single' | 'tree',
    fileSystem: FileSystem,
    seeder: ProgramName | 'nginx',
    leecher: ProgramName,
    leecherCount: number,
    utpOnly = false,
  ): Promise<Figures> => {
    const payload = await payloads(what, fileSystem, program);
    const sample = await race(bench, {
      payload,
      seeder: seeder === 'nginx' ? 'nginx' : RACERS[seeder],
      leecher: RACERS[leecher],
      leecherCount,
      fileSystem,
      utpOnly,
    });
    const perGib = (1024 * MIB) / payload.totalBytes;
    return {
      activeMBps: sample.activeBytesPerSec / MB,
      wallS: sample.wallMs / 1000,
      firstByteS: sample.firstByteMs / 1000,
      cpuS: sample.leecherCpuS,
      cpuSPerGiB: sample.leecherCpuS * perGib,
      seedCpuS: sample.seederCpuS,
      anonMiB: sample.anonPeakBytes / MIB,
      rssMiB: sample.rssPeakBytes / MIB,
      otherCores: sample.otherCores,
    };
  };
  const { programs } = options;
  for (const what of options.contents) {
    for (const fileSystem of options.fileSystems) {
      const where = `${what}, ${fileSystem}`;
      if (options.cases.includes('leech')) {
        for (const seeder of options.leechFrom) {
          for (const program of programs)
            list.push({
              case: 'leech',
              variant: `${where}, from ${seeder}`,
              program,
              run: () => transfer(program, what, fileSystem, seeder, program, 1),
            });
        }
      }
      if (options.cases.includes('seed')) {
        for (const program of programs)
          list.push({
            case: 'seed',
            variant: `${where}, to libtorrent`,
            program,
            run: () => transfer(program, what, fileSystem, program, 'libtorrent', 1),
          });
      }
    }
  }
  if (options.cases.includes('webseed')) {
    // Transmission takes a minute for a gigabyte here.
    for (const program of programs.filter((name) => name !== 'transmission'))
      list.push({
        case: 'webseed',
        variant: 'single, tmpfs, from one nginx',
        program,
        run: () => transfer(program, 'single', 'tmpfs', 'nginx', program, 1),
      });
  }
  if (options.cases.includes('utp')) {
    for (const [seeder, leecher] of UTP_PAIRS) {
      if (![seeder, leecher].every((name) => programs.includes(name))) continue;
      // The leecher's row: pairs of one make and mixed ones under the same variant would hide who the seed was.
      list.push({
        case: 'utp',
        variant: seeder === leecher ? 'both ends alike' : `from ${seeder}`,
        program: leecher,
        run: () => transfer(leecher, 'single', 'tmpfs', seeder, leecher, 1, true),
      });
    }
  }
  if (options.cases.includes('swarm')) {
    // Transmission's ten-second ticks would make this a matter of minutes.
    for (const program of programs.filter((name) => name !== 'transmission'))
      list.push({
        case: 'swarm',
        variant: `1+${SWARM_LEECHERS}, tmpfs`,
        program,
        run: () => transfer(program, 'single', 'tmpfs', program, program, SWARM_LEECHERS),
      });
  }
  for (const program of programs) {
    const single = (): Promise<Payload> => payloads('single', 'tmpfs', program);
    if (options.cases.includes('check'))
      list.push({
        case: 'check',
        variant: 'single',
        program,
        run: async () => {
          // Hashing is quick everywhere: Transmission gets the whole file too.
          const payload = await payloads('single', 'tmpfs', 'tt');
          const { wallMs, cpuS } = await recheck(bench, RACERS[program], payload);
          return { MBps: (payload.totalBytes / wallMs) * (1000 / MB), wallS: wallMs / 1000, cpuS };
        },
      });
    if (options.cases.includes('start'))
      list.push({
        case: 'start',
        variant: `${START_MIB} MiB, tracker, from libtorrent`,
        program,
        run: async () => {
          const payload = await startPayload(bench);
          const sample = await race(bench, {
            payload,
            seeder: RACERS.libtorrent,
            leecher: RACERS[program],
            leecherCount: 1,
            fileSystem: 'tmpfs',
          });
          return {
            firstByteS: sample.firstByteMs / 1000,
            wallS: sample.wallMs / 1000,
            cpuS: sample.leecherCpuS,
          };
        },
      });
    if (options.cases.includes('magnet'))
      list.push({
        case: 'magnet',
        variant: 'tracker in the link, from libtorrent',
        program,
        run: async () => {
          const { wallMs, cpuS } = await magnetToMetadata(
            bench,
            RACERS[program],
            RACERS.libtorrent,
            await single(),
          );
          return { wallS: wallMs / 1000, cpuS };
        },
      });
    if (options.cases.includes('idle'))
      list.push({
        case: 'idle',
        variant: 'one torrent seeding',
        program,
        run: async () => {
          const sample = await idle(bench, RACERS[program], await single());
          return {
            anonMiB: sample.anonBytes / MIB,
            pssMiB: sample.pssBytes / MIB,
            rssMiB: sample.rssBytes / MIB,
            cpuPercent: sample.cpuShare * 100,
          };
        },
      });
  }
  if (options.cases.includes('screen') && programs.includes('tt')) {
    list.push({
      case: 'screen',
      variant: '120x40 beside -q, tmpfs, from aria2',
      program: 'tt',
      run: async () => {
        const { steadyPercent, onceCpuS, quiet, screen } = await screenCost(
          bench,
          Math.ceil(options.sizeMib / SCREEN_MIB_PER_GIB),
        );
        return {
          steadyPercent,
          onceCpuS,
          wallS: screen.wallS,
          quietWallS: quiet.wallS,
          cpuS: screen.cpuS,
          quietCpuS: quiet.cpuS,
          drawnKiBPerS: screen.drawnBytes / 1024 / screen.wallS,
        };
      },
    });
  }
  if (options.cases.includes('dht')) {
    for (const method of DHT_METHODS) {
      for (const program of DHT_RESPONDERS) {
        if ((program === 'libtorrent' || program === 'tt') && !programs.includes(program)) continue;
        list.push({
          case: 'dht',
          variant: `${method}, table of 64`,
          program,
          run: () => flood(bench, program, method),
        });
      }
    }
  }
  return list;
}

function startPayload(bench: Bench): Promise<Payload> {
  return preparePayload(singleFile(START_MIB * MIB), join(bench.scratch.tmpfs, 'payload'));
}

async function measure(bench: Bench, options: BenchOptions): Promise<Table> {
  const table = new Table();
  const payloads: Payloads = (what, fileSystem, program) => {
    const mib =
      program === 'transmission' ? Math.min(options.sizeMib, TRANSMISSION_MOST_MIB) : options.sizeMib;
    const spec =
      what === 'single' ? singleFile(mib * MIB) : smallFiles(Math.max(1, Math.floor(mib / 4)) * MIB);
    return preparePayload(spec, join(bench.scratch[fileSystem], 'payload'));
  };
  const plan = steps(bench, options, payloads);
  const say = (text: string): void => void process.stderr.write(text);
  for (let round = 0; round < options.rounds; round++) {
    // Another order each round: nobody always follows the same neighbour.
    const shift = (round * 7) % plan.length;
    for (const step of [...plan.slice(shift), ...plan.slice(0, shift)]) {
      if (step.program === 'transmission' && round >= TRANSMISSION_MOST_ROUNDS) continue;
      say(`round ${round + 1}/${options.rounds}  ${step.case} · ${step.variant} · ${step.program} ... `);
      try {
        const figures = await step.run();
        table.add(step.case, step.variant, step.program, figures);
        const shown = Object.entries(figures).map(([name, value]) => `${name} ${value.toPrecision(3)}`);
        say(`${shown.join(', ')}\n`);
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error);
        table.fail(step.case, step.variant, step.program, message);
        say(`FAILED: ${message}\n`);
      }
    }
  }
  return table;
}

async function main(): Promise<number> {
  const options = parseOptions(process.argv.slice(2));
  if (options === undefined) {
    process.stdout.write(HELP);
    return 0;
  }
  const peers = [...options.programs, ...(options.cases.includes('webseed') ? (['nginx'] as const) : [])];
  const missing = peers.flatMap((name) => (name === 'tt' ? [] : (missingReason(name) ?? [])));
  if (missingReason('libtorrent') !== undefined || missing.length > 0) {
    process.stderr.write(`bench: ${[...new Set([missingReason('libtorrent'), ...missing])].join('; ')}\n`);
    return 1;
  }
  if (networkMissing() !== undefined) {
    // Once more, inside a network of our own.
    const runner = fileURLToPath(new URL('../interop/run.ts', import.meta.url));
    const self = fileURLToPath(import.meta.url);
    const child = spawnSync(
      process.execPath,
      [runner, '--', process.execPath, self, ...process.argv.slice(2)],
      {
        stdio: 'inherit',
        env: { ...process.env, TT_INTEROP: 'required', [ADDRESS_COUNT_VARIABLE]: String(ADDRESSES) },
      },
    );
    return child.status ?? 1;
  }
  if (options.programs.includes('tt') && !existsSync(join(PROJECT, 'dist', 'program', 'main.cjs'))) {
    process.stderr.write('bench: tt is not built: npm run build\n');
    return 1;
  }
  mkdirSync(BENCH_DIR, { recursive: true });
  using tmpfs = makeTempDir('tt-bench-', '/dev/shm');
  using disk = makeTempDir('work-', BENCH_DIR);
  const tracker = new StaticTracker();
  await tracker.start();
  const keeper = new Keeper();
  const bench: Bench = {
    keeper,
    tracker,
    scratch: { tmpfs: tmpfs.path, disk: disk.path },
    homeDir: join(tmpfs.path, 'home'),
  };
  const startedAt = new Date();
  try {
    if (options.programs.includes('tt')) await warmUp(bench, await startPayload(bench));
    const table = await measure(bench, options);
    const rows = table.rows();
    const document = {
      schema: 'tt-bench/1',
      startedAt: startedAt.toISOString(),
      seconds: Math.round((Date.now() - startedAt.getTime()) / 1000),
      machine: {
        cpu: cpus()[0]?.model,
        cores: cpus().length,
        memoryGiB: Math.round(totalmem() / 1024 ** 3),
        kernel: release(),
        node: process.version,
      },
      options,
      verdicts: verdicts(rows),
      rows,
    };
    const text = `${JSON.stringify(document, null, 2)}\n`;
    const name = `${startedAt.toISOString().replaceAll(/[:.]/g, '-')}.json`;
    writeFileSync(join(BENCH_DIR, name), text);
    writeFileSync(join(BENCH_DIR, 'latest.json'), text);
    if (options.json) process.stdout.write(text);
    else
      process.stdout.write(
        `\n${formatTable(rows)}\n\n${formatVerdicts(document.verdicts)}\n\nwritten to .bench/${name}\n`,
      );
    return rows.some(({ failures }) => failures.length > 0) ? 1 : 0;
  } finally {
    keeper.close();
    await tracker.stop();
    rmSync(bench.homeDir, { recursive: true, force: true });
  }
}

process.exitCode = await main();
