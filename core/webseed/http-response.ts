// HTTP/1.1 responses on one connection as a pure machine (RFC 9112): bytes in, heads and bodies out. Everything a server may send is
// bounded; bodies are handed on as views of what came, so that a byte of a file is copied once, to where it belongs.
import { latin1 } from '../base/bytes.ts';

export interface ResponseHead {
  readonly status: number;
  /** Lower-case names; of repeated fields the values joined by ", ". */
  readonly fields: ReadonlyMap<string, string>;
  /** Bytes of the body; undefined where only its end tells. */
  readonly contentLength: number | undefined;
  /** Another response may follow on this connection. */
  readonly keepsAlive: boolean;
}

export interface ResponseHandler {
  onHead(head: ResponseHead): void;
  /** A view of what was received: use it before returning. */
  onBody(bytes: Uint8Array): void;
  onEnd(): void;
}

/** Servers themselves allow 8 to 64 KiB; a file's head has a dozen fields. */
const MAX_HEAD_BYTES = 32 * 1024;
/** Size, extensions and end of a chunk; also of each trailer field. */
const MAX_CHUNK_LINE_BYTES = 1024;
const MAX_TRAILER_LINES = 64;
/** 100-continue, early hints: nobody has more to say before the answer. */
const MAX_INTERIM_RESPONSES = 16;
const LF = 10;

type State = 'head' | 'length' | 'until-close' | 'chunk-size' | 'chunk' | 'chunk-end' | 'trailer';

export class ResponseReader {
  readonly #handler: ResponseHandler;
  #state: State = 'head';
  /** A head, or a line of the chunked coding, as far as it came. */
  #line: Uint8Array = new Uint8Array(512);
  #lineBytes = 0;
  /** Of the body or chunk. */
  #left = 0;
  #interims = 0;
  #trailers = 0;
  #keepsAlive = true;
  #isClosed = false;

  constructor(handler: ResponseHandler) {
    this.#handler = handler;
  }

  /** Nothing of a response has come since the last one ended. */
  get isBetween(): boolean {
    return this.#state === 'head' && this.#lineBytes === 0;
  }

  /** The handler wants no more: what is left of the current read is dropped. */
  close(): void {
    this.#isClosed = true;
  }

  /** @returns what is wrong with it, one clause; then the connection is of no use any more */
  receive(bytes: Uint8Array): string | undefined {
    let at = 0;
    while (at < bytes.length && !this.#isClosed) {
      const taken = this.#take(bytes, at);
      if (typeof taken === 'string') return taken;
      at += taken;
    }
    return undefined;
  }

  /** The server closed the connection. @returns what is missing; undefined where this was the end of a body, or nothing was due */
  receiveEnd(): string | undefined {
    if (this.isBetween) return undefined;
    if (this.#state !== 'until-close') return 'the connection ended within an answer';
    this.#state = 'head';
    this.#handler.onEnd();
    return undefined;
  }

  #take(bytes: Uint8Array, at: number): number | string {
    switch (this.#state) {
      case 'head':
        return this.#takeHead(bytes, at);
      case 'until-close':
        this.#handler.onBody(at === 0 ? bytes : bytes.subarray(at));
        return bytes.length - at;
      case 'length':
      case 'chunk': {
        const count = Math.min(this.#left, bytes.length - at);
        this.#left -= count;
        this.#handler.onBody(bytes.subarray(at, at + count));
        if (this.#left === 0) {
          if (this.#state === 'length') this.#end();
          else this.#state = 'chunk-end';
        }
        return count;
      }
      default:
        return this.#takeLine(bytes, at);
    }
  }

  /** @returns how many bytes belong to the head */
  #takeHead(bytes: Uint8Array, at: number): number | string {
    let end = at;
    let isWhole = false;
    while (end < bytes.length && !isWhole) {
      const byte = bytes[end++] as number;
      if (!this.#push(byte, MAX_HEAD_BYTES)) return `a head of more than ${MAX_HEAD_BYTES >> 10} KiB`;
      isWhole = byte === LF && this.#endsHead();
    }
    if (!isWhole) return end - at;
    const text = latin1(this.#line.subarray(0, this.#lineBytes));
    this.#lineBytes = 0;
    const wrong = this.#startBody(text);
    return wrong ?? end - at;
  }

  /** An empty line, with or without CR; not one before the status line. */
  #endsHead(): boolean {
    const [line, count] = [this.#line, this.#lineBytes];
    if (count <= 2 && (count === 1 || line[0] === 13)) {
      this.#lineBytes = 0;
      return false;
    }
    return line[count - 2] === LF || (line[count - 2] === 13 && line[count - 3] === LF);
  }

  #startBody(text: string): string | undefined {
    const head = parseHead(text);
    if (typeof head === 'string') return head;
    if (head.status >= 100 && head.status < 200) {
      if (head.status === 101) return 'switched protocols unasked';
      return ++this.#interims > MAX_INTERIM_RESPONSES ? 'too many interim answers' : undefined;
    }
    this.#interims = 0;
    const coding = head.fields.get('transfer-encoding')?.toLowerCase();
    if (coding !== undefined && coding !== 'chunked' && coding !== 'identity')
      return `an unknown transfer coding: ${coding.slice(0, 40)}`;
    const hasNone = head.status === 204 || head.status === 304;
    const isChunked = coding === 'chunked' && !hasNone;
    const contentLength = hasNone ? 0 : isChunked ? undefined : head.contentLength;
    const isOpenEnded = contentLength === undefined && !isChunked;
    this.#keepsAlive = head.keepsAlive && !isOpenEnded;
    this.#state = isChunked ? 'chunk-size' : isOpenEnded ? 'until-close' : 'length';
    this.#left = contentLength ?? 0;
    this.#trailers = 0;
    this.#handler.onHead({ ...head, contentLength, keepsAlive: this.#keepsAlive });
    if (contentLength === 0 && !this.#isClosed) this.#end();
    return undefined;
  }

  /** Lines of the chunked coding (RFC 9112 section 7.1). */
  #takeLine(bytes: Uint8Array, at: number): number | string {
    let end = at;
    while (end < bytes.length) {
      const byte = bytes[end++] as number;
      if (!this.#push(byte, MAX_CHUNK_LINE_BYTES)) return 'a line of the chunked coding has no end';
      if (byte !== LF) continue;
      const line = latin1(this.#line.subarray(0, this.#lineBytes)).trim();
      this.#lineBytes = 0;
      return this.#handleLine(line) ?? end - at;
    }
    return end - at;
  }

  #handleLine(line: string): string | undefined {
    if (this.#state === 'chunk-end') {
      if (line !== '') return 'a chunk is longer than it said';
      this.#state = 'chunk-size';
      return undefined;
    }
    if (this.#state === 'trailer') {
      if (line === '') this.#end();
      else if (++this.#trailers > MAX_TRAILER_LINES) return 'too many trailer fields';
      return undefined;
    }
    const digits = /^([0-9a-f]{1,12})[ \t]*(;|$)/i.exec(line)?.[1];
    if (digits === undefined) return 'a chunk without a size';
    this.#left = Number.parseInt(digits, 16);
    this.#state = this.#left === 0 ? 'trailer' : 'chunk';
    return undefined;
  }

  #end(): void {
    this.#state = 'head';
    this.#handler.onEnd();
  }

  #push(byte: number, limit: number): boolean {
    if (this.#lineBytes === limit) return false;
    if (this.#lineBytes === this.#line.length) {
      const longer = new Uint8Array(Math.min(limit, this.#line.length * 4));
      longer.set(this.#line);
      this.#line = longer;
    }
    this.#line[this.#lineBytes++] = byte;
    return true;
  }
}

function parseHead(text: string): ResponseHead | string {
  const lines = text.split('\n').map((line) => line.replace(/\r$/, ''));
  const status = /^HTTP\/1\.([0-9]) ([1-9][0-9]{2})(?: |$)/.exec(lines[0] as string);
  if (status === null) return 'not an HTTP/1 answer';
  const fields = new Map<string, string>();
  for (const line of lines.slice(1)) {
    if (line === '') continue;
    const colon = line.indexOf(':');
    if (colon <= 0) return 'a header field without a name';
    const name = line.slice(0, colon).toLowerCase();
    if (!/^[!#$%&'*+\-.^_`|~0-9a-z]+$/.test(name)) return 'a header field with an odd name';
    const value = line.slice(colon + 1).trim();
    const before = fields.get(name);
    fields.set(name, before === undefined ? value : `${before}, ${value}`);
  }
  const length = contentLengthOf(fields.get('content-length'));
  if (length === 'wrong') return 'a Content-Length that is none';
  const wishes = (fields.get('connection') ?? '').toLowerCase();
  const isOld = status[1] === '0';
  const keepsAlive = isOld ? /\bkeep-alive\b/.test(wishes) : !/\bclose\b/.test(wishes);
  return { status: Number(status[2]), fields, contentLength: length, keepsAlive };
}

/** The same length twice is allowed (RFC 9110 section 8.6). */
function contentLengthOf(value: string | undefined): number | undefined | 'wrong' {
  if (value === undefined) return undefined;
  const all = new Set(value.split(',').map((part) => part.trim()));
  const [only = ''] = all;
  if (all.size !== 1 || !/^[0-9]{1,15}$/.test(only)) return 'wrong';
  return Number(only);
}
