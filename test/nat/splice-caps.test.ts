// Row 15 of the matrix: a splice that has carried what it may, or lasted as long as it may, is closed with a code; it is never faster
// than it may be; and a download that needs more goes on through other splices. All through `tt relay`, between symmetric NATs.
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MessageType } from '../../core/relay/messages.ts';
import type { RunningProcess } from '../support/process.ts';
import { NatLab } from './lab/lab.ts';
import { isAll } from './requirements.ts';
import { measured } from './support/measured.ts';
import { RelayProgram } from './support/relay-program.ts';
import { Transfer } from './support/transfer.ts';

const CHILD = fileURLToPath(new URL('support/splice-child.ts', import.meta.url));
const WAIT_MS = 60_000;
const INFO_HASH = '07'.repeat(20);

interface Closed {
  readonly received: number;
  readonly flowMs: number;
  readonly openMs: number;
}

describe('row 15: what a splice may carry', () => {
  let lab: NatLab;
  beforeAll(async () => {
    lab = await NatLab.make({ sites: [{ kind: 'symmetric' }, { kind: 'symmetric' }], publics: 2 });
  });
  afterAll(() => lab?.close());

  const event = async <T>(child: RunningProcess, name: string): Promise<T> =>
    JSON.parse(await child.waitForLine(new RegExp(`"event":"${name}"`), WAIT_MS)) as T;

  /** Two peers joined by a relay with these caps. @returns how it ended for both, and the code that the callee was told */
  async function splice(
    flags: readonly string[],
    manners: readonly [callee: 'flood' | 'listen', caller: 'flood' | 'listen'],
  ) {
    const relay = await RelayProgram.start(lab.public(0), ['--no-dht', ...flags]);
    const start = (i: 0 | 1, role: string): RunningProcess =>
      lab.host(i).spawnNode(CHILD, [relay.at, INFO_HASH, role, manners[i]]);
    const callee = start(0, 'wait');
    await event(callee, 'reserved');
    const caller = start(1, 'call');
    const ends = await Promise.all([callee, caller].map((child) => event<Closed>(child, 'closed')));
    const refused = await event<{ of: number; code: string }>(callee, 'refused');
    const { counters } = await relay.until(
      'the end',
      (status) => Object.values(status.counters.spliceEnds).some((count) => count > 0),
      WAIT_MS,
    );
    await Promise.all([callee.stop(), caller.stop(), relay.kill()]);
    return { ends, refused, counters };
  }

  it('bytes: closed with a code after what it may carry, within a hundredth', async () => {
    const bytes = 4 << 20;
    const flags = ['--splice-limit', '4MiB', '--splice-rate', '0'];
    // One way: a connection that is closed with bytes unread takes back those on their way.
    const { ends, refused, counters } = await splice(flags, ['listen', 'flood']);
    const most = Math.max(...ends.map(({ received }) => received));
    measured(15, `${most} of ${bytes} bytes`);
    expect(most).toBeLessThanOrEqual(bytes * 1.01);
    expect(most).toBeGreaterThanOrEqual(bytes * 0.99);
    expect(refused).toMatchObject({ of: MessageType.ticket, code: 'quota' });
    expect(counters.spliceEnds.bytes).toBe(1);
  }, 120_000);

  it('time: closed with a code when it is over', async () => {
    const seconds = 5;
    const { ends, refused, counters } = await splice(['--splice-time', `${seconds}s`], ['listen', 'listen']);
    const lasted = Math.min(...ends.map(({ openMs }) => openMs)) / 1000;
    measured(15, `${lasted.toFixed(3)} s of ${seconds} s`);
    // The end that came last was there as long as the splice; how much later a busy machine notices is its own affair.
    expect(lasted).toBeGreaterThanOrEqual(seconds * 0.99);
    if (isAll) expect(lasted).toBeLessThanOrEqual(seconds * 1.01 + CLOCKS_SEC);
    expect(refused).toMatchObject({ of: MessageType.ticket, code: 'quota' });
    expect(counters.spliceEnds.time).toBe(1);
  }, 120_000);

  it('rate: within a tenth, each way', async () => {
    const [rate, bytes] = [1 << 20, 6 << 20];
    const { ends } = await splice(['--splice-limit', '6MiB', '--splice-rate', '1MiB'], ['flood', 'flood']);
    for (const { received, flowMs } of ends) {
      const flow = (received * 1000) / flowMs;
      measured(15, `${(flow / rate).toFixed(3)} of the rate`);
      expect(flow).toBeLessThanOrEqual(rate * 1.1);
      // Whether a busy machine gets that far is its own affair.
      if (isAll && received >= bytes * 0.9) expect(flow).toBeGreaterThanOrEqual(rate * 0.9);
    }
  }, 120_000);

  it('a download that is more than one splice may carry is finished through others', async () => {
    using transfer = await Transfer.make({ bytes: 12 << 20, pieceBytes: 64 * 1024 });
    const caps = ['--no-dht', '--splice-limit', '3MiB', '--splice-rate', '0'];
    const relays = await Promise.all([0, 1].map((i) => RelayProgram.start(lab.public(i), caps)));
    const flags = relays.flatMap(({ at }) => ['--relay', at]);
    const seed = await transfer.seed(lab.host(0), flags);
    for (const relay of relays)
      await relay.until('the seed', ({ reservations }) => reservations === 1, WAIT_MS);
    const leech = transfer.leech(lab.host(1), flags);
    await leech.untilComplete(WAIT_MS);
    const used = relays.map(({ status }) => status?.counters.spliceEnds.bytes ?? 0);
    measured(15, `12 MiB downloaded with ${used.join(' + ')} splices of 3 MiB used up`);
    expect(used.reduce((sum, each) => sum + each, 0)).toBeGreaterThanOrEqual(3);
    await seed.stop();
    await Promise.all(relays.map((relay) => relay.kill()));
  }, 180_000);
});

/** Both ends are opened one after the other; timers of one program are that exact. */
const CLOCKS_SEC = 0.05;
