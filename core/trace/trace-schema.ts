// What a line of `--trace` can hold: every event with every field, in the order they are written. The table in docs/trace.md
// and the test that reads real traces are both made of this.

export const TRACE_SCHEMA = 'tt-trace/1';

export type TraceFieldType = 'integer' | 'number' | 'string' | 'boolean';

export interface TraceField {
  readonly name: string;
  readonly type: TraceFieldType;
  readonly meaning: string;
  /** Absent where it means nothing. */
  readonly isOptional?: boolean;
  /** All values there are. */
  readonly values?: readonly string[];
}

export interface TraceEventSpec {
  readonly event: string;
  readonly meaning: string;
  /** Besides `t` and `event`. */
  readonly fields: readonly TraceField[];
}

/** Every line begins with these two. */
export const COMMON_FIELDS: readonly TraceField[] = [
  {
    name: 't',
    type: 'number',
    meaning: 'milliseconds since the trace began, to the microsecond; never decreases',
  },
  { name: 'event', type: 'string', meaning: 'one of those below' },
];

const TORRENT: TraceField = { name: 'torrent', type: 'integer', meaning: 'its number in this trace, from 1' };
const PEER: TraceField = {
  name: 'peer',
  type: 'string',
  meaning: 'twelve hex digits: the same address and port within this trace, and no other',
};
const DIRECTION: TraceField = {
  name: 'dir',
  type: 'string',
  values: ['in', 'out'],
  meaning: 'in: the peer said it to us; out: we said it to the peer',
};
const PIECE: TraceField = { name: 'piece', type: 'integer', meaning: 'index of the piece' };
const BEGIN: TraceField = { name: 'begin', type: 'integer', meaning: 'offset within the piece, bytes' };
const LENGTH: TraceField = { name: 'length', type: 'integer', meaning: 'bytes' };

const STATE_FIELDS = [TORRENT, PEER, DIRECTION];
const BLOCK_FIELDS = [TORRENT, PEER, DIRECTION, PIECE, BEGIN, LENGTH];

export const TRACE_EVENTS = [
  {
    event: 'trace',
    meaning: 'the first line',
    fields: [
      {
        name: 'schema',
        type: 'string',
        meaning: `\`${TRACE_SCHEMA}\`; fields and events may be added, none changes`,
      },
    ],
  },
  {
    event: 'torrent',
    meaning: 'a torrent is opened, before anything else of it but connections made for its metadata',
    fields: [
      TORRENT,
      { name: 'pieces', type: 'integer', meaning: 'how many it has' },
      { name: 'pieceLength', type: 'integer', meaning: 'bytes' },
      { name: 'bytes', type: 'integer', meaning: 'its size' },
      { name: 'have', type: 'integer', meaning: 'pieces that are there already' },
    ],
  },
  {
    event: 'connect',
    meaning: 'the handshakes with a peer are done',
    fields: [
      TORRENT,
      PEER,
      { name: 'dir', type: 'string', values: ['in', 'out'], meaning: 'who called: in = the peer, out = we' },
      {
        name: 'transport',
        type: 'string',
        values: ['tcp', 'utp', 'reverse', 'punched', 'relayed', 'web'],
        meaning: 'what carries it; web: a web seed (BEP 19), which is a server and says nothing',
      },
      { name: 'encrypted', type: 'boolean', meaning: 'the payload is encrypted (MSE; TLS with `web`)' },
      {
        name: 'origin',
        type: 'string',
        meaning: 'who told us of the peer: tracker, dht, pex, lsd, manual, incoming, web-seed, ...',
      },
    ],
  },
  {
    event: 'disconnect',
    meaning: 'the connection is gone',
    fields: [
      TORRENT,
      PEER,
      {
        name: 'reason',
        type: 'string',
        meaning: 'a few words, or the name of a system error; never an address',
      },
      { name: 'downloaded', type: 'integer', meaning: 'payload from the peer, bytes' },
      { name: 'uploaded', type: 'integer', meaning: 'payload to the peer, bytes' },
    ],
  },
  {
    event: 'pieces',
    meaning:
      'the first word on who has what (bitfield, have-all, have-none); ours comes again when the first was before the torrent was opened',
    fields: [...STATE_FIELDS, { name: 'count', type: 'integer', meaning: 'how many pieces the speaker has' }],
  },
  { event: 'have', meaning: 'the speaker has one more piece', fields: [...STATE_FIELDS, PIECE] },
  { event: 'choke', meaning: 'requests are not answered any more', fields: STATE_FIELDS },
  { event: 'unchoke', meaning: 'requests are answered from now on', fields: STATE_FIELDS },
  { event: 'interested', meaning: 'the other has something that the speaker wants', fields: STATE_FIELDS },
  { event: 'not-interested', meaning: 'the other has nothing that the speaker wants', fields: STATE_FIELDS },
  { event: 'request', meaning: 'the speaker asks for a block', fields: BLOCK_FIELDS },
  { event: 'cancel', meaning: 'the speaker takes a request back', fields: BLOCK_FIELDS },
  { event: 'reject', meaning: 'the speaker will not answer a request (BEP 6)', fields: BLOCK_FIELDS },
  {
    event: 'block',
    meaning: 'a block has come (its last byte), or has been handed to the connection',
    fields: [
      ...BLOCK_FIELDS,
      {
        name: 'used',
        type: 'boolean',
        isOptional: true,
        meaning:
          'with `in`: false when it was not wanted (any more); then this is the time of its first byte',
      },
    ],
  },
  {
    event: 'hash',
    meaning: 'a piece is hashed and, when good, on disk',
    fields: [TORRENT, PIECE, { name: 'ok', type: 'boolean', meaning: 'the hash is the one in the torrent' }],
  },
  {
    event: 'lost',
    meaning: 'the file could not be written as fast as things happened: so many lines are missing here',
    fields: [{ name: 'lines', type: 'integer', meaning: 'how many' }],
  },
] as const satisfies readonly TraceEventSpec[];

function fieldRow(field: TraceField): string {
  const values =
    field.values === undefined ? '' : ` (${field.values.map((value) => `\`${value}\``).join(', ')})`;
  const optional = field.isOptional === true ? ', may be absent' : '';
  return `| \`${field.name}\` | ${field.type}${optional} | ${field.meaning}${values} |`;
}

function fieldTable(fields: readonly TraceField[]): string {
  return ['| field | type | |', '|---|---|---|', ...fields.map(fieldRow)].join('\n');
}

/** docs/trace.md. */
export function traceMarkdown(): string {
  const events = (TRACE_EVENTS as readonly TraceEventSpec[]).map(
    ({ event, meaning, fields }) => `### ${event}\n${meaning}\n\n${fieldTable(fields)}`,
  );
  return `# The trace of a transfer
\`tt download --trace FILE\` and \`tt seed --trace FILE\` write what peers say to us and we to them as NDJSON: one JSON object a line, \`${TRACE_SCHEMA}\`.
This page is generated from \`core/trace/trace-schema.ts\`; a test reads real traces and finds every field here and no other.

What is not in it: payload, names, info hashes, addresses. A peer is a keyed hash (HMAC-SHA-256, cut to 48 bits) of its address and port. The key is made anew
for each run and written nowhere, so that two traces cannot be joined by their peers. The sizes in \`torrent\` may still tell which torrent it was.

The file is made anew, readable by its owner only. If it cannot be made, nothing starts (exit code 8). If it cannot be written later (disk full), one line on stderr says so,
the trace ends there and the download goes on. A line takes some 100 bytes, a GiB of payload 15 to 20 MiB.

To see how long each block took:

\`\`\`
jq -r 'select(.event == "request" and .dir == "out" or .event == "block" and .dir == "in")
       | [.t, .event, .peer, .piece, .begin] | @tsv' FILE
\`\`\`

## Every line
${fieldTable(COMMON_FIELDS)}

## Events
${events.join('\n\n')}
`;
}
