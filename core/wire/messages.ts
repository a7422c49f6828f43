// Message ids, sizes and bounds of the peer wire protocol (BEP 3, 5, 6, 10).
import { PARSE_LIMITS } from '../metainfo/limits.ts';

export const MessageId = {
  choke: 0,
  unchoke: 1,
  interested: 2,
  notInterested: 3,
  have: 4,
  bitfield: 5,
  request: 6,
  piece: 7,
  cancel: 8,
  port: 9,
  suggest: 13,
  haveAll: 14,
  haveNone: 15,
  reject: 16,
  allowedFast: 17,
  extended: 20,
} as const;

/** 0x13, "BitTorrent protocol". */
export const PROTOCOL_HEADER: Uint8Array = Uint8Array.from('\x13BitTorrent protocol', (char) =>
  char.charCodeAt(0),
);
export const RESERVED_BYTES = 8;
export const HANDSHAKE_BYTES = 68;

/** Reserved byte and mask of each capability. */
export const EXTENDED_BIT = { at: 5, mask: 0x10 } as const;
export const DHT_BIT = { at: 7, mask: 0x01 } as const;
export const FAST_BIT = { at: 7, mask: 0x04 } as const;
export const V2_BIT = { at: 7, mask: 0x10 } as const;

/** Length prefix and id. */
export const FRAME_HEAD_BYTES = 5;
/** Frame head, piece, begin. */
export const PIECE_HEAD_BYTES = 13;
/** Frame head, piece, begin, length: also cancel and reject. */
export const REQUEST_BYTES = 17;
/** Frame head, 16-bit port. */
export const PORT_BYTES = 7;
/** Frame head, piece: also suggest and allowed-fast. */
export const HAVE_BYTES = 9;

/** We ask for 16 KiB, but BEP 3 lets others ask for more; clients agree on 128 KiB as the most. */
export const MAX_BLOCK_BYTES = 128 * 1024;
/** No message of any BEP is longer than this but a bitfield, which has its own bound; libtorrent cuts at the same size. */
export const MAX_FRAME_BYTES = 1 << 20;
/** As long as the piece count is unknown: the most pieces that a torrent of ours may have. */
export const MAX_BITFIELD_BYTES = Math.ceil(PARSE_LIMITS.maxPieces / 8);
/** The longest honest one is a PEX of a few hundred endpoints, or 16 KiB of metadata: this leaves room for eight times as much. */
export const MAX_EXTENDED_BYTES = 128 * 1024;
/** Each costs a look at every piece of the torrent; who has everything can hardly say so often. */
export const MAX_ALL_OR_NONE = 4;
/** BEP 10 allows repeats as facts change; nobody's facts change this often. */
export const MAX_EXTENDED_HANDSHAKES = 64;
