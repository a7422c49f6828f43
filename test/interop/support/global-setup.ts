// Made once for all interop test files: the test torrents, in a folder that every worker reads.
import { makeTempDir } from '../../support/temp.ts';
import { networkMissing } from './network.ts';
import { isRequired, missingReason } from './requirements.ts';
import { makeTestTorrent, type TestTorrent } from './torrents.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    torrents: readonly SharedTorrent[];
  }
}

/** A TestTorrent without its bytes: what can travel to a worker. */
export type SharedTorrent = Omit<TestTorrent, 'torrentBytes'>;

const KIB = 1024;
const MIB = 1024 * KIB;

/** Sizes are odd on purpose: the last piece and the last block are short. */
const SPECS = [
  { name: 'single-a.bin', totalBytes: 8 * MIB + 4_321, pieceLength: 64 * KIB },
  { name: 'single-b.bin', totalBytes: 9 * MIB - 1, pieceLength: 256 * KIB, madeBy: 'transmission' },
  { name: 'tree a', totalBytes: 6 * MIB + 17, pieceLength: 32 * KIB, fileCount: 2_000 },
  {
    name: 'tree-b',
    totalBytes: 7 * MIB + 333,
    pieceLength: 128 * KIB,
    fileCount: 2_000,
    madeBy: 'transmission',
  },
  { name: 'swarm.bin', totalBytes: 24 * MIB + 5, pieceLength: 128 * KIB },
] as const;

export default async function setup(project: {
  provide(key: 'torrents', value: readonly SharedTorrent[]): void;
}): Promise<() => void> {
  const noNetwork = networkMissing();
  if (noNetwork !== undefined) throw new Error(noNetwork);
  if (missingReason('libtorrent') !== undefined) {
    if (isRequired()) throw new Error(missingReason('libtorrent'));
    // The test files say loudly that they skip.
    project.provide('torrents', []);
    return () => undefined;
  }
  const dir = makeTempDir('tt-interop-torrents-');
  const torrents: SharedTorrent[] = [];
  for (const spec of SPECS) {
    const madeBy =
      'madeBy' in spec && missingReason(spec.madeBy) === undefined ? spec.madeBy : ('libtorrent' as const);
    const { torrentBytes: _, ...shared } = await makeTestTorrent({ ...spec, dir: dir.path, madeBy });
    torrents.push(shared);
  }
  project.provide('torrents', torrents);
  return () => dir.remove();
}
