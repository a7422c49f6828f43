// Messages of ut_metadata (BEP 9): a dictionary, and behind a data message 16 KiB of the info dictionary.
import { type BencodeOptions, decodeBencode, isDict } from '../base/bencode.ts';
import { encodeBencode } from '../base/bencode-encode.ts';
import { concatBytes } from '../base/bytes.ts';
import { accept, type Result, reject } from '../base/result.ts';
import { UT_METADATA } from './extensions.ts';

export const METADATA_PIECE_BYTES = 16 * 1024;
/** Torrents of this info size would have 1.6 million v1 pieces; the largest seen are near 20 MB. libtorrent takes 30 MiB. */
export const MAX_METADATA_BYTES = 32 << 20;

const REQUEST = 0;
const DATA = 1;
const REJECT = 2;

export type MetadataMessage =
  | { readonly kind: 'request'; readonly piece: number }
  | {
      readonly kind: 'data';
      readonly piece: number;
      readonly totalSize: number | undefined;
      /** A view of the payload. */
      readonly bytes: Uint8Array;
    }
  | { readonly kind: 'reject'; readonly piece: number }
  /** BEP 9: must be ignored. */
  | { readonly kind: 'unknown' };

const OPTIONS: BencodeOptions = {
  limits: { maxBytes: UT_METADATA.maxPayloadBytes, maxDepth: 4, maxItems: 100 },
  allowTrailing: true,
  allowUnsorted: true,
};

/** @param payload of a ut_metadata message (BEP 9). @returns views of it: copy what is kept */
export function decodeMetadataMessage(payload: Uint8Array): Result<MetadataMessage> {
  const decoded = decodeBencode(payload, OPTIONS);
  if (!decoded.ok) return reject(`ut_metadata: ${decoded.reason.what}`);
  const dict = decoded.value.value;
  if (!isDict(dict)) return reject('ut_metadata message is not a dictionary');
  const type = dict.integer('msg_type');
  const piece = dict.integer('piece');
  if (type === undefined) return reject('ut_metadata message without a type');
  if (type !== REQUEST && type !== DATA && type !== REJECT) return accept({ kind: 'unknown' });
  if (piece === undefined || piece < 0) return reject('ut_metadata message without a piece');
  if (type === REQUEST) return accept({ kind: 'request', piece });
  if (type === REJECT) return accept({ kind: 'reject', piece });
  return accept({
    kind: 'data',
    piece,
    totalSize: dict.integer('total_size'),
    bytes: payload.subarray(decoded.value.end),
  });
}

/** @param piece from 0, of 16 KiB each */
export function encodeMetadataRequest(piece: number): Uint8Array {
  return encodeBencode({ msg_type: REQUEST, piece });
}

/** @param piece from 0, of 16 KiB each */
export function encodeMetadataReject(piece: number): Uint8Array {
  return encodeBencode({ msg_type: REJECT, piece });
}

/** @param info the whole info dictionary, byte for byte */
export function encodeMetadataData(info: Uint8Array, piece: number): Uint8Array {
  const at = piece * METADATA_PIECE_BYTES;
  return concatBytes([
    encodeBencode({ msg_type: DATA, piece, total_size: info.length }),
    info.subarray(at, at + METADATA_PIECE_BYTES),
  ]);
}

/** @param size of the info dictionary, bytes */
export function metadataPieceCount(size: number): number {
  return Math.ceil(size / METADATA_PIECE_BYTES);
}
