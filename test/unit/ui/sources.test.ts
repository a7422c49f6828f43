// The panel of trackers, and of how the world reaches us: ports, NAT, relays.
import { describe, expect, it } from 'vitest';
import type { NatSnapshot } from '../../../core/nat/nat-snapshot.ts';
import type { SessionSnapshot } from '../../../core/session/snapshot.ts';
import {
  dhtPicture,
  heldRelay,
  modelRig,
  natFamily,
  portMapping,
  session,
  torrent,
} from '../../support/screen-rig.ts';

describe('trackers and reachability', () => {
  it('trackers: state, next announce, and whether anybody can reach us', () => {
    const rig = modelRig();
    rig.model.setSnapshot(session([torrent()]));
    rig.press('5');
    expect(rig.text()).toMatch(/tracker +ok +10m00s +50 +120 +8 udp:\/\/tracker\.example/);
    expect(rig.text()).toMatch(/dht +working +7 +DHT {2}312 nodes/);
    expect(rig.text()).toContain('listening   port 6891: tcp on 0.0.0.0\n');
    const at = (transport: 'tcp' | 'utp', host: string, port = 6891): SessionSnapshot['listen'][number] => ({
      transport,
      host,
      port,
      incomingCount: 0,
    });
    const both = [at('tcp', '0.0.0.0'), at('tcp', '::'), at('utp', '0.0.0.0'), at('utp', '::')];
    rig.model.setSnapshot(session([torrent()], { listen: both, dht: dhtPicture() }));
    expect(rig.text()).toContain('listening   port 6891: tcp and utp on 0.0.0.0 and ::\n');
    expect(rig.text()).toMatch(/DHT +IPv4 312 of 340 nodes good, 17 bits deep\n +IPv6 88 of 104/);
    expect(rig.text(120, 40)).toMatch(/DHT +IPv4 312 of 340 nodes good, 17 bits deep; IPv6 88 of 104/);
    rig.model.setSnapshot(session([torrent()], { listen: [...both.slice(0, 3), at('utp', '::', 7000)] }));
    expect(rig.text(120, 40)).toContain(
      'port 6891: tcp on 0.0.0.0, tcp on ::, utp on 0.0.0.0; port 7000: utp on ::',
    );
    rig.model.setSnapshot(session([torrent()]));
    expect(rig.text()).toContain('nobody came in so far');
    expect(rig.text()).toContain('198.51.100.4');
  });

  it('says that nobody came in without alarm, unless something keeps people out', () => {
    const rig = modelRig({ hasColor: true });
    rig.model.setSnapshot(session([torrent()]));
    rig.press('5');
    const line = (overrides: Parameters<typeof session>[1]): string => {
      rig.model.setSnapshot(session([torrent()], overrides));
      return rig.model.frame(100, 40).find((row) => row.includes('reachable')) as string;
    };
    const nat = (state: 'open' | 'apdm'): NatSnapshot => ({
      families: [natFamily({ state })],
      announcedPort: 6891,
      isMappingOn: true,
      classifiedAfterMs: 900,
    });
    const warn = '\u001b[33m';
    const at = (host: string): SessionSnapshot['listen'] => [
      { transport: 'tcp', host, port: 6891, incomingCount: 0 },
    ];
    expect(line({})).not.toContain(warn);
    expect(line({ nat: nat('open') })).not.toContain(warn);
    expect(line({ listen: at('127.0.0.1') })).toContain('from this machine only');
    expect(line({ listen: [] })).toContain('nothing listens');
    expect(line({ nat: nat('apdm') })).toContain(`${warn}nobody came in so far, and strangers cannot`);
    expect(line({ nat: nat('apdm'), relays: [heldRelay()] })).toContain('by relay');
    expect(line({ nat: nat('apdm'), relays: [heldRelay()] })).not.toContain(warn);
  });

  it('NAT: nothing where nobody asks; state, ports and relays where it is known', () => {
    const rig = modelRig();
    rig.model.setSnapshot(session([torrent()]));
    rig.press('5');
    expect(rig.text()).not.toMatch(/^(NAT|forwarding|relays)/m);
    const six = natFamily({ family: 6, state: 'unknown', external: undefined, mappings: [] });
    const nat = {
      families: [natFamily(), six],
      announcedPort: 40_123,
      isMappingOn: true,
      classifiedAfterMs: 900,
    };
    const relays = [heldRelay({ proxyPort: 7105 }), heldRelay({ state: 'connected' })];
    rig.model.setSnapshot(session([torrent()], { nat, relays }));
    const text = rig.text();
    expect(text).toContain(
      'NAT         IPv4 mapped: reached by a forwarded port, seen as 198.51.100.4:40123\n            IPv6 not known yet',
    );
    expect(text).toContain('forwarding  IPv4 tcp 6891 is 40123 outside by PCP, verified: somebody came in');
    expect(text).toContain('            IPv4 udp 6891 is 40123 outside by PCP, not tried from outside');
    expect(text).toContain('relays      1 held, 1 connected: 203.0.113.9:7001 (utp, proxy port 7105)');
    expect(text).not.toContain('reached  ');
    const reach = {
      knownPeers: 40,
      connectedPeers: 9,
      connections: { direct: 12, punch: 3 },
      bytes: { direct: 5 << 20, punch: 1 << 20 },
      punches: { tried: 5, opened: 3 },
      introductions: {},
      mappings: { claimed: 0, verified: 0 },
    };
    rig.model.setSnapshot(session([torrent()], { nat, relays, reach }));
    expect(rig.text(100, 30)).toContain(
      'reached     by direct 12 (5.00 MiB), punch 3 (1.00 MiB); 3 of 5 holes opened',
    );
    rig.model.setSnapshot(
      session([torrent()], { nat, relays, reach: { ...reach, connections: { direct: 12 } } }),
    );
    expect(rig.text(100, 30)).not.toContain('reached  ');
    // The sources are still there.
    expect(text).toMatch(/^> tracker/m);
  });

  it.each([
    ['apdm', 'apdm: relays help, seen as 198.51.100.4, many ports'],
    ['eim', 'strangers must punch a hole'],
    ['tcp-only', 'datagrams do not come back'],
    ['open', 'everybody reaches us'],
  ] as const)('NAT: %s in words; a router that does not forward; forwarding off', (state, words) => {
    const rig = modelRig();
    const mapping = state === 'apdm' ? 'per-remote' : 'endpoint';
    const external = { host: '198.51.100.4', port: undefined };
    const none = portMapping({ state: 'none', protocol: undefined, externalPort: undefined });
    const family = natFamily({
      state,
      mapping,
      external,
      mappings: [none, portMapping({ state: 'refuted' })],
    });
    const nat = { families: [family], announcedPort: 6891, isMappingOn: true, classifiedAfterMs: undefined };
    rig.press('5');
    rig.model.setSnapshot(session([torrent()], { nat, relays: [] }));
    rig.press('5');
    expect(rig.text()).toContain(words);
    expect(rig.text()).toContain('IPv4 tcp 6891, not forwarded');
    expect(rig.text()).toContain('nobody outside gets through');
    expect(rig.text()).toMatch(/relays +none so far/);
    rig.model.setSnapshot(session([torrent()], { nat: { ...nat, isMappingOn: false } }));
    expect(rig.text()).toMatch(/forwarding +off: the router is not asked/);
  });
});
