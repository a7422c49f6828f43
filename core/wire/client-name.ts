// What to call a peer's program: its own word from the extended handshake, or else what its peer id gives away (BEP 20).
import { latin1 } from '../base/bytes.ts';

/** Azureus style, `-XX1234-`: the ones met in today's swarms. */
const AZUREUS: Readonly<Record<string, string>> = {
  '7T': 'aTorrent',
  AG: 'Ares',
  AZ: 'Vuze',
  BC: 'BitComet',
  BE: 'BitTorrent SDK',
  BG: 'BTG',
  BI: 'BiglyBT',
  BL: 'BitLord',
  BR: 'BitRocket',
  BT: 'BitTorrent',
  BW: 'BitWombat',
  CD: 'Enhanced CTorrent',
  DE: 'Deluge',
  FC: 'FileCroc',
  FD: 'Free Download Manager',
  FL: 'Folx',
  FW: 'FrostWire',
  FX: 'Freebox',
  GL: 'Gopeed',
  GT: 'anacrolix/torrent',
  HL: 'Halite',
  JT: 'Javatorrent',
  KG: 'KGet',
  KT: 'KTorrent',
  LC: 'LeechCraft',
  LP: 'Lphant',
  LT: 'libtorrent',
  LW: 'LimeWire',
  MG: 'MediaGet',
  MO: 'MonoTorrent',
  NX: 'Net Transport',
  PI: 'PicoTorrent',
  PT: 'Popcorn Time',
  SD: 'Thunder',
  SP: 'BitSpirit',
  SY: 'Synology',
  TB: 'Torch',
  TL: 'Tribler',
  TR: 'Transmission',
  TS: 'TorrentStorm',
  TT: 'tt',
  TX: 'Tixati',
  UE: 'µTorrent Embedded',
  UM: 'µTorrent for Mac',
  UT: 'µTorrent',
  UW: 'µTorrent Web',
  WD: 'WebTorrent Desktop',
  WW: 'WebTorrent',
  XL: 'Xunlei',
  lt: 'rTorrent',
  qB: 'qBittorrent',
  rQ: 'rqbit',
  st: 'SharkTorrent',
};

/** Whole prefixes of other styles, the version digits after them. */
const PREFIXES: readonly (readonly [prefix: string, name: string])[] = [
  ['A2-', 'aria2'],
  ['OP', 'Opera'],
  ['exbc', 'BitComet'],
  ['XBT', 'XBT'],
  ['-ML', 'MLDonkey'],
];

/** Shadow style: one letter, then up to five version digits and dashes. */
const SHADOW: Readonly<Record<string, string>> = {
  A: 'ABC',
  M: 'BitTorrent',
  O: 'Osprey Permaseed',
  Q: 'BTQueue',
  R: 'Tribler',
  S: 'Shadow',
  T: 'BitTornado',
  U: 'UPnP NAT Bit Torrent',
};

/** Programs of ours and others keep within this; the rest is cut. */
const MAX_NAME_CHARS = 48;
const UNKNOWN = 'unknown';

/**
 * One short line without control characters, whatever the peer sent.
 * @param fromHandshake `v` of the extended handshake
 */
export function clientName(peerId: Uint8Array | undefined, fromHandshake?: string | undefined): string {
  const own = printable(fromHandshake ?? '');
  if (own !== '') return own;
  return peerId === undefined ? UNKNOWN : nameOfPeerId(latin1(peerId));
}

function nameOfPeerId(id: string): string {
  const azureus = /^-([A-Za-z0-9]{2})([0-9A-Za-z]{4})-/.exec(id);
  if (azureus !== null) {
    const [, code, version] = azureus as unknown as [string, string, string];
    return `${AZUREUS[code] ?? code} ${azureusVersion(code, version)}`;
  }
  for (const [prefix, name] of PREFIXES) {
    if (!id.startsWith(prefix)) continue;
    const version = /^[0-9]+(?:[-.][0-9]+)*/.exec(id.slice(prefix.length))?.[0];
    return version === undefined ? name : `${name} ${version.replaceAll('-', '.')}`;
  }
  const mainline = /^([MQ])([0-9]{1,2})-([0-9]{1,2})-([0-9]{1,2})-/.exec(id);
  if (mainline !== null)
    return `${SHADOW[mainline[1] as string]} ${mainline[2]}.${mainline[3]}.${mainline[4]}`;
  const shadow = /^([A-Z])([0-9A-Za-z.]{1,5})-{1,4}/.exec(id);
  const name = shadow === null ? undefined : SHADOW[shadow[1] as string];
  if (shadow !== null && name !== undefined) return `${name} ${[...(shadow[2] as string)].join('.')}`;
  return UNKNOWN;
}

function azureusVersion(code: string, version: string): string {
  // Transmission: -TR2940- is 2.94, but -TR400Z- and -TR4060- are 4.0.0 and 4.0.6.
  if (code === 'TR' && /^[0-3]/.test(version)) return `${version[0]}.${version.slice(1, 3)}`;
  const digits = [...version].map((char) => Number.parseInt(char, 36));
  if (digits[3] === 0 || /[A-Z]$/.test(version)) digits.pop();
  return digits.join('.');
}

function printable(text: string): string {
  return text
    .replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Co}\u2028\u2029]/gu, '')
    .trim()
    .slice(0, MAX_NAME_CHARS);
}
