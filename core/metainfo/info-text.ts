// Names as a torrent's bytes give them: UTF-8 by the book, the old `.utf-8` twin keys, or the torrent's declared `encoding`.
import type { BencodeDict, BencodeValue } from '../base/bencode.ts';
import { strictTextOf, textOf } from '../base/bytes.ts';

/** Text for a person. Bad bytes become U+FFFD unless `charset` (a WHATWG label such as GBK) explains them. */
export function decodeName(bytes: Uint8Array, charset: string | undefined): string {
  const strict = strictTextOf(bytes);
  if (strict !== undefined) return strict;
  if (charset !== undefined) {
    try {
      return new TextDecoder(charset).decode(bytes);
    } catch {
      // An unknown label: as if there were none.
    }
  }
  return textOf(bytes);
}

/** `key.utf-8` where it is sound, else `key`. */
export function nameIn(dict: BencodeDict, key: string, charset: string | undefined): string | undefined {
  const twin = dict.bytes(`${key}.utf-8`);
  const twinText = twin === undefined ? undefined : strictTextOf(twin);
  if (twinText !== undefined && twinText !== '') return twinText;
  const bytes = dict.bytes(key);
  return bytes === undefined ? undefined : decodeName(bytes, charset);
}

/** A list of byte strings, or undefined. */
export function bytesList(value: BencodeValue | undefined): readonly Uint8Array[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const list = value as readonly BencodeValue[];
  return list.every((item) => item instanceof Uint8Array) ? (list as readonly Uint8Array[]) : undefined;
}
