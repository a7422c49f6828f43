// PCP, NAT-PMP, SSDP, SOAP and routes: what we send byte by byte, what we understand, and what we refuse.

import { describe, expect, it } from 'vitest';
import { fromHex, toHex } from '../../../core/base/bytes.ts';
import { seededRng } from '../../../core/base/clock.ts';
import {
  addAnyPortMapping,
  addPortMapping,
  decodeDescription,
  decodeSoap,
  deletePortMapping,
} from '../../../core/nat/igd-codec.ts';
import {
  decodeNatPmpResponse,
  encodeAddressRequest,
  encodeNatPmpMap,
  natPmpAddressTrouble,
  natPmpAnswer,
} from '../../../core/nat/nat-pmp-codec.ts';
import {
  decodePcpResponse,
  encodePcpAnnounce,
  encodePcpMap,
  pcpAnswer,
} from '../../../core/nat/pcp-codec.ts';
import { EpochWatch, natPmpDelaysMs, pcpDelaysMs } from '../../../core/nat/retransmit.ts';
import { parseNetstat, parseProcRoute, parseProcRoute6 } from '../../../core/nat/routes.ts';
import { checkLocation, decodeSsdp, encodeSearch } from '../../../core/nat/ssdp-codec.ts';
import { parseXml } from '../../../core/nat/xml.ts';
import fc from '../../support/property.ts';

const NONCE = Uint8Array.from({ length: 12 }, (_, i) => i + 1);
const REQUEST = { transport: 'tcp', internalPort: 7001, externalPort: 7002, lifetimeSec: 3600 } as const;
const hex = (text: string): Uint8Array => fromHex(text.replaceAll(' ', '')) as Uint8Array;

describe('PCP (RFC 6887)', () => {
  it('asks for a mapping in 60 bytes', () => {
    const bytes = encodePcpMap({ ...REQUEST, nonce: NONCE, clientHost: '192.168.1.10' });
    expect(toHex(bytes)).toBe(
      '02010000' +
        '00000e10' +
        '00000000000000000000ffffc0a8010a' +
        '0102030405060708090a0b0c' +
        '06000000' +
        '1b591b5a' +
        '00000000000000000000ffff00000000',
    );
  });

  it('speaks of IPv6 addresses as they are', () => {
    const bytes = encodePcpMap({ ...REQUEST, nonce: NONCE, clientHost: '2001:db8::5' });
    expect(toHex(bytes.subarray(8, 24))).toBe('20010db8000000000000000000000005');
    expect(toHex(bytes.subarray(44))).toBe('0'.repeat(32));
    expect(toHex(encodePcpAnnounce('2001:db8::5')).length).toBe(48);
  });

  it('reads the granted port, not the one that was wished for', () => {
    const answer = hex(
      '02810000 00000078 00000005 000000000000000000000000 0102030405060708090a0b0c 06000000 1b59 1f42 00000000000000000000ffff2c650102',
    );
    const response = decodePcpResponse(answer);
    expect(response).toMatchObject({
      ok: true,
      value: { kind: 'map', transport: 'tcp', internalPort: 7001, externalPort: 8002, epochSec: 5 },
    });
    if (!response.ok || response.value.kind !== 'map') throw new Error('not a map answer');
    expect(pcpAnswer(response.value)).toEqual({
      ok: true,
      grant: { externalPort: 8002, externalHost: '44.101.1.2', lifetimeSec: 120, epochSec: 5 },
    });
  });

  it('knows a gateway with a private outer address by its error', () => {
    const answer = hex(
      '02810008 0000001e 00000005 000000000000000000000000 0102030405060708090a0b0c 06000000 1b59 0000 00000000000000000000ffff64400102',
    );
    const response = decodePcpResponse(answer);
    if (!response.ok || response.value.kind !== 'map') throw new Error('not a map answer');
    expect(pcpAnswer(response.value)).toMatchObject({ ok: false, failure: { kind: 'private' } });
  });

  it('takes the answer of a NAT-PMP server as "not spoken here"', () => {
    expect(decodePcpResponse(hex('0081 0001 00000009'))).toEqual({
      ok: true,
      value: { kind: 'unsupported' },
    });
  });
});

describe('NAT-PMP (RFC 6886)', () => {
  it('asks in 2 and in 12 bytes', () => {
    expect(toHex(encodeAddressRequest())).toBe('0000');
    expect(toHex(encodeNatPmpMap(REQUEST))).toBe('00020000' + '1b591b5a' + '00000e10');
    expect(toHex(encodeNatPmpMap({ ...REQUEST, transport: 'udp' }))).toBe(
      '00010000' + '1b591b5a' + '00000e10',
    );
  });

  it('deletes with external port and lifetime 0 (section 3.4)', () => {
    expect(toHex(encodeNatPmpMap({ ...REQUEST, lifetimeSec: 0 }))).toBe('00020000' + '1b590000' + '00000000');
  });

  it('reads grants, and errors that end early', () => {
    const granted = decodeNatPmpResponse(hex('0082 0000 00000007 1b59 1f42 00000e10'));
    if (!granted.ok || granted.value.kind !== 'map') throw new Error('not a map answer');
    expect(natPmpAnswer(granted.value, '44.1.1.1')).toEqual({
      ok: true,
      grant: { externalPort: 8002, externalHost: '44.1.1.1', lifetimeSec: 3600, epochSec: 7 },
    });
    const refused = decodeNatPmpResponse(hex('0082 0002 00000007'));
    if (!refused.ok || refused.value.kind !== 'map') throw new Error('not a map answer');
    expect(natPmpAnswer(refused.value, undefined)).toMatchObject({ ok: false, failure: { kind: 'refused' } });
  });

  it('sees that there is no public address behind 0.0.0.0', () => {
    const answer = decodeNatPmpResponse(hex('0080 0003 00000007 00000000'));
    if (!answer.ok || answer.value.kind !== 'address') throw new Error('not an address answer');
    expect(natPmpAddressTrouble(answer.value)).toMatchObject({ ok: false, failure: { kind: 'private' } });
  });
});

describe('answers of a hostile gateway', () => {
  it('never throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 1200 }), (bytes) => {
        decodePcpResponse(bytes);
        decodeNatPmpResponse(bytes);
      }),
      { numRuns: 2_000 },
    );
    fc.assert(
      fc.property(fc.string({ maxLength: 2_000, unit: 'grapheme' }), (text) => {
        decodeSsdp(text);
        parseXml(text);
        decodeSoap(text, 'AddPortMapping');
        decodeDescription(text, new URL('http://192.168.1.1:5000/rootDesc.xml'));
        checkLocation(text, '192.168.1.1');
        parseProcRoute(text, true);
        parseProcRoute6(text);
        parseNetstat(text);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('XML', () => {
  it('reads elements, text, entities, CDATA, comments and prefixes', () => {
    const root = parseXml(
      '<?xml version="1.0"?><a:x b=">"><!-- <no/> --><y>1 &lt; 2 &#38; &#x33;</y><z/><y><![CDATA[<raw>]]></y></a:x>',
    );
    expect(root).toEqual({
      ok: true,
      value: {
        name: 'x',
        text: '',
        children: [
          { name: 'y', text: '1 < 2 & 3', children: [] },
          { name: 'z', text: '', children: [] },
          { name: 'y', text: '<raw>', children: [] },
        ],
      },
    });
  });

  it.each([
    ['entities that could be declared', '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'],
    ['tags that do not match', '<a><b></a></b>'],
    ['two roots', '<a/><b/>'],
    ['an end that is missing', '<a><b>'],
    ['depth', `${'<a>'.repeat(30)}${'</a>'.repeat(30)}`],
    ['number', `<a>${'<b/>'.repeat(3_000)}</a>`],
  ])('refuses %s', (_what, source) => {
    expect(parseXml(source).ok).toBe(false);
  });
});

describe('SSDP', () => {
  it('is heard for a location on the gateway itself only', () => {
    expect(checkLocation('http://192.168.1.1:5000/d.xml', '192.168.1.1').ok).toBe(true);
    for (const location of [
      'http://192.168.1.2:5000/d.xml',
      'http://192.168.1.1.evil.example/',
      'http://192.168.1.1@10.0.0.1/',
      'https://192.168.1.1/',
      'file:///etc/passwd',
      'http://[::ffff:192.168.1.1]/',
    ]) {
      expect(checkLocation(location, '192.168.1.1').ok, location).toBe(false);
    }
  });

  it('reads answers and announcements', () => {
    const answer =
      'HTTP/1.1 200 OK\r\nST: urn:x\r\nLOCATION: http://192.168.1.1/d.xml\r\nBOOTID.UPNP.ORG: 7\r\n\r\n';
    expect(decodeSsdp(answer)).toEqual({
      ok: true,
      value: { kind: 'answer', location: 'http://192.168.1.1/d.xml', target: 'urn:x', bootId: '7' },
    });
    expect(decodeSsdp('NOTIFY * HTTP/1.1\r\nNTS: ssdp:byebye\r\nNT: urn:x\r\n\r\n')).toMatchObject({
      ok: true,
      value: { kind: 'byebye' },
    });
    expect(decodeSsdp('GET / HTTP/1.1\r\n\r\n').ok).toBe(false);
    expect(encodeSearch('urn:x', '239.255.255.250')).toContain('\r\nMAN: "ssdp:discover"\r\n');
  });
});

describe('IGD', () => {
  const BASE = new URL('http://192.168.1.1:5000/rootDesc.xml');
  const service = (type: string, path: string): string =>
    `<service><serviceType>${type}</serviceType><controlURL>${path}</controlURL></service>`;
  const device = (services: string): string =>
    `<root><device><serviceList>${services}</serviceList></device></root>`;

  it('takes the newest connection service whose control is on the gateway', () => {
    const found = decodeDescription(
      device(
        service('urn:schemas-upnp-org:service:WANIPConnection:2', 'http://10.9.8.7/ctl') +
          service('urn:schemas-upnp-org:service:WANIPConnection:1', '/ctl/IPConn') +
          service('urn:schemas-upnp-org:service:WANIPv6FirewallControl:1', '/ctl/IP6FCtl'),
      ),
      BASE,
    );
    if (!found.ok) throw new Error(found.reason.what);
    expect(found.value.connection?.control.href).toBe('http://192.168.1.1:5000/ctl/IPConn');
    expect(found.value.connection?.type).toMatch(/WANIPConnection:1$/);
    expect(found.value.firewall?.control.pathname).toBe('/ctl/IP6FCtl');
  });

  it('composes calls that say what was asked', () => {
    const control = { type: 'urn:schemas-upnp-org:service:WANIPConnection:2', control: BASE };
    const request = { ...REQUEST, clientHost: '192.168.1.10' };
    const body = parseXml(addPortMapping(control, request).body);
    expect(JSON.stringify(body)).toContain('{"name":"NewExternalPort","children":[],"text":"7002"}');
    expect(JSON.stringify(body)).toContain(
      '{"name":"NewInternalClient","children":[],"text":"192.168.1.10"}',
    );
    expect(JSON.stringify(body)).toContain('{"name":"NewLeaseDuration","children":[],"text":"3600"}');
    expect(addAnyPortMapping(control, request).action).toBe('AddAnyPortMapping');
    expect(deletePortMapping(control, 'udp', 7002).body).toContain('<NewProtocol>UDP</NewProtocol>');
  });

  it('reads answers and errors', () => {
    const envelope = (inner: string): string =>
      `<s:Envelope xmlns:s="x"><s:Body>${inner}</s:Body></s:Envelope>`;
    const granted = decodeSoap(
      envelope(
        '<u:AddAnyPortMappingResponse xmlns:u="y"><NewReservedPort>8002</NewReservedPort></u:AddAnyPortMappingResponse>',
      ),
      'AddAnyPortMapping',
    );
    expect(granted).toMatchObject({ ok: true, value: { ok: true } });
    const error = decodeSoap(
      envelope(
        '<s:Fault><detail><UPnPError><errorCode>718</errorCode><errorDescription>Conflict</errorDescription></UPnPError></detail></s:Fault>',
      ),
      'AddPortMapping',
    );
    expect(error).toEqual({ ok: true, value: { ok: false, code: 718, what: 'Conflict' } });
    expect(decodeSoap(envelope('<other/>'), 'AddPortMapping').ok).toBe(false);
  });
});

describe('routes', () => {
  it('finds the default gateway in /proc/net/route, the lowest metric first', () => {
    const text = [
      'Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT',
      'wlan0\t00000000\t0101A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0',
      'eth0\t00000000\t0102A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0',
      'eth0\t0002A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0',
    ].join('\n');
    expect(parseProcRoute(text, true).map(({ gateway, interfaceName }) => [gateway, interfaceName])).toEqual([
      ['192.168.2.1', 'eth0'],
      ['192.168.1.1', 'wlan0'],
    ]);
  });

  it('finds it in /proc/net/ipv6_route, with the zone of a link-local one', () => {
    const zeros = '0'.repeat(32);
    const text = `${zeros} 00 ${zeros} 00 fe800000000000000000000000000001 00000400 00000001 00000000 00450003 eth0\n${zeros} 00 ${zeros} 00 ${zeros} ffffffff 00000001 00000000 00200200 lo\n`;
    expect(parseProcRoute6(text)).toEqual([
      { family: 6, gateway: 'fe80::1%eth0', interfaceName: 'eth0', metric: 0x400 },
    ]);
  });

  it('finds it in what netstat prints elsewhere', () => {
    const mac =
      'Internet:\nDestination  Gateway  Flags  Netif\ndefault  192.168.1.1  UGScg  en0\ndefault  fe80::1%en0  UGcg  en0\n';
    expect(parseNetstat(mac).map(({ family, gateway }) => [family, gateway])).toEqual([
      [4, '192.168.1.1'],
      [6, 'fe80::1%en0'],
    ]);
    expect(parseNetstat('  0.0.0.0   0.0.0.0   10.0.0.1   10.0.0.7   25\r\n')[0]?.gateway).toBe('10.0.0.1');
  });
});

describe('retransmission', () => {
  it('doubles as the RFCs say', () => {
    expect(natPmpDelaysMs()).toEqual([250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000]);
    const delays = pcpDelaysMs(seededRng(1), 12);
    expect(delays[0]).toBeGreaterThanOrEqual(2_700);
    expect(delays[0]).toBeLessThanOrEqual(3_300);
    for (let i = 1; i < delays.length; i++) {
      const ratio = (delays[i] as number) / (delays[i - 1] as number);
      expect(ratio).toBeLessThanOrEqual(2.11);
      if ((delays[i] as number) < 1_024_000) expect(ratio).toBeGreaterThanOrEqual(1.89);
    }
    expect(Math.max(...delays)).toBeLessThanOrEqual(1_024_000);
  });

  it('sees a restart in an epoch that falls or lags, and none in one that runs', () => {
    const watch = new EpochWatch();
    expect(watch.handleEpoch(1_000, 0)).toBe(false);
    expect(watch.handleEpoch(1_060, 60_000)).toBe(false);
    // A clock that runs a percent fast is a clock.
    expect(watch.handleEpoch(1_000 + 3_636, 3_600_000)).toBe(false);
    expect(watch.handleEpoch(5, 3_660_000)).toBe(true);
    expect(watch.handleEpoch(15, 3_670_000)).toBe(false);
    expect(watch.handleEpoch(20, 3_770_000)).toBe(true);
  });
});
