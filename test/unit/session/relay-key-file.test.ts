import { statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { toHex } from '../../../core/base/bytes.ts';
import { seededRng } from '../../../core/base/clock.ts';
import { RelayKeyFile } from '../../../core/session/reach/relay-key-file.ts';
import { makeTempDir } from '../../support/temp.ts';

const dir = makeTempDir('tt-relay-key-');
afterAll(() => dir.remove());
const rng = seededRng(5);
const NOW_MS = Date.UTC(2026, 0, 1);
const MINUTE_MS = 60_000;

it('a key outlives a restart of ten minutes and no more; each place has its own', async () => {
  const load = async (place: string, atMs: number): Promise<string> =>
    toHex((await new RelayKeyFile(dir.path, place).load(rng, atMs)).publicKey);
  const first = await load('6881', NOW_MS);
  expect(await load('6881', NOW_MS + 9 * MINUTE_MS)).toBe(first);
  expect(await load('6882', NOW_MS)).not.toBe(first);
  // Used until then.
  await new RelayKeyFile(dir.path, '6881').touch(NOW_MS + 9 * MINUTE_MS);
  expect(await load('6881', NOW_MS + 18 * MINUTE_MS)).toBe(first);
  const later = await load('6881', NOW_MS + 30 * MINUTE_MS);
  expect(later).not.toBe(first);
  expect(await load('6881', NOW_MS + 31 * MINUTE_MS)).toBe(later);
  expect(statSync(join(dir.path, 'relay-keys', '6881.key')).mode & 0o077).toBe(0);
});

it('a file that is none, or a folder that cannot be written, costs nothing but the old key', async () => {
  const file = join(dir.path, 'relay-keys', '7000.key');
  writeFileSync(file, 'no key at all');
  utimesSync(file, NOW_MS / 1000, NOW_MS / 1000);
  const identity = await new RelayKeyFile(dir.path, '7000').load(rng, NOW_MS);
  expect(identity.publicKey).toHaveLength(32);
  const nowhere = new RelayKeyFile(join(file, 'below-a-file'), '7001');
  expect((await nowhere.load(rng, NOW_MS)).publicKey).toHaveLength(32);
});
