// What a web server's answer to a range request means (RFC 9110 sections 14, 15): data, another place, not this file, not now, never. Pure.
import type { ResponseHead } from './http-response.ts';

/** What was asked for: bytes [begin, end) of a file of `fileLength`. */
export interface AskedRange {
  readonly begin: number;
  readonly end: number;
  readonly fileLength: number;
}

export type Verdict =
  /** Drop `skip` bytes, then come bytes from `begin` on up to `end`; what follows is dropped as well. */
  | { readonly kind: 'data'; readonly skip: number; readonly end: number }
  | { readonly kind: 'redirect'; readonly location: string }
  /** This file cannot be had here. */
  | { readonly kind: 'lost'; readonly why: string }
  /** Later. `retryAfterMs` as the server wishes. */
  | { readonly kind: 'busy'; readonly why: string; readonly retryAfterMs: number | undefined }
  /** It breaks the protocol: nothing more is read from this connection. */
  | { readonly kind: 'broken'; readonly why: string }
  /** Whatever is asked, it will not do. */
  | { readonly kind: 'useless'; readonly why: string };

/**
 * A server without ranges sends whole files: so much is worth throwing away the rest of. A request is at least 2 MiB where a torrent has
 * that much, so a file costs its own length a few times over at the worst.
 */
export const MOST_WHOLE_FILE_BYTES = 2 << 20;
/** A server that wants us back tomorrow is asked every hour all the same. */
const MAX_RETRY_AFTER_MS = 3_600_000;

/** @param dateMs milliseconds since 1970 of an HTTP date; undefined when it is none */
export function judge(
  head: ResponseHead,
  asked: AskedRange,
  dateMs: (text: string) => number | undefined,
): Verdict {
  const { status, fields } = head;
  switch (status) {
    case 206:
      return partial(head, asked);
    case 200:
      return whole(head, asked);
    case 301:
    case 302:
    case 303:
    case 307:
    case 308: {
      const location = fields.get('location');
      return location === undefined
        ? { kind: 'lost', why: `HTTP status ${status} without a place to go to` }
        : { kind: 'redirect', location };
    }
    case 416:
      return { kind: 'lost', why: 'the file there is shorter than the torrent says (HTTP status 416)' };
    case 408:
    case 425:
    case 429:
    case 503:
      return { kind: 'busy', why: `HTTP status ${status}`, retryAfterMs: retryAfterMs(fields, dateMs) };
    default:
      if (status >= 500)
        return { kind: 'busy', why: `HTTP status ${status}`, retryAfterMs: retryAfterMs(fields, dateMs) };
      return { kind: 'lost', why: `HTTP status ${status}` };
  }
}

function partial(head: ResponseHead, { begin, end, fileLength }: AskedRange): Verdict {
  const wrong = unreadable(head);
  if (wrong !== undefined) return wrong;
  const text = head.fields.get('content-range');
  const range = /^bytes[ =]([0-9]{1,15})-([0-9]{1,15})\/(\*|[0-9]{1,15})$/i.exec(text ?? '');
  if (range === null) return { kind: 'broken', why: 'an answer that does not say which bytes it has' };
  const [first, last] = [Number(range[1]), Number(range[2])];
  if (range[3] !== '*' && Number(range[3]) !== fileLength) return otherSize(Number(range[3]), fileLength);
  if (first !== begin || last < first || last >= end)
    return { kind: 'broken', why: `bytes ${first}-${last} where ${begin}-${end - 1} were asked for` };
  const { contentLength } = head;
  if (contentLength !== undefined && contentLength !== last + 1 - first)
    return { kind: 'broken', why: `a length of ${contentLength} for bytes ${first}-${last}` };
  return { kind: 'data', skip: 0, end: last + 1 };
}

function whole(head: ResponseHead, { begin, end, fileLength }: AskedRange): Verdict {
  const wrong = unreadable(head);
  if (wrong !== undefined) return wrong;
  if (head.contentLength !== undefined && head.contentLength !== fileLength)
    return otherSize(head.contentLength, fileLength);
  if ((begin > 0 || end < fileLength) && fileLength > MOST_WHOLE_FILE_BYTES)
    return { kind: 'lost', why: 'the server sends only whole files, not the ranges it is asked for' };
  return { kind: 'data', skip: begin, end };
}

function otherSize(there: number, fileLength: number): Verdict {
  return { kind: 'lost', why: `the file there has ${there} bytes, in the torrent ${fileLength}` };
}

/** Bytes that are not the file's own. */
function unreadable({ fields }: ResponseHead): Verdict | undefined {
  const coding = fields.get('content-encoding')?.trim().toLowerCase() ?? '';
  if (coding !== '' && coding !== 'identity')
    return { kind: 'useless', why: `it compresses what it sends (${coding.slice(0, 20)}), unasked` };
  const type = fields.get('content-type')?.toLowerCase() ?? '';
  if (type.startsWith('multipart/byteranges'))
    return { kind: 'broken', why: 'several ranges where one was asked for' };
  return undefined;
}

/** Seconds, or a date; dates count from the server's own (RFC 9110 section 10.2.3). */
function retryAfterMs(
  fields: ReadonlyMap<string, string>,
  dateMs: (text: string) => number | undefined,
): number | undefined {
  const text = fields.get('retry-after')?.trim();
  if (text === undefined) return undefined;
  if (/^[0-9]{1,9}$/.test(text)) return Math.min(Number(text) * 1000, MAX_RETRY_AFTER_MS);
  const at = dateMs(text);
  const now = dateMs(fields.get('date') ?? '');
  if (at === undefined || now === undefined) return undefined;
  return Math.min(Math.max(0, at - now), MAX_RETRY_AFTER_MS);
}
