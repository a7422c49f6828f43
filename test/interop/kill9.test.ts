// `kill -9` at any moment: a real download, killed again and again at seeded random moments, loses no verified piece and fetches
// none twice; what is fetched again is what was in flight.
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { sha256OfTree } from '../support/hash.ts';
import { randomUint32 } from '../support/payload.ts';
import { makeTempDir } from '../support/temp.ts';
import { libtorrent } from './support/libtorrent.ts';
import { sharedTorrent } from './support/matrix.ts';
import { skipsFor } from './support/requirements.ts';
import { tt } from './support/tt.ts';

const KILLS = 14;
/** What the seed may give: one copy in this time, so that the download outlives the kills. */
const COPY_SECONDS = 8;
const STEP_TIMEOUT_MS = 90_000;
/** What one kill may cost beyond open pieces: payload in the two sockets' buffers. */
const SOCKET_BYTES = 2 * 1024 * 1024;
const SEED = process.env['TT_SEED'] ?? 'kill -9';

describe.skipIf(skipsFor('libtorrent'))('kill -9', () => {
  for (const { content, encryption } of [
    { content: 'swarm.bin', encryption: 'plain' },
    { content: 'tree a', encryption: 'required' },
  ] as const) {
    test.concurrent(`a download of ${content} survives ${KILLS} kills (TT_SEED=${SEED})`, async () => {
      using scratch = makeTempDir('tt-kill9-');
      const torrent = sharedTorrent(content);
      const random = randomUint32(`${SEED}/${content}`);
      const base = { infoHash: torrent.infoHash, name: torrent.name, torrentFile: torrent.torrentFile };
      const seeder = await libtorrent.start({
        family: 'v4',
        encryption: 'preferred',
        stateDir: join(scratch.path, 'seed'),
      });
      try {
        const seeding = await seeder.seed(base, torrent.parentDir);
        const rate = Math.ceil(torrent.totalBytes / COPY_SECONDS);
        await seeder.call('set_limits', { info_hash: torrent.infoHash, up: rate });
        const out = join(scratch.path, 'out');
        const verified = new Map<number, number>();
        const lost: string[] = [];
        let runs = 0;
        for (let isComplete = false; !isComplete; runs++) {
          const isLast = runs >= KILLS;
          const client = await tt.start({ family: 'v4', encryption, stateDir: join(scratch.path, 'tt') });
          const transfer = await client.leech({ ...base, peers: [seeder.endpoint] }, out);
          const knownBefore = verified.size;
          if (isLast) {
            await transfer.waitUntilComplete(STEP_TIMEOUT_MS);
          } else {
            // Either a number of pieces into this run or a number of milliseconds after its start: both ends of the run get hit.
            const share = torrent.pieceCount / KILLS;
            const pieces = random() % Math.ceil(share * 1.6);
            const afterMs = random() % 120;
            await transfer.process
              .waitFor(() => transfer.events.filter(({ event }) => event === 'piece').length >= pieces, {
                what: `${pieces} pieces`,
                timeoutMs: STEP_TIMEOUT_MS,
                everyMs: 5,
              })
              .catch((error: unknown) => {
                if (transfer.process.status?.code !== 0) throw error;
              });
            await new Promise((resolve) => setTimeout(resolve, afterMs));
            transfer.process.signal('SIGKILL');
            await transfer.process.exited;
          }
          isComplete = transfer.process.status?.code === 0;
          const checked = transfer.last('checked');
          if (checked !== undefined && Number(checked['verifiedPieces']) < knownBefore)
            lost.push(
              `run ${runs}: ${String(checked['verifiedPieces'])} pieces found, ${knownBefore} were verified`,
            );
          for (const { event, ...fields } of transfer.events) {
            if (event !== 'piece') continue;
            const piece = Number(fields['piece']);
            verified.set(piece, (verified.get(piece) ?? 0) + 1);
          }
        }
        expect(sha256OfTree(join(out, torrent.name))).toBe(torrent.sha256);
        expect(lost).toEqual([]);
        const twice = [...verified].filter(([, times]) => times > 1).map(([piece]) => piece);
        const { uploaded } = await seeding.raw();
        const againBytes = uploaded - torrent.totalBytes;
        process.stderr.write(
          `kill9: ${content}: ${runs} runs, ${torrent.pieceCount} pieces, ${twice.length} verified twice, ${againBytes} bytes fetched again\n`,
        );
        expect(twice).toEqual([]);
        expect(againBytes).toBeLessThan(runs * SOCKET_BYTES);
      } finally {
        await seeder.stop();
      }
    });
  }
});
