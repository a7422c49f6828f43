// Row 5 of the matrix: a leecher in the open that knows it, and a seed behind each kind of NAT that comes later. The relay has the seed dial the
// leecher: that works whatever its NAT does.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { NatLab } from './lab/lab.ts';
import { MATRIX_KINDS } from './matrix/pairs.ts';
import { isAll } from './requirements.ts';
import { measured } from './support/measured.ts';
import { startDht } from './support/open-world.ts';
import { RelayProgram } from './support/relay-program.ts';
import { Transfer } from './support/transfer.ts';

const KINDS = MATRIX_KINDS.filter((kind) => kind !== 'public');
/** A relay, and DHT nodes that say as whom they see us. */
const PUBLICS = 6;
/** A leecher that finds nobody for a while calls every half minute only. */
const WAIT_MS = 100_000;
/** The criterion of the row, from the first step towards the seed. */
const FIRST_BYTE_MS = 2_000;

// With --all only: most of it is that leecher's patience.
describe.skipIf(!isAll)('row 5: called back', () => {
  let lab: NatLab;
  let flags: string[];
  let dht: string[];
  const started = new Set<{ stop(): Promise<void> }>();
  const keep = <T extends { stop(): Promise<void> }>(program: T): T => {
    started.add(program);
    return program;
  };
  beforeAll(async () => {
    lab = await NatLab.make({
      sites: [{ kind: 'public' }, ...KINDS.map((kind) => ({ kind }))],
      publics: PUBLICS,
    });
    const relay = await RelayProgram.start(lab.public(0));
    flags = ['--relay', relay.at];
    dht = ['--dht', ...(await startDht(lab))];
  });
  afterEach(async () => {
    await Promise.all([...started].map((program) => program.stop()));
    started.clear();
  });
  afterAll(() => lab?.close());

  for (const [i, kind] of KINDS.entries()) {
    it(`row 5: public to ${kind}`, async () => {
      using transfer = await Transfer.make({ bytes: 1 << 20 });
      const leech = keep(transfer.leech(lab.host(0), [...flags, ...dht, '--seed']));
      await leech.process.waitForLine(/"event":"session".*"state":"open"/, WAIT_MS);
      // Nobody tells it of the leecher but the relay.
      keep(await transfer.seed(lab.host(i + 1), flags));
      const first = await leech.until('first-byte', WAIT_MS);
      const met = await leech.until('peer-connected', WAIT_MS);
      const { rung = 'unknown', ms = Number.NaN } = met.reached ?? {};
      const firstByteMs = Math.round(first.heardMs - met.heardMs + ms);
      measured(5, `${kind} ${rung} ${firstByteMs} ms`);
      // Strangers get into a full cone.
      expect(kind === 'full-cone' ? ['reverse', 'direct'] : ['reverse']).toContain(rung);
      expect(firstByteMs).toBeLessThan(FIRST_BYTE_MS);
    }, 300_000);
  }
});
