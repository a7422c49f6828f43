// One torrent of a command: when it has ended, and that an end by error is none when somebody has it tried again.
import { describe, expect, it } from 'vitest';
import { allFinished, Job } from '../../../cli/transfer/job.ts';
import { OperationError } from '../../../core/base/result.ts';
import { fakeTorrent } from './fakes.ts';

const UNTIL = { ratio: undefined, timeMs: undefined, isWanted: false };
const HASH = 'aa'.repeat(20);

function jobOf(source: string): Job {
  const job = new Job(source, UNTIL, 0);
  job.infoHash = HASH;
  return job;
}

const error = {
  atMs: 1,
  torrent: HASH,
  kind: 'error',
  error: new OperationError('disk', 'no space left'),
} as const;

describe('a job', () => {
  it('ends with its error, goes on when the torrent is resumed, and is done when it is complete', async () => {
    const job = jobOf('x.torrent');
    job.handleEvent(error, 1);
    expect(job.isFinished).toBe(true);
    expect(job.reason('unfinished')).toBe('disk');
    job.handleEvent({ atMs: 2, torrent: HASH, kind: 'resumed' }, 2);
    expect(job.isFinished).toBe(false);
    expect(job.reason('unfinished')).toBe('unfinished');
    job.update(fakeTorrent({ state: 'seeding' }), 3);
    expect(job.isFinished).toBe(true);
    expect(job.reason('unfinished')).toBe('done');
    await job.finished;
  });

  it('a pause that ends changes nothing, nor does an event of another torrent', () => {
    const job = jobOf('x.torrent');
    job.handleEvent({ atMs: 1, torrent: HASH, kind: 'resumed' }, 1);
    expect(job.isFinished).toBe(false);
    job.handleEvent(error, 2);
    job.handleEvent({ atMs: 3, torrent: 'bb'.repeat(20), kind: 'resumed' }, 3);
    expect(job.failure?.reason).toBe('disk');
  });

  it('keeps the command waiting when it was tried again while others were not done', async () => {
    const [first, second] = [jobOf('first'), new Job('second', UNTIL, 0)];
    let isOver = false;
    const all = allFinished([first, second]).then(() => {
      isOver = true;
    });
    first.handleEvent(error, 1);
    first.handleEvent({ atMs: 2, torrent: HASH, kind: 'resumed' }, 2);
    second.fail(new OperationError('network', 'gone'));
    await second.finished;
    await new Promise((resolve) => setImmediate(resolve));
    expect(isOver).toBe(false);
    first.update(fakeTorrent({ state: 'seeding' }), 3);
    await all;
  });
});
