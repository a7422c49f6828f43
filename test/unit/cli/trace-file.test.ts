// The file behind --trace: all lines in order, a bound on what waits, and one word when it can no longer be written.
import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { TraceFile } from '../../../cli/transfer/trace-file.ts';
import { makeTempDir } from '../../support/temp.ts';
import { readTrace } from '../../support/trace-lines.ts';

const dir = makeTempDir();
afterEach(() => dir.remove());

const PEER = { address: '10.0.0.1:6881', torrent: 'ab'.repeat(20) };

describe('a trace file', () => {
  it('keeps every line that fits, says how many did not, and goes on after', async () => {
    const path = `${dir.path}/t.ndjson`;
    const failures: string[] = [];
    const file = await TraceFile.open({
      path,
      nowMs: () => performance.now(),
      onFailure: (reason) => failures.push(reason),
    });
    // Without a turn of the event loop nothing is written: more than the bound of 32 MiB.
    const total = 450_000;
    for (let i = 0; i < total; i++) file.trace.have(PEER, 'in', i);
    await new Promise((resolve) => setImmediate(resolve));
    await file.close();
    const lines = readTrace(readFileSync(path, 'utf8'));
    const haves = lines.filter(({ event }) => event === 'have');
    const lost = lines
      .filter(({ event }) => event === 'lost')
      .reduce((sum, line) => sum + (line['lines'] as number), 0);
    expect(haves.length + lost).toBe(total);
    expect(lost).toBeGreaterThan(0);
    expect(haves.length).toBeGreaterThan(total / 2);
    expect(haves.every((line, i) => line['piece'] === i)).toBe(true);
    expect(failures).toEqual([]);
  });
});
