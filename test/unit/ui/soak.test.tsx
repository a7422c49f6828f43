// An hour at the screen, on a clock of its own: 36,000 pictures through the model, Ink and the terminal. What is held at the end is
// what was held after the first minutes.
import { describe, expect, it } from 'vitest';
import { render } from '../../../cli/ui/ink.ts';
import { Screen } from '../../../cli/ui/screen.tsx';
import type { SessionSnapshot } from '../../../core/session/snapshot.ts';
import { liveBytes } from '../../support/live-memory.ts';
import {
  dhtPicture,
  FakeStdin,
  FakeStdout,
  file,
  modelRig,
  peer,
  session,
  torrent,
} from '../../support/screen-rig.ts';

const FRAMES = 36_000;
const FRAME_MS = 100;
/** History is full after ten minutes; from then on nothing may grow. */
const SETTLED_AT = 6_600;
const PIECES = 2_000;
/** What the compiled code and caches of the engine below us move by, either way. */
const MOST_GROWTH_BYTES = 1.5e6;

/** A download in which everything moves: speeds, peers that come and go, pieces, round trips, files. */
function pictureAt(frame: number): SessionSnapshot {
  const done = Math.floor((frame / FRAMES) * PIECES);
  const pieces = new Uint8Array(PIECES / 8).fill(0xff, 0, done >> 3);
  const peers = Array.from({ length: 20 + (frame % 20) }, (_, i) =>
    peer({
      address: `203.0.113.${(frame + i) % 250}:${1024 + (frame % 60_000)}`,
      client: `client ${frame % 977}`,
      downRateBytesPerSec: ((frame * 31 + i * 7) % 1000) * 1000,
    }),
  );
  const moving = torrent({
    peers,
    pieces,
    pieceCount: PIECES,
    openPieces: [done, done + 1],
    verifiedPieces: done,
    verifiedBytes: done << 19,
    downRateBytesPerSec: (frame % 3000) * 5000,
    etaMs: (FRAMES - frame) * FRAME_MS,
    files: Array.from({ length: 30 }, (_, i) => file(i, { verifiedBytes: (frame * i) % (10 << 20) })),
  });
  return session([moving], {
    atMs: frame * FRAME_MS,
    dht: dhtPicture({ roundTripP90Ms: 100 + (frame % 400) }),
  });
}

describe('an hour at the screen', () => {
  it('holds no more at its end than after ten minutes', async () => {
    const { model } = modelRig({ hasColor: true });
    const stdout = new FakeStdout(120, 40);
    const instance = render(<Screen model={model} />, {
      stdout: stdout as unknown as NodeJS.WriteStream,
      stdin: new FakeStdin() as unknown as NodeJS.ReadStream,
      interactive: true,
      incrementalRendering: true,
      exitOnCtrlC: false,
      patchConsole: false,
      maxFps: 1_000,
    });
    try {
      let settled = 0;
      for (let frame = 0; frame < FRAMES; frame++) {
        model.setSnapshot(pictureAt(frame));
        model.frame(120, 40);
        if (frame % 40 === 0) model.press(String(1 + ((frame / 40) % 6)));
        // Unbounded, these alone would be ten megabytes.
        model.note(`line ${frame} of the log: ${String(frame).repeat(40)}`);
        // Ink draws in its own time: it must get some.
        if (frame % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
        stdout.written = '';
        if (frame === SETTLED_AT) settled = liveBytes();
      }
      const grown = liveBytes() - settled;
      expect(stdout.lastFrame).not.toBe('');
      expect(grown).toBeLessThan(MOST_GROWTH_BYTES);
    } finally {
      instance.unmount();
    }
  }, 300_000);
});
