// Rows 3 and 4 of the matrix: ports mapped at a real miniupnpd, by each protocol and by all at once; what happens to them when they
// age, when the gateway forgets, when we are killed; and gateways that refuse, cannot, or lie.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { FamilyMappings } from '../../core/nat/io/mapping-service.ts';
import type { MappingSnapshot } from '../../core/nat/port-mapper.ts';
import type { RunningProcess } from '../support/process.ts';
import { makeTempDir } from '../support/temp.ts';
import { waitFor } from '../support/wait.ts';
import type { LabHost } from './lab/host.ts';
import { NatLab } from './lab/lab.ts';
import { PYTHON } from './lab/probe.ts';
import { startDht, startRelay } from './support/open-world.ts';
import { ttJson } from './support/tt.ts';

const CHILD = new URL('support/mapping-child.ts', import.meta.url).pathname;
const PORT = 7001;
const WAIT_MS = 20_000;
/** Criteria of the row. */
const MAPPED_WITHIN_MS = 2_000;
const REMADE_WITHIN_MS = 5_000;

interface Line {
  readonly event: string;
  readonly atMs: number;
  readonly [field: string]: unknown;
}

const open = new Set<Mapped>();
afterEach(async () => {
  await Promise.all([...open].map(({ process }) => process.stop('SIGKILL')));
  open.clear();
});

/** A program on a host that wants its port forwarded. */
class Mapped {
  readonly process: RunningProcess;
  readonly stateDir: string;

  constructor(host: LabHost, settings: readonly string[] = [], port = PORT, stateDir?: string) {
    this.stateDir = stateDir ?? makeTempDir('tt-mapping-').path;
    this.process = host.spawnNode(CHILD, [`${port}`, this.stateDir, ...settings], { stdin: 'pipe' });
    open.add(this);
  }

  lines(event: string): Line[] {
    return this.process.stdoutLines
      .map((line) => JSON.parse(line) as Line)
      .filter((line) => line.event === event);
  }

  get mappings(): readonly MappingSnapshot[] {
    const last = this.lines('mappings').at(-1);
    return (last?.['families'] as FamilyMappings[] | undefined)?.flatMap(({ mappings }) => mappings) ?? [];
  }

  /** Until all have the state. @returns how long after its start that was */
  async until(state: MappingSnapshot['state']): Promise<number> {
    await this.process.waitFor(
      () => this.mappings.length > 0 && this.mappings.every((mapping) => mapping.state === state),
      { what: `mappings to be ${state}`, timeoutMs: WAIT_MS },
    );
    return this.lines('mappings').at(-1)?.atMs ?? Number.NaN;
  }

  get answers(): Line[] {
    return this.lines('log').filter(({ message }) => message === 'gateway answered');
  }

  async close(): Promise<void> {
    this.process.child.stdin?.write('close\n');
    await this.process.waitForExit(WAIT_MS);
  }
}

/** How many mappings a run has noted for its successor. */
function rememberedIn(stateDir: string): number {
  const folder = join(stateDir, 'port-mappings');
  const [name] = readdirSync(folder).filter((each) => each.endsWith('.json'));
  return name === undefined ? 0 : (JSON.parse(readFileSync(join(folder, name), 'utf8')) as unknown[]).length;
}

/** From outside. */
async function reaches(from: LabHost, address: string, port: number): Promise<boolean> {
  const script = 'import socket,sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 2).recv(9)';
  return (await from.run(PYTHON, ['-c', script, address, `${port}`])).code === 0;
}

async function echoes(from: LabHost, address: string, port: number): Promise<boolean> {
  const script =
    'import socket,sys; s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); s.settimeout(2); s.sendto(b"x",(sys.argv[1],int(sys.argv[2]))); s.recv(9)';
  return (await from.run(PYTHON, ['-c', script, address, `${port}`])).code === 0;
}

describe('row 3: a port at the gateway', () => {
  let lab: NatLab;
  beforeAll(async () => {
    lab = await NatLab.make({
      sites: [{ kind: 'port-restricted', igd: { minLifetimeSec: 4 } }],
      publics: 1,
    });
  });
  afterAll(() => lab.close());

  for (const protocols of ['pcp', 'nat-pmp', 'upnp', 'pcp,nat-pmp,upnp']) {
    it(`${protocols}: forwarded, tried from outside, given back`, async () => {
      const site = lab.site(0);
      const child = new Mapped(lab.host(0), [`protocols=${protocols}`]);
      expect(await child.until('claimed')).toBeLessThanOrEqual(MAPPED_WITHIN_MS);
      expect(child.mappings.map(({ externalHost, externalPort }) => [externalHost, externalPort])).toEqual([
        [site.wanAddress, PORT],
        [site.wanAddress, PORT],
      ]);
      expect(await reaches(lab.public(0), site.wanAddress, PORT)).toBe(true);
      expect(await echoes(lab.public(0), site.wanAddress, PORT)).toBe(true);
      for (const transport of ['tcp', 'udp'])
        child.process.child.stdin?.write(`verdict 4 ${transport} ${PORT} yes\n`);
      await child.until('verified');
      await child.close();
      expect(await site.igd.mappings()).toEqual([]);
      expect(await reaches(lab.public(0), site.wanAddress, PORT)).toBe(false);
    });
  }

  for (const protocols of ['pcp', 'nat-pmp', 'upnp']) {
    it(`${protocols}: renewed at half its life, and there after its first end`, async () => {
      const lifeSec = 6;
      const child = new Mapped(lab.host(0), [`protocols=${protocols}`, `life=${lifeSec}`]);
      const claimedMs = await child.until('claimed');
      const renewals = await child.process.waitFor(
        () => (child.answers.length >= 6 ? child.answers : undefined),
        { what: 'two renewals of both', timeoutMs: WAIT_MS },
      );
      expect((renewals[2]?.atMs ?? 0) - claimedMs).toBeGreaterThan((lifeSec * 1_000) / 2 - 500);
      expect((renewals[5]?.atMs ?? 0) - claimedMs).toBeGreaterThan(lifeSec * 1_000 - 500);
      expect(renewals.every(({ answer }) => (answer as { ok: boolean }).ok)).toBe(true);
      expect(await reaches(lab.public(0), lab.site(0).wanAddress, PORT)).toBe(true);
      await child.close();
      expect(await lab.site(0).igd.mappings()).toEqual([]);
    });
  }

  for (const protocols of ['pcp', 'nat-pmp', 'upnp', 'pcp,nat-pmp,upnp']) {
    it(`${protocols}: made again when the gateway has forgotten it`, async () => {
      const { igd } = lab.site(0);
      const child = new Mapped(lab.host(0), [`protocols=${protocols}`]);
      await child.until('claimed');
      await igd.restart({ forget: true });
      const backMs = performance.now();
      await waitFor(async () => (await igd.mappings()).length === 2, {
        what: `both mappings to come back\n${child.process.tail()}`,
        timeoutMs: WAIT_MS,
      });
      expect(performance.now() - backMs).toBeLessThanOrEqual(REMADE_WITHIN_MS);
      expect(await reaches(lab.public(0), lab.site(0).wanAddress, PORT)).toBe(true);
      await child.close();
      expect(await igd.mappings()).toEqual([]);
    });
  }

  for (const protocols of ['pcp', 'nat-pmp', 'upnp']) {
    it(`${protocols}: what a killed run left is taken back by the next one`, async () => {
      const { igd } = lab.site(0);
      const killed = new Mapped(lab.host(0), [`protocols=${protocols}`]);
      await killed.until('claimed');
      await waitFor(() => rememberedIn(killed.stateDir) === 2, {
        what: 'the list on disk',
        timeoutMs: WAIT_MS,
      });
      await killed.process.stop('SIGKILL');
      expect(await igd.mappings()).toHaveLength(2);
      const next = new Mapped(lab.host(0), [`protocols=${protocols}`], PORT + 1, killed.stateDir);
      await next.until('claimed');
      await waitFor(async () => !(await igd.mappings()).some((rule) => rule.includes(`:${PORT}`)), {
        what: 'the old mapping to go',
        timeoutMs: WAIT_MS,
      });
      expect(await igd.mappings()).toHaveLength(2);
      await next.close();
      expect(await igd.mappings()).toEqual([]);
    });
  }
});

describe('row 4: gateways that do something else', () => {
  for (const protocols of ['pcp', 'nat-pmp', 'upnp']) {
    it(`${protocols}: a port that another host has: the granted one is taken`, async () => {
      await using lab = await NatLab.make({
        sites: [{ kind: 'port-restricted', hosts: 2, igd: true }],
        publics: 1,
      });
      const first = new Mapped(lab.host(0), [`protocols=${protocols}`]);
      await first.until('claimed');
      const second = new Mapped(lab.host(0, 1), [`protocols=${protocols}`]);
      await second.until('claimed');
      const [tcp, udp] = second.mappings;
      expect(tcp?.externalPort).not.toBe(PORT);
      expect(await reaches(lab.public(0), lab.site(0).wanAddress, tcp?.externalPort ?? 0)).toBe(true);
      expect(await echoes(lab.public(0), lab.site(0).wanAddress, udp?.externalPort ?? 0)).toBe(true);
      await second.close();
      expect(await lab.site(0).igd.mappings()).toHaveLength(2);
      await first.close();
    });
  }

  it('a port that the gateway denies: asked once by each, no storm', async () => {
    await using lab = await NatLab.make({
      sites: [{ kind: 'port-restricted', igd: { extra: ['deny 1024-65535 192.168.1.0/24 7001'] } }],
      publics: 1,
    });
    const child = new Mapped(lab.host(0));
    await child.until('none');
    expect(child.answers).toHaveLength(6);
    expect(await lab.site(0).igd.mappings()).toEqual([]);
    await child.close();
  });

  it('a gateway behind a carrier: no mapping is made, and it says why', async () => {
    await using lab = await NatLab.make({ sites: [{ kind: 'cgnat', igd: true }], publics: 1 });
    const child = new Mapped(lab.host(0));
    await child.until('none');
    expect(JSON.stringify(child.mappings)).toMatch(/100\.64\.1\.2|no public address/);
    expect(await lab.site(0).igd.mappings()).toEqual([]);
    await child.close();
  });

  it('a gateway that claims a public address which is not its own: never MAPPED', async () => {
    await using lab = await NatLab.make({
      sites: [{ kind: 'cgnat', igd: { extra: ['ext_ip=44.1.2.3'] } }],
      publics: 6,
    });
    const flags = [...(await startDht(lab)), '--relay', await startRelay(lab)];
    const status = await ttJson<{ families: { state: string; mappings: MappingSnapshot[] }[] }>(lab.host(0), [
      ...['nat', 'status', '-4', '--port', `${PORT}`],
      ...flags,
    ]);
    const [family] = status.families;
    expect(family?.state).toBe('eim');
    expect(family?.mappings.map(({ state }) => state)).toEqual(['refuted', 'refuted']);
    expect(await lab.site(0).igd.mappings()).toEqual([]);
  });

  it('the same question where the gateway is honest: MAPPED', async () => {
    await using lab = await NatLab.make({ sites: [{ kind: 'port-restricted', igd: true }], publics: 6 });
    const flags = [...(await startDht(lab)), '--relay', await startRelay(lab)];
    const status = await ttJson<{
      families: { state: string; mappings: MappingSnapshot[] }[];
      classifiedAfterMs: number;
    }>(lab.host(0), ['nat', 'status', '-4', '--port', `${PORT}`, ...flags]);
    const [family] = status.families;
    expect(family?.state).toBe('mapped');
    expect(family?.mappings[0]?.state).toBe('verified');
    expect(status.classifiedAfterMs).toBeLessThanOrEqual(MAPPED_WITHIN_MS);
    expect(await lab.site(0).igd.mappings()).toEqual([]);
  });
});

describe('IPv6: holes in the firewall', () => {
  for (const protocols of ['pcp', 'upnp']) {
    it(`${protocols}: closed before, open while it runs, closed after`, async () => {
      await using lab = await NatLab.make({
        sites: [{ kind: 'port-restricted', igd: true }],
        publics: 1,
        ipv6: true,
      });
      const { addressV6 } = lab.host(0);
      const none = new Mapped(lab.host(0), ['protocols=none', 'families=6']);
      await none.process.waitForLine(/"event":"started"/, WAIT_MS);
      expect(await reaches(lab.public(0), addressV6, PORT)).toBe(false);
      await none.close();
      // UPnP of both families is described at the IPv4 gateway.
      const child = new Mapped(lab.host(0), [`protocols=${protocols}`, 'families=6,4']);
      expect(await child.until('claimed')).toBeLessThanOrEqual(MAPPED_WITHIN_MS);
      expect(child.mappings.some(({ externalHost }) => externalHost === addressV6)).toBe(true);
      await waitFor(() => reaches(lab.public(0), addressV6, PORT), {
        what: `a way in\n${child.process.tail()}`,
        timeoutMs: WAIT_MS,
      });
      await child.close();
      expect(await lab.site(0).igd.mappings()).toEqual([]);
      const after = new Mapped(lab.host(0), ['protocols=none', 'families=6']);
      await after.process.waitForLine(/"event":"started"/, WAIT_MS);
      expect(await reaches(lab.public(0), addressV6, PORT)).toBe(false);
      await after.close();
    });
  }
});
