// A process to be killed: fetches what is missing of a torrent and says each piece the storage called good. After so many it stands
// still until stdin says or ends: who is to kill it may be slow, and must not find that it has long finished.
// usage: node kill-child.ts FOLDER PIECES
import { readSync, writeSync } from 'node:fs';
import { seededRng, shuffle } from '../../../core/base/clock.ts';
import { killTorrent } from './kill-torrent.ts';
import { allPieces, Harness } from './support.ts';

const [folder = '', most = ''] = process.argv.slice(2);
const torrent = killTorrent();
let left = Number(most);
const harness = await Harness.open(torrent, folder, {
  onPieceResult: (piece, ok) => {
    // A system call, not a stream: what was said stays said after kill -9.
    writeSync(1, `${ok ? 'good' : 'bad'} ${piece}\n`);
    left -= 1;
    if (left === 0) readSync(0, new Uint8Array(1));
  },
});
if (harness.storage.needsCheck.length > 0)
  await harness.storage.check({ ranges: harness.storage.needsCheck });
const missing = allPieces(torrent).filter((piece) => !harness.storage.have.has(piece));
await harness.give(shuffle(seededRng(process.pid), missing), { order: (segments) => segments.reverse() });
await harness.close();
