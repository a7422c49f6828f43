// Which client `v` stands for: two letters that its maker chose, then what each thinks a version is (BEP 20 codes, as used in
// DHT messages).

const CLIENTS: Readonly<Record<string, string>> = {
  LT: 'libtorrent',
  UT: 'uTorrent',
  UM: 'uTorrent Mac',
  UW: 'uTorrent Web',
  BT: 'BitTorrent',
  TR: 'Transmission',
  JC: 'jech/dht',
  MO: 'Mono',
  ML: 'mldht',
  'A\u0002': 'aria2',
  A2: 'aria2',
  GT: 'anacrolix',
  tt: 'tt',
  FL: 'Flashget',
  XL: 'Xunlei',
  SP: 'BitSpirit',
  TX: 'Tixati',
  NO: 'node bittorrent-dht',
  WW: 'WebTorrent',
  RQ: 'rqbit',
  BC: 'BitComet',
  DE: 'Deluge',
  VU: 'Vuze',
  AZ: 'Vuze',
  FD: 'Free Download Manager',
};

/** @returns undefined without `v` */
export function clientName(version: Uint8Array | undefined): string | undefined {
  if (version === undefined || version.length === 0) return undefined;
  const code = String.fromCharCode(...version.subarray(0, 2));
  return CLIENTS[code] ?? 'unknown';
}
