// Blocks for one peer leave together: those of one read of the socket, and those that one read of the disk brought.
import { expect, test } from 'vitest';
import { type UploadLine, UploadPump } from '../../../core/session/peer/upload-pump.ts';
import type { ReadDone } from '../../../core/storage/read-cache.ts';
import type { TorrentStorage } from '../../../core/storage/torrent-storage.ts';
import type { Swarm } from '../../../core/swarm/swarm.ts';
import type { SwarmPeer } from '../../../core/swarm/swarm-peer.ts';
import type { RateLimiter } from '../../../core/transport/rate-limiter.ts';

const BLOCK = 16_384;

function setup(isCached: boolean) {
  const requests: { piece: number; begin: number; length: number }[] = [];
  const reads: (() => void)[] = [];
  const said: string[] = [];
  const line: UploadLine = {
    queuedBytes: 0,
    cork: () => said.push('cork'),
    uncork: () => said.push('uncork'),
    sendBlock: (piece, begin) => said.push(`${piece}:${begin / BLOCK}`),
    nowMs: () => 0,
  };
  const swarm = { nextUpload: () => requests.shift(), handleUploaded: () => {} };
  const storage = {
    read: (_piece: number, _begin: number, length: number, done: ReadDone) => {
      const answer = (): void => done(undefined, new Uint8Array(length), () => {});
      if (isCached) answer();
      else reads.push(answer);
    },
  };
  const limiter = { isOpen: () => true, spend: () => {} };
  const pump = new UploadPump({
    swarm: swarm as unknown as Swarm,
    peer: {} as SwarmPeer,
    storage: storage as unknown as TorrentStorage,
    limiter: limiter as unknown as RateLimiter,
    line,
  });
  const ask = (piece: number, block: number): void => {
    requests.push({ piece, begin: block * BLOCK, length: BLOCK });
    pump.pumpSoon();
  };
  return { pump, said, reads, ask };
}

/** Microtasks that are due have run. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('requests of one read are served in one system call, after all of them are known', async () => {
  const { said, ask } = setup(true);
  for (let block = 0; block < 3; block++) ask(0, block);
  expect(said).toEqual([]);
  await turn();
  expect(said).toEqual(['cork', '0:0', '0:1', '0:2', 'uncork']);
  ask(1, 0);
  await turn();
  expect(said.slice(5)).toEqual(['cork', '1:0', 'uncork']);
});

test('blocks that waited for one read of the disk leave in one system call', async () => {
  const { said, reads, ask } = setup(false);
  for (let block = 0; block < 3; block++) ask(0, block);
  await turn();
  expect(reads).toHaveLength(3);
  said.length = 0;
  for (const answer of reads.splice(0)) answer();
  await turn();
  expect(said).toEqual(['cork', '0:0', '0:1', '0:2', 'uncork']);
});

test('a closed pump sends nothing more and leaves nothing corked', async () => {
  const { pump, said, reads, ask } = setup(false);
  ask(0, 0);
  await turn();
  pump.close();
  for (const answer of reads.splice(0)) answer();
  ask(0, 1);
  await turn();
  expect(said.filter((word) => word === 'cork')).toHaveLength(1);
  expect(said.filter((word) => word === 'uncork')).toHaveLength(1);
  expect(said).not.toContain('0:0');
});
