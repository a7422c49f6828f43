// The key of an installation stands between two runs only where it hides their addresses.
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { reopenRun } from '../../../dht/crawl/io/open-run.ts';
import { DatasetStore } from '../../../dht/dataset/io/store.ts';
import { retentionOf } from '../../../dht/report/io/retention.ts';
import { makeRunFolder } from '../../support/run-folder.ts';
import { makeTempDir } from '../../support/temp.ts';

const place = makeTempDir('tt-keys-');
afterAll(() => place.remove());

const NODES = 10;

/** Two runs of the same nodes on machines with keys of their own. */
async function compared(ipPrivacy: 'raw' | 'prefix' | 'hmac'): Promise<ReturnType<typeof retentionOf>> {
  const names = ['0123456789abcdef', 'fedcba9876543210'];
  const runs = await Promise.all(
    names.map(async (key) => {
      const label = `${ipPrivacy}-${key}`;
      const directory = join(place.path, label);
      const run = await makeRunFolder(directory, { ipPrivacy, nodes: NODES, header: { ip_key_id: key } });
      return { label, run, store: await DatasetStore.open(join(directory, 'data.sqlite'), 'write') };
    }),
  );
  try {
    return retentionOf(runs);
  } finally {
    for (const { store } of runs) store.close();
  }
}

describe('runs of two installations', () => {
  it.each(['raw', 'prefix'] as const)('are compared when their addresses are %s', async (ipPrivacy) => {
    const [pair] = await compared(ipPrivacy);
    expect(pair).toMatchObject({ reason: undefined, before: 8, stayed: 8 });
  });

  it('are not when they are hashed', async () => {
    const [pair] = await compared('hmac');
    expect(pair?.reason).toMatch(/different keys/);
  });
});

describe('a run that was stopped', () => {
  it.each(['raw', 'prefix', 'hmac'] as const)('with addresses as %s', async (ipPrivacy) => {
    const directory = join(place.path, `stopped-${ipPrivacy}`);
    await makeRunFolder(directory, {
      ...{ ipPrivacy, nodes: NODES },
      header: { state: 'partial', ip_key_id: '0123456789abcdef' },
    });
    const opening = reopenRun({ directory, key: new Uint8Array(32) });
    if (ipPrivacy === 'hmac') await expect(opening).rejects.toThrow(/not the one this run began with/);
    else (await opening).store.close();
  });
});
