// A user's second run: what V8 compiled of a seed, a download, a check and a magnet is there. It is kept when a program ends
// by itself, which most of the measured ones are not allowed to.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { magnetToMetadata, recheck } from './checks.ts';
import type { Payload } from './payloads.ts';
import { RACERS, type Racer } from './programs.ts';
import { type Bench, makeTask, startSeed } from './race.ts';

const TIMEOUT_MS = 60_000;

/** @param payload a small one */
export async function warmUp(bench: Bench, payload: Payload, tt: Racer = RACERS.tt): Promise<void> {
  const room = bench.tracker.room({ isOpen: true });
  const seedTask = await makeTask(bench, payload, room, { dir: payload.dir, fileSystem: 'tmpfs' });
  const dir = join(bench.scratch.tmpfs, 'warm-up');
  const leechTask = await makeTask(bench, payload, room, { dir, fileSystem: 'tmpfs' });
  const seed = await startSeed(bench, tt, seedTask, room);
  try {
    const leech = await bench.keeper.start(tt.leech(leechTask, false), join(leechTask.stateDir, 'leech'));
    const { code } = await leech.waitForExit(TIMEOUT_MS);
    if (code !== 0) throw new Error(`the first download of tt ended with ${code}\n${leech.tail()}`);
    seed.signal('SIGINT');
    await seed.waitForExit(TIMEOUT_MS);
    await recheck(bench, tt, payload);
    await magnetToMetadata(bench, tt, tt, payload);
  } finally {
    await seed.kill();
    for (const each of [dir, seedTask.stateDir, leechTask.stateDir])
      rmSync(each, { recursive: true, force: true });
  }
}
