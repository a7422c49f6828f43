// An account in words: never wider than 80 columns, and for every way of not being finished a reason.
import { describe, expect, it } from 'vitest';
import { styleFor } from '../../../cli/terminal/style.ts';
import { textWidth } from '../../../cli/terminal/text.ts';
import { costAccountLines, explainLines, unfinishedWords } from '../../../cli/ui/account-text.ts';
import { CAUSES, noTime, type TimeCause } from '../../../core/account/causes.ts';
import { ACCOUNT_VERSION, NO_BYTES, type TransferAccount } from '../../../core/account/transfer-account.ts';

const PLAIN = styleFor({ choice: 'never', env: {}, isTty: false });

function account(changes: Partial<TransferAccount> = {}): TransferAccount {
  return {
    version: ACCOUNT_VERSION,
    infoHash: 'ab'.repeat(20),
    name: 'debian.iso',
    directory: '/srv',
    state: 'stopped',
    wantedBytes: 1000,
    verifiedBytes: 400,
    connectedPeers: 3,
    knownPeers: 7,
    availability: 1.25,
    lastCause: 'slow',
    idleMs: 0,
    runs: 1,
    startedAtMs: 0,
    updatedAtMs: 1_700_000_000_000,
    wallMs: 0,
    time: noTime(),
    bytes: NO_BYTES,
    processor: { userMs: 1, systemMs: 2 },
    peakMemoryBytes: 1 << 27,
    ...changes,
  };
}

describe('the words', () => {
  it('fit 80 columns whatever the numbers, names and folders', () => {
    const time = Object.fromEntries(CAUSES.map(({ id }, i) => [id, 10 ** (i % 10)])) as Record<
      TimeCause,
      number
    >;
    const bytes = Object.fromEntries(Object.keys(NO_BYTES).map((key) => [key, 2 ** 49 - 1]));
    const wide = account({
      name: '漢字\u001b[31m'.repeat(40),
      directory: `/srv/${'a folder '.repeat(30)}`,
      time,
      wallMs: Object.values(time).reduce((sum, ms) => sum + ms, 0),
      bytes: bytes as unknown as TransferAccount['bytes'],
      processor: { userMs: 1e9, systemMs: 1e9 },
      peakMemoryBytes: 2 ** 40,
      state: 'error',
      error: 'cannot write /srv/x: no space left on the disk (ENOSPC) '.repeat(4),
      runs: 999,
    });
    for (const state of ['error', 'complete', 'running', 'stopped'] as const) {
      for (const line of explainLines({ ...wide, state }, false, PLAIN)) {
        expect(textWidth(line), line).toBeLessThanOrEqual(80);
        expect(line).not.toContain('\u001b');
      }
    }
  });

  it('show what took time, the greatest first, and nothing that took none', () => {
    const time = { ...noTime(), slow: 3000, limit: 7000 };
    const lines = costAccountLines(account({ time, wallMs: 10_000, state: 'complete' }), PLAIN);
    expect(lines[1]).toMatch(/^ {2}own limit +7\.0s +70\.0% +█+/);
    expect(lines[2]).toMatch(/^ {2}peers too slow +3\.0s +30\.0% +█+/);
    expect(lines[3]).toMatch(/^ {2}together +10s$/);
    const columns = (line: string | undefined): number => (line?.match(/█/g) ?? []).length;
    expect(columns(lines[1]) / columns(lines[2])).toBeCloseTo(7 / 3, 0);
  });

  it('give a reason for each way of not being finished', () => {
    const words = CAUSES.map(({ id }) => unfinishedWords(account({ lastCause: id })));
    for (const each of words) expect(each.length).toBeGreaterThan(10);
    expect(unfinishedWords(account({ lastCause: 'peers', connectedPeers: 0, knownPeers: 0 }))).toContain(
      'no peers',
    );
    const lost = { lastCause: 'peers', connectedPeers: 0 } as const;
    expect(unfinishedWords(account(lost))).toContain('none could be reached');
    expect(unfinishedWords(account({ ...lost, bytes: { ...NO_BYTES, protocolReceived: 68 } }))).toContain(
      'none of them is connected any more',
    );
    expect(unfinishedWords(account({ lastCause: 'peers', connectedPeers: 0 }))).toContain(
      '7 addresses known',
    );
    expect(unfinishedWords(account({ lastCause: 'pieces' }))).toContain('1.25 copies');
    expect(unfinishedWords(account({ idleMs: 60_000 }))).toContain('nothing has come for 1m00s');
    expect(unfinishedWords(account({ state: 'error', error: 'disk\u001bfull' }))).toContain('disk\\x1bfull');
    expect(unfinishedWords(account({ state: 'paused' }))).toBe('it was paused');
  });

  it('tell a killed tt from one that runs and one that was stopped', () => {
    const text = (state: TransferAccount['state'], isRunning: boolean): string =>
      explainLines(account({ state }), isRunning, PLAIN).join('\n');
    expect(text('running', true)).toContain('running now');
    expect(text('running', false)).toContain('without a goodbye');
    expect(text('stopped', false)).not.toContain('without a goodbye');
  });
});
