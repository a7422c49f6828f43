// Databases in MaxMind's format, a few networks small: the tree of 24-bit records, the data, the metadata (MaxMind DB format 2.0).
type Value = string | number | boolean | { readonly [key: string]: Value };

export interface MmdbNetwork {
  /** `192.0.2.0/25` */
  readonly network: string;
  readonly record: { readonly [key: string]: Value };
}

function sized(type: number, size: number): number[] {
  const [first, rest] = size < 29 ? [size, []] : [29, [size - 29]];
  // Types beyond 7 say so in a byte of their own.
  return type > 7 ? [first, type - 7, ...rest] : [(type << 5) | first, ...rest];
}

function encode(value: Value): number[] {
  if (typeof value === 'string') {
    const bytes = Buffer.from(value);
    return [...sized(2, bytes.length), ...bytes];
  }
  if (typeof value === 'boolean') return sized(14, value ? 1 : 0);
  if (typeof value === 'number')
    return [...sized(6, 4), value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255];
  const entries = Object.entries(value);
  return [
    ...sized(7, entries.length),
    ...entries.flatMap(([key, each]) => [...encode(key), ...encode(each)]),
  ];
}

interface Branch {
  readonly sides: [Branch | number | undefined, Branch | number | undefined];
}

/** @param builtUnixS when it says it was built */
export function mmdbBytes(type: string, networks: readonly MmdbNetwork[], builtUnixS: number): Uint8Array {
  const root: Branch = { sides: [undefined, undefined] };
  const data: number[] = [];
  for (const { network, record } of networks) {
    const [ip, length] = network.split('/') as [string, string];
    const address = ip.split('.').reduce((sum, byte) => sum * 256 + Number(byte), 0);
    const at = data.length;
    data.push(...encode(record));
    let branch = root;
    for (let bit = 0; bit < Number(length); bit++) {
      const side = Math.floor(address / 2 ** (31 - bit)) % 2;
      if (bit === Number(length) - 1) branch.sides[side] = at;
      else {
        const next = branch.sides[side];
        const child: Branch = typeof next === 'object' ? next : { sides: [undefined, undefined] };
        branch.sides[side] = child;
        branch = child;
      }
    }
  }
  const branches: Branch[] = [];
  const number = (branch: Branch): void => {
    branches.push(branch);
    for (const side of branch.sides) if (typeof side === 'object') number(side);
  };
  number(root);
  const count = branches.length;
  const tree = branches.flatMap(({ sides }) =>
    sides.flatMap((side) => {
      // No data: the number of nodes. Data: behind that and the 16 zeros that end the tree.
      const record =
        side === undefined ? count : typeof side === 'number' ? count + 16 + side : branches.indexOf(side);
      return [record >> 16, (record >> 8) & 255, record & 255];
    }),
  );
  const metadata = encode({
    binary_format_major_version: 2,
    binary_format_minor_version: 0,
    build_epoch: builtUnixS,
    database_type: type,
    ip_version: 4,
    node_count: count,
    record_size: 24,
  });
  const zeros = new Array<number>(16).fill(0);
  return Uint8Array.from([
    ...tree,
    ...zeros,
    ...data,
    ...Buffer.from('\u00ab\u00cd\u00efMaxMind.com', 'latin1'),
    ...metadata,
  ]);
}
