// Encodes our own small messages with the `bencode` package (its only import). Nothing from the network is decoded by it:
// four bytes (`l-3:`) end a process that does. What it would corrupt silently (BigInt, fractions, null, non-ASCII keys
// whose UTF-16 order is not their byte order) is refused here.
import bencode from 'bencode';
import { bytesEqual, compareBytes, concatBytes, utf8 } from './bytes.ts';

/** Strings go out as UTF-8; entries that are undefined are left out; keys must be ASCII. */
export type Encodable =
  | number
  | string
  | Uint8Array
  | readonly Encodable[]
  | { readonly [key: string]: Encodable | undefined };

/** Canonical bencode (BEP 3). @throws TypeError on a number that is not a safe integer, or a key that is not ASCII */
export function encodeBencode(value: Encodable): Uint8Array {
  return bencode.encode(checked(value));
}

function checked(value: Encodable): unknown {
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value)) throw new TypeError(`cannot bencode the number ${value}`);
    return value;
  }
  if (typeof value === 'string') return value;
  // A plain view: the package treats every other typed array by its elements' bytes, which is the same thing.
  if (value instanceof Uint8Array) return value;
  if (Array.isArray(value)) return value.map((item: Encodable) => checked(item));
  if (typeof value !== 'object' || value === null) throw new TypeError(`cannot bencode a ${typeof value}`);
  const dict: Record<string, unknown> = {};
  for (const [key, item] of Object.entries(value)) {
    if (!/^[\x20-\x7e]*$/.test(key) || key === '__proto__')
      throw new TypeError(`cannot bencode the key ${JSON.stringify(key)}`);
    if (item !== undefined) dict[key] = checked(item);
  }
  return dict;
}

/**
 * Composes a dictionary from any byte keys and values that are bencode already (a torrent's own `info`, BEP 52
 * `piece layers`, scrape `files`). @throws TypeError on a key given twice
 */
export function composeDict(
  pairs: readonly (readonly [key: Uint8Array, encodedValue: Uint8Array])[],
): Uint8Array {
  const sorted = [...pairs].sort((a, b) => compareBytes(a[0], b[0]));
  const parts: Uint8Array[] = [utf8('d')];
  let last: Uint8Array | undefined;
  for (const [key, value] of sorted) {
    if (last !== undefined && bytesEqual(last, key)) throw new TypeError('bencode key given twice');
    last = key;
    parts.push(utf8(`${key.length}:`), key, value);
  }
  parts.push(utf8('e'));
  return concatBytes(parts);
}
