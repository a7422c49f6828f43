// Bencode written out loosely for tests: keys stay in the order given, so that malformed torrents can be made too.

export type Loose =
  | number
  | bigint
  | string
  | Uint8Array
  | Raw
  | readonly Loose[]
  | { readonly [key: string]: Loose };

/** Bencode to be taken as it is. */
export class Raw {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** Text is UTF-8 encoded; object keys keep their order. */
export function looseBencode(value: Loose): Uint8Array {
  return Buffer.concat(parts(value));
}

function parts(value: Loose): Uint8Array[] {
  if (value instanceof Raw) return [Buffer.from(value.text, 'latin1')];
  if (typeof value === 'number' || typeof value === 'bigint') return [Buffer.from(`i${value}e`)];
  if (typeof value === 'string') return parts(Buffer.from(value));
  if (value instanceof Uint8Array) return [Buffer.from(`${value.length}:`), value];
  if (Array.isArray(value))
    return [Buffer.from('l'), ...(value as readonly Loose[]).flatMap(parts), Buffer.from('e')];
  const entries = Object.entries(value as Record<string, Loose>);
  return [
    Buffer.from('d'),
    ...entries.flatMap(([key, item]) => [...parts(key), ...parts(item)]),
    Buffer.from('e'),
  ];
}
