// The lab itself: every kind behaves as its name says, labs do not meet, nothing stays.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { start } from '../support/process.ts';
import { waitFor } from '../support/wait.ts';
import { EXPECTED, NAT_KINDS } from './lab/kinds.ts';
import { NatLab } from './lab/lab.ts';

describe('row 1: every kind behaves as it is called', () => {
  let lab: NatLab;
  beforeAll(async () => {
    lab = await NatLab.make({ sites: NAT_KINDS.map((kind) => ({ kind, hairpin: true })) });
  });
  afterAll(() => lab.close());

  for (const [i, kind] of NAT_KINDS.entries()) {
    for (const protocol of ['udp', 'tcp'] as const) {
      it.concurrent(`${kind} ${protocol}`, async () => {
        const { mapping, filtering, portPreserved, hairpin } = await lab.probe(lab.host(i), protocol);
        expect([mapping, filtering]).toEqual(EXPECTED[kind]);
        if (kind === 'port-restricted' || kind === 'full-cone' || kind === 'firewall')
          expect(portPreserved).toBe(true);
        if (kind.includes('shift')) expect(portPreserved).toBe(false);
        if (protocol === 'udp' && kind === 'full-cone') expect(hairpin).toBe(true);
      });
    }
  }
});

const RUNNER = new URL('run.ts', import.meta.url).pathname;
const NETNS = '/run/netns';

function namespaces(): string[] {
  return existsSync(NETNS) ? readdirSync(NETNS) : [];
}

/** Whether a process with this word on its command line is there. */
function runs(word: string): boolean {
  return readdirSync('/proc').some((name) => {
    if (!/^\d+$/.test(name)) return false;
    try {
      return readFileSync(`/proc/${name}/cmdline`, 'utf8').includes(word);
    } catch {
      return false;
    }
  });
}

describe('a lab', () => {
  it('meets no other, and leaves nothing', async () => {
    const labs = await Promise.all(
      [1, 2].map(() => NatLab.make({ sites: [{ kind: 'port-restricted' }], publics: 1 })),
    );
    const [one, other] = labs;
    if (one === undefined || other === undefined) throw new Error('no labs');
    // The same addresses in both, and each its own.
    expect(one.host(0).publicAddress).toBe(other.host(0).publicAddress);
    const results = await Promise.all(labs.map((lab) => lab.probe(lab.host(0), 'udp')));
    for (const { mapping } of results) expect(mapping).toBe('EIM');
    // Other test files make labs of their own meanwhile, in processes of their own.
    const ours = (): string[] =>
      namespaces().filter((name) => name.startsWith(`t${process.pid.toString(36)}x`));
    expect(ours().length).toBeGreaterThan(2 * labs.length);
    await Promise.all(labs.map((lab) => lab.close()));
    expect(ours()).toEqual([]);
  });

  it('carries no private addresses, and counts who tries', async () => {
    await using lab = await NatLab.make({
      sites: [{ kind: 'firewall' }, { kind: 'port-restricted' }],
      publics: 1,
      leaks: true,
    });
    expect(Object.values(await lab.leaks())).toEqual([0, 0, 0, 0]);
    // A firewall does not translate: a packet to somebody's private address gets as far as the core.
    await lab.host(0).shell('ping -c 1 -W 1 192.168.1.10 >/dev/null 2>&1 || true');
    expect((await lab.leaks()).to_private).toBe(1);
  });

  it('has links with a length', async () => {
    await using lab = await NatLab.make({ sites: [{ kind: 'shift', delayMs: 20 }], publics: 1, delayMs: 10 });
    const text = await lab.host(0).shell(`ping -c 3 -i 0.2 ${lab.public(0).address}`);
    const roundTripMs = Number(/min\/avg\/max\S* = ([\d.]+)/.exec(text)?.[1]);
    expect(roundTripMs).toBeGreaterThanOrEqual(60);
    expect((await lab.probe(lab.host(0), 'tcp')).mapping).toBe('EIM');
  });

  it('forgets its connections when a gateway restarts', async () => {
    await using lab = await NatLab.make({ sites: [{ kind: 'full-cone' }], publics: 1 });
    await lab.probe(lab.host(0), 'udp');
    expect((await lab.site(0).connections()).some((line) => line.includes('dport=3478'))).toBe(true);
    await lab.site(0).reboot();
    expect((await lab.site(0).connections()).some((line) => line.includes('dport=3478'))).toBe(false);
    expect((await lab.probe(lab.host(0), 'udp')).filtering).toBe('EIF');
  });

  it('dies with its runner, however that ends', async () => {
    const word = `killed-lab-${process.pid}`;
    const script = `ip netns add left; ip netns exec left sleep 1000 & exec sh -c 'echo up; while :; do sleep 1; done' ${word}`;
    const runner = start(process.execPath, [RUNNER, '--', 'sh', '-c', script]);
    await runner.waitForLine(/^up/, 20_000);
    expect(runs(word)).toBe(true);
    expect(namespaces()).not.toContain('left');
    process.kill(runner.pid, 'SIGKILL');
    await waitFor(() => !runs(word), { what: 'the killed runner to take its lab along', timeoutMs: 10_000 });
  });
});
