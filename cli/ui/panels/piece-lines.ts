// The piece map and its legend. Each state has a character of its own; colour adds how many peers have what is missing.
import type { TorrentSnapshot } from '../../../core/session/snapshot.ts';
import { formatBytes, formatCount, formatShare } from '../../terminal/units.ts';
import { type PieceCell, pieceCells } from '../piece-map.ts';
import { type Line, type Span, span, type Tone } from '../styled.ts';

const HAVE = '█';
const MOST = '▓';
const SOME = '▒';
const FLIGHT = '+';
const MISSING = '·';
const RARE = '-';
const NOBODY = '!';
/** Missing pieces that no more peers than this have are rare, */
const RARE_PEERS = 2;
/** where more peers than this are connected: of two peers everybody has everything, and nothing is rare. */
const FEW_PEERS = 4;

/** @param peers connected: what nobody of nobody has says nothing */
function glyph(cell: PieceCell, peers: number): readonly [text: string, tone: Tone | undefined] {
  const { have, pieces, inFlight, rarest } = cell;
  if (have === pieces) return [HAVE, 'good'];
  if (inFlight > 0) return [FLIGHT, 'key'];
  if (rarest === 0 && peers > 0) return [NOBODY, 'bad'];
  const isRare = rarest !== undefined && rarest <= RARE_PEERS && peers > FEW_PEERS;
  const tone = isRare ? 'rare' : have > 0 ? 'good' : 'dim';
  if (have === 0) return [tone === 'rare' ? RARE : MISSING, tone];
  return [have * 2 >= pieces ? MOST : SOME, tone];
}

/** Neighbours of one tone share a span. */
function cellLine(cells: readonly PieceCell[], peers: number): Line {
  const line: (string | Span)[] = [];
  let text = '';
  let tone: Tone | undefined;
  const flush = (): void => {
    if (text !== '') line.push(tone === undefined ? text : span(tone, text));
    text = '';
  };
  for (const cell of cells) {
    const [character, next] = glyph(cell, peers);
    if (next !== tone) flush();
    tone = next;
    text += character;
  }
  flush();
  return line;
}

/** The map alone, at most `height` rows; as few as the pieces need. */
export function mapLines(torrent: TorrentSnapshot, width: number, height: number): Line[] {
  const cells = pieceCells(torrent, width * height);
  const lines: Line[] = [];
  for (let at = 0; at < cells.length; at += width)
    lines.push(cellLine(cells.slice(at, at + width), torrent.peers.length));
  return lines;
}

function legend(width: number): Line {
  return [
    span('good', HAVE),
    ' have  ',
    span('good', `${MOST}${SOME}`),
    ' part  ',
    span('key', FLIGHT),
    ' in flight  ',
    span('dim', MISSING),
    ' missing  ',
    span('rare', RARE),
    width >= 100 ? ' missing and rare: two peers or fewer  ' : ' rare  ',
    span('bad', NOBODY),
    ' nobody has it',
  ];
}

/** Facts above the map; a space, the legend and the scale below. */
const OTHER_ROWS = 4;

export function pieceLines(torrent: TorrentSnapshot, width: number, height: number): Line[] {
  const { pieceCount, verifiedPieces, pieceLength, openPieces, availability } = torrent;
  if (pieceCount === 0) return [[span('dim', 'the pieces are not known before the metadata is there')]];
  const facts = [
    `${verifiedPieces} of ${formatCount(pieceCount, 'piece')} of ${formatBytes(pieceLength)}`,
    formatShare(verifiedPieces, pieceCount),
    `${openPieces.length} in flight`,
    ...(availability === undefined ? [] : [`${availability.toFixed(2)} copies among the peers`]),
    ...(torrent.isSequential === true ? ['in order'] : []),
  ].join(', ');
  const mapRows = Math.max(1, height - OTHER_ROWS);
  const perCell = pieceCount / Math.max(1, Math.min(pieceCount, width * mapRows));
  const scale: Line[] =
    perCell > 1 ? [[span('dim', `one character is ${perCell.toFixed(perCell < 10 ? 1 : 0)} pieces`)]] : [];
  return [[facts], ...mapLines(torrent, width, mapRows), [], legend(width), ...scale].slice(0, height);
}
