// What the screen costs: the same download from the same seed on loopback, once with -q and once with the screen at 120x40 in a
// real terminal (tmux), in pairs, the order turned each round. `node test/bench/screen.ts [--rounds N] [--size BYTES]`
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os, { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { start } from '../support/process.ts';

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '5' }, size: { type: 'string', default: String(2 ** 31) } },
});
const launcher = fileURLToPath(new URL('../../bin/tt.cjs', import.meta.url));
const size = Number(values.size);
const place = mkdtempSync(path.join(tmpdir(), 'tt-bench-screen-'));
const env = { ...process.env, TT_HOME: `${place}/home`, TT_DHT: 'false', TT_LSD: 'false', CI: '' };
const flags = '--port 0 --interface 127.0.0.1';
const POLL_MS = 100;
const MOST_MS = 300_000;

interface Cost {
  readonly wallSec: number;
  readonly cpuSec: number;
}

/** One download inside tmux, timed by the shell: user and system time of all of it. */
async function download(magnet: string, round: string, more: string): Promise<Cost> {
  const tmux = (...args: string[]): string =>
    execFileSync('tmux', ['-u', '-S', `${place}/tmux`, '-f', '/dev/null', ...args], {
      encoding: 'utf8',
      env,
    });
  const done = `${place}/${round}.times`;
  const line = `${process.execPath} ${launcher} download '${magnet}' -o ${place}/${round} ${flags} ${more}`;
  const script = `TIMEFORMAT='%R %U %S'; { time ${line} 2>${place}/${round}.err; } 2>${done}.part; mv ${done}.part ${done}`;
  writeFileSync(`${place}/${round}.sh`, script);
  tmux('new-session', '-d', '-x', '120', '-y', '40', 'bash', `${place}/${round}.sh`);
  for (let waited = 0; waited < MOST_MS; waited += POLL_MS) {
    await sleep(POLL_MS);
    let text: string;
    try {
      text = readFileSync(done, 'utf8');
    } catch {
      continue;
    }
    const last = text.trim().split('\n').at(-1) as string;
    const [real = 0, user = 0, system = 0] = last.split(' ').map(Number);
    rmSync(`${place}/${round}`, { recursive: true, force: true });
    return { wallSec: real, cpuSec: user + system };
  }
  throw new Error(`${round}: not done after ${MOST_MS} ms`);
}

const median = (list: readonly number[]): number =>
  [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)] as number;

writeFileSync(`${place}/data.bin`, new Uint8Array(0));
execFileSync('bash', ['-c', `head -c ${size} /dev/urandom > ${place}/data.bin`]);
const seed = start(
  process.execPath,
  [launcher, 'seed', `${place}/data.bin`, '--events', ...flags.split(' ')],
  {
    cwd: place,
    env,
  },
);
try {
  const { magnet } = JSON.parse(await seed.waitForLine(/"event":"seeding"/, MOST_MS)) as { magnet: string };
  const shares: number[] = [];
  for (let round = 1; round <= Number(values.rounds); round++) {
    const order = round % 2 === 0 ? (['-q', ''] as const) : (['', '-q'] as const);
    const costs = new Map<string, Cost>();
    for (const more of order)
      costs.set(more, await download(magnet, `r${round}${more === '' ? 's' : 'q'}`, more));
    const [screen, quiet] = [costs.get('') as Cost, costs.get('-q') as Cost];
    // Per second of the download: the cost of a frame does not depend on how much comes meanwhile.
    const share = (100 * (screen.cpuSec - quiet.cpuSec)) / screen.wallSec;
    shares.push(share);
    const rate = (cost: Cost): string => `${(size / 2 ** 20 / cost.wallSec).toFixed(0)} MiB/s`;
    console.log(
      `round ${round}: screen ${screen.cpuSec.toFixed(2)} CPU-s in ${screen.wallSec.toFixed(2)} s (${rate(screen)}), -q ${quiet.cpuSec.toFixed(2)} in ${quiet.wallSec.toFixed(2)} s (${rate(quiet)}): ${share.toFixed(1)} % of a core`,
    );
  }
  console.log(
    `median of ${shares.length}: ${median(shares).toFixed(1)} % of a core (${os.availableParallelism()} cores)`,
  );
} finally {
  await seed.stop('SIGINT');
  try {
    execFileSync('tmux', ['-S', `${place}/tmux`, 'kill-server'], { stdio: 'ignore' });
  } catch {
    // It ends by itself with its last session.
  }
  rmSync(place, { recursive: true, force: true });
}
