// The small machines of the swarm, each alone: request ring, upload queue, rate meter, pipeline.

import { describe, expect, it } from 'vitest';
import { BLOCK_BYTES } from '../../../core/metainfo/layout.ts';
import {
  INITIAL_DEPTH,
  MAX_DEPTH,
  MIN_DEPTH,
  Pipeline,
  USUAL_MAX_DEPTH,
} from '../../../core/swarm/pipeline.ts';
import { RateMeter } from '../../../core/swarm/rate-meter.ts';
import { RequestRing } from '../../../core/swarm/request-ring.ts';
import { UploadQueue } from '../../../core/swarm/upload-queue.ts';
import fc from '../../support/property.ts';

describe('request ring', () => {
  it('behaves as a list does, through growth, wrapping, lapses and removals anywhere', () => {
    const command = fc.record({ kind: fc.nat(6), where: fc.nat(1000) });
    fc.assert(
      fc.property(fc.array(command, { maxLength: 400 }), (commands) => {
        const ring = new RequestRing();
        let youngestAnswered = -1;
        let model: { piece: number; block: number; at: number; lapsed: boolean }[] = [];
        for (const [step, { kind, where }] of commands.entries()) {
          const index = model.length === 0 ? -1 : where % model.length;
          if (kind <= 1 || index < 0) {
            ring.push(step, where, step);
            model.push({ piece: step, block: where, at: step, lapsed: false });
          } else if (kind === 2) {
            ring.removeAt(index);
            model = model.filter((_, at) => at !== index);
          } else if (kind === 5) {
            ring.answerAt(index);
            youngestAnswered = Math.max(youngestAnswered, (model[index] as { piece: number }).piece);
            model = model.filter((_, at) => at !== index);
          } else if (kind === 6) {
            ring.forgetPassedOver();
            model = model.filter(({ piece, lapsed }) => !lapsed || piece > youngestAnswered);
          } else if (kind === 3) {
            ring.lapse(index);
            (model[index] as { lapsed: boolean }).lapsed = true;
          } else {
            ring.renew(index);
            (model[index] as { lapsed: boolean }).lapsed = false;
          }
        }
        expect(ring.size).toBe(model.length);
        expect(ring.lapsedCount).toBe(model.filter(({ lapsed }) => lapsed).length);
        for (const [index, { piece, block, at, lapsed }] of model.entries()) {
          expect(ring.find(piece, block)).toBe(index);
          expect([ring.pieceAt(index), ring.blockAt(index), ring.sentAtMsAt(index)]).toEqual([
            piece,
            block,
            at,
          ]);
          expect(ring.isLapsedAt(index)).toBe(lapsed);
        }
        expect(ring.find(-1, 0)).toBe(-1);
      }),
    );
  });
});

describe('upload queue', () => {
  it('behaves as a list does', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ kind: fc.nat(3), piece: fc.nat(5) }), { maxLength: 300 }),
        (commands) => {
          const queue = new UploadQueue();
          let model: number[] = [];
          for (const { kind, piece } of commands) {
            if (kind <= 1) {
              queue.push(piece, 1, 2);
              model.push(piece);
            } else if (kind === 2) {
              expect(queue.shift()?.piece).toBe(model.shift());
            } else {
              const index = model.indexOf(piece);
              expect(queue.remove(piece, 1, 2)).toBe(index >= 0);
              if (index >= 0) model.splice(index, 1);
            }
            expect(queue.size).toBe(model.length);
          }
          const dropped: number[] = [];
          queue.filter(
            (piece) => piece % 2 === 0,
            (piece) => dropped.push(piece),
          );
          expect(dropped).toEqual(model.filter((piece) => piece % 2 === 1));
          model = model.filter((piece) => piece % 2 === 0);
          for (const piece of model) expect(queue.shift()?.piece).toBe(piece);
          expect(queue.shift()).toBeUndefined();
        },
      ),
    );
  });
});

describe('rate meter', () => {
  it('forgets what is older than 20 s and keeps the total', () => {
    const meter = new RateMeter();
    meter.add(1000, 500);
    meter.add(2000, 10_000);
    expect(meter.windowBytes(19_999)).toBe(3000);
    expect(meter.windowBytes(20_000)).toBe(2000);
    expect(meter.windowBytes(500_000)).toBe(0);
    expect(meter.total).toBe(3000);
  });

  it('shows the rate of a steady line, from the first second on', () => {
    const meter = new RateMeter();
    for (let ms = 7000; ms <= 60_000; ms += 100) {
      meter.add(10_000, ms);
      if (ms >= 8000) expect(meter.rateBytesPerSec(ms)).toBeGreaterThan(90_000);
      if (ms >= 8000) expect(meter.rateBytesPerSec(ms)).toBeLessThan(115_000);
    }
    expect(meter.windowRateBytesPerSec(60_000)).toBeCloseTo(100_000, -4);
    expect(meter.rateBytesPerSec(66_000)).toBe(0);
  });

  it('is zero before anything came, at any time', () => {
    const meter = new RateMeter();
    expect(meter.rateBytesPerSec(1e9)).toBe(0);
    expect(meter.windowBytes(0)).toBe(0);
  });
});

/** A line of constant rate and delay with an endless queue behind it. @returns depths, one a second */
function runLine(
  pipeline: Pipeline,
  rateBytesPerSec: number,
  roundTripMs: number,
  seconds: number,
): number[] {
  const sent: number[] = [];
  const depths: number[] = [];
  let nowMs = 0;
  let freeAtMs = 0;
  const fill = (): void => {
    while (sent.length < pipeline.depth) {
      pipeline.noteRequest(sent.length, nowMs);
      sent.push(nowMs);
    }
  };
  fill();
  while (nowMs < seconds * 1000) {
    const sentAtMs = sent.shift() as number;
    freeAtMs = Math.max(freeAtMs, sentAtMs + roundTripMs) + (BLOCK_BYTES * 1000) / rateBytesPerSec;
    nowMs = freeAtMs;
    pipeline.noteBlock(BLOCK_BYTES, sentAtMs, nowMs);
    while (depths.length < Math.floor(nowMs / 1000)) depths.push(pipeline.depth);
    fill();
  }
  return depths;
}

describe('pipeline', () => {
  it('starts generously and reaches the most within a second on a fast line', () => {
    const pipeline = new Pipeline();
    expect(pipeline.depth).toBe(INITIAL_DEPTH);
    expect(runLine(pipeline, 500e6, 0.2, 1)[0]).toBe(USUAL_MAX_DEPTH);
  });

  it('fills a long fat line: 12 MB/s at 150 ms', () => {
    const depths = runLine(new Pipeline(), 12e6, 150, 4);
    // What lies on the line itself is 110 blocks.
    expect(depths.at(-1)).toBeGreaterThan(110);
  });

  it('goes beyond the usual only for a peer that told so, on a line that holds it', () => {
    const long = new Pipeline();
    long.setLimit(2000);
    // 100 MB/s at 200 ms: 1220 blocks on the line.
    expect(runLine(long, 100e6, 200, 4).at(-1)).toBeGreaterThan(1500);
    const untold = new Pipeline();
    expect(runLine(untold, 100e6, 200, 4).at(-1)).toBe(USUAL_MAX_DEPTH);
    const short = new Pipeline();
    short.setLimit(1e9);
    expect(runLine(short, 500e6, 0.2, 1)[0]).toBe(USUAL_MAX_DEPTH);
    expect(MAX_DEPTH).toBe(2000);
  });

  it('settles at rate x (round trip + 1 s) on a middling line', () => {
    const depth = runLine(new Pipeline(), 1 << 20, 50, 10).at(-1) as number;
    expect(depth).toBeGreaterThanOrEqual(64);
    expect(depth).toBeLessThanOrEqual(70);
  });

  it('asks a slow peer for little', () => {
    expect(runLine(new Pipeline(), 20_000, 80, 30).at(-1)).toBe(MIN_DEPTH);
  });

  it('keeps one below what the peer said it holds', () => {
    const pipeline = new Pipeline();
    pipeline.setLimit(10);
    expect(runLine(pipeline, 50e6, 1, 1)[0]).toBe(9);
    pipeline.setLimit(0);
    expect(pipeline.depth).toBe(1);
  });

  it('waits between 2 and 60 s, by the gaps there were', () => {
    const quick = new Pipeline();
    runLine(quick, 10e6, 10, 2);
    expect(quick.timeoutMs).toBe(2000);
    const slow = new Pipeline();
    runLine(slow, 3000, 100, 120);
    expect(slow.timeoutMs).toBeGreaterThan(5000);
    expect(slow.timeoutMs).toBeLessThanOrEqual(60_000);
  });

  it('asks for one at a time after a stall, and grows again from the bottom', () => {
    const pipeline = new Pipeline();
    runLine(pipeline, 10e6, 10, 2);
    pipeline.noteStall(2500);
    expect(pipeline.depth).toBe(1);
    pipeline.noteRequest(0, 2500);
    expect(pipeline.deadlineMs).toBe(4500);
    pipeline.noteBlock(BLOCK_BYTES, 2500, 2600);
    expect(pipeline.depth).toBe(MIN_DEPTH);
  });
});
