// What the wall time of a download can be spent on. Exactly one holds at any moment: the first of this list that applies.
// The words here are the definition: `tt explain --help` and docs/explain.md are made of them.

export interface CauseSpec {
  readonly id: string;
  /** For a column of 20. */
  readonly title: string;
  /** One or two sentences: when it holds. */
  readonly meaning: string;
}

export const CAUSES = [
  {
    id: 'error',
    title: 'stopped by an error',
    meaning: 'The torrent stopped by itself (disk full, unreadable files) and waits to be resumed.',
  },
  {
    id: 'paused',
    title: 'paused',
    meaning: 'Somebody paused it.',
  },
  {
    id: 'check',
    title: 'opening, checking',
    meaning:
      'Files and resume state are opened, and what already lies on disk without anything to vouch for it is hashed.',
  },
  {
    id: 'hash',
    title: 'hashing',
    meaning:
      'The disk thread is behind (as with "disk"), and spent more than half of the last quarter second on hashing.',
  },
  {
    id: 'disk',
    title: 'disk',
    meaning:
      'The disk thread is behind: all buffers are in use, at least half of them by data that waits to be written; or all data has come and the rest of it waits to be written.',
  },
  {
    id: 'peers',
    title: 'waiting for peers',
    meaning:
      'Nobody is connected that has any piece of it: no addresses are known, nobody answers, or the handshakes are under way.',
  },
  {
    id: 'metadata',
    title: 'waiting for metadata',
    meaning: 'Magnet links: peers are connected, and the file list is not complete yet.',
  },
  {
    id: 'pieces',
    title: 'nobody has the rest',
    meaning: 'Peers are connected that have pieces, but none has one that is still missing.',
  },
  {
    id: 'unchoke',
    title: 'waiting for unchoke',
    meaning: 'Peers have what is missing, and every one of them refuses to send for now (chokes us).',
  },
  {
    id: 'limit',
    title: 'own limit',
    meaning: '--down-limit holds back the reading of data that has come.',
  },
  {
    id: 'cpu',
    title: 'own processor',
    meaning: 'The main thread of tt was busy for more than nine tenths of the last quarter second.',
  },
  {
    id: 'queue',
    title: 'queue too short',
    meaning:
      'Most of what comes is from peers that run out of requests: fewer are allowed there (the start of a connection, or the peer takes no more) than 1.5 times what fits on the line, which is rate x round trip. Or nothing is asked of anybody though blocks are missing.',
  },
  {
    id: 'endgame',
    title: 'endgame',
    meaning:
      'Every missing block is asked for, and at least one peer that would send has at most one request left, while others still owe theirs.',
  },
  {
    id: 'slow',
    title: 'peers too slow',
    meaning:
      'None of the above: enough is asked of peers that may send, and nothing on our side holds them back. Their line, their limit or the path between is what the download waits for.',
  },
] as const satisfies readonly CauseSpec[];

export type TimeCause = (typeof CAUSES)[number]['id'];

/** Integer milliseconds by cause. */
export type TimeByCause = Readonly<Record<TimeCause, number>>;

export function noTime(): Record<TimeCause, number> {
  return Object.fromEntries(CAUSES.map(({ id }) => [id, 0])) as Record<TimeCause, number>;
}

export function isTimeCause(text: string): text is TimeCause {
  return CAUSES.some(({ id }) => id === text);
}

export function causeSpec(cause: TimeCause): CauseSpec {
  return CAUSES.find(({ id }) => id === cause) as CauseSpec;
}

/** All causes together, ms. */
export function sumOf(time: TimeByCause): number {
  return CAUSES.reduce((sum, { id }) => sum + time[id], 0);
}
