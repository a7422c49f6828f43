// A magnet link with two info hashes (BEP 52): the metadata must have both.
import { expect, it } from 'vitest';
import { parseMagnet } from '../../../core/metainfo/magnet.ts';
import type { Magnet, Metainfo } from '../../../core/metainfo/metainfo.ts';
import { refuseOtherV2 } from '../../../core/session/torrent-refusals.ts';

const MAGNET = (parseMagnet(`magnet:?xt=urn:btih:${'0'.repeat(40)}`) as { readonly value: Magnet }).value;
const hash = (byte: number): Uint8Array => new Uint8Array(32).fill(byte);

it.each([
  ['no v2 hash in the link', undefined, hash(1), true],
  ['the same in both', hash(1), hash(1), true],
  ['another one', hash(2), hash(1), false],
  ['none in the metadata', hash(2), undefined, false],
])('%s', (_, wanted, found, isTaken) => {
  const metainfo = { infoHashV2: found } as Metainfo;
  const check = (): void => refuseOtherV2(metainfo, { ...MAGNET, infoHashV2: wanted }, 'it');
  if (isTaken) expect(check).not.toThrow();
  else expect(check).toThrow(/^it: the two hashes of the magnet link/);
});
