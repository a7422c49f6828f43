// Local service discovery messages (BEP 14): a small HTTP-like datagram that names info hashes. Pure.
import { toHex } from '../base/bytes.ts';
import { type InfoHash, infoHashFromHex } from '../base/ids.ts';

export const LSD_PORT = 6771;
export const LSD_GROUP_V4 = '239.192.152.143';
export const LSD_GROUP_V6 = 'ff15::efc0:988f';
/** BEP 14: a datagram larger than this would be cut up on the way. */
const MAX_DATAGRAM_BYTES = 1400;
const MAX_HASHES = 16;

export interface LsdAnnounce {
  readonly port: number;
  readonly infoHashes: readonly InfoHash[];
  /** Opaque; lets a sender ignore its own datagrams. */
  readonly cookie: string | undefined;
}

/** A datagram of BEP 14. @param group the multicast address it goes to, without a port */
export function encodeLsd(announce: LsdAnnounce, group: string): string {
  const host = group.includes(':') ? `[${group}]` : group;
  const lines = ['BT-SEARCH * HTTP/1.1', `Host: ${host}:${LSD_PORT}`, `Port: ${announce.port}`];
  for (const infoHash of announce.infoHashes) lines.push(`Infohash: ${toHex(infoHash)}`);
  if (announce.cookie !== undefined) lines.push(`cookie: ${announce.cookie}`);
  return `${lines.join('\r\n')}\r\n\r\n\r\n`;
}

/** @returns undefined for anything that is not an announce; unknown headers are passed over */
export function decodeLsd(datagram: Uint8Array): LsdAnnounce | undefined {
  if (datagram.length > MAX_DATAGRAM_BYTES) return undefined;
  const lines = new TextDecoder('latin1').decode(datagram).split('\r\n');
  if (!/^BT-SEARCH \* HTTP\/1\.[01]$/.test(lines[0] ?? '')) return undefined;
  let port: number | undefined;
  let cookie: string | undefined;
  const infoHashes: InfoHash[] = [];
  for (const line of lines.slice(1)) {
    const match = /^([A-Za-z-]+):[ \t]*(.*?)[ \t]*$/.exec(line);
    if (match === null) continue;
    const value = match[2] as string;
    switch ((match[1] as string).toLowerCase()) {
      case 'port':
        if (/^[0-9]{1,5}$/.test(value)) port = Number(value);
        break;
      case 'infohash': {
        const infoHash = infoHashFromHex(value);
        if (infoHash !== undefined && infoHashes.length < MAX_HASHES) infoHashes.push(infoHash);
        break;
      }
      case 'cookie':
        cookie = value;
        break;
    }
  }
  if (port === undefined || port < 1 || port > 65535 || infoHashes.length === 0) return undefined;
  return { port, infoHashes, cookie };
}
