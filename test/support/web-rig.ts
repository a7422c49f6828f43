// A web seed's machine (core/webseed) and a made-up web server joined by nothing but calls: bytes come in any pieces, time by hand.
import { utf8 } from '../../core/base/bytes.ts';
import { type FileEntry, PieceLayout } from '../../core/metainfo/layout.ts';
import type { Metainfo } from '../../core/metainfo/metainfo.ts';
import { type FilePlace, FileUrls } from '../../core/webseed/file-urls.ts';
import { WebFetch, type WebFetchPort } from '../../core/webseed/web-fetch.ts';
import { parseWebUrl, type WebUrl } from '../../core/webseed/web-url.ts';

export interface RigFile {
  readonly name: string;
  readonly length: number;
  readonly isPadding?: boolean;
}

export interface SeenRequest {
  readonly target: string;
  readonly fields: ReadonlyMap<string, string>;
  /** Last byte included. */
  readonly range: readonly [first: number, last: number];
  readonly place: FilePlace;
}

/** What a server sends for a request; 'close' ends the connection behind it. */
export type Reply = { readonly bytes: Uint8Array; readonly close?: boolean };

export class WebRig implements WebFetchPort {
  readonly files: readonly FileEntry[];
  readonly layout: PieceLayout;
  readonly content: Uint8Array;
  readonly fetch: WebFetch;
  readonly requests: SeenRequest[] = [];
  /** First bytes of completed blocks, and how often. */
  readonly completed = new Map<number, number>();
  readonly failures: { readonly why: string; readonly retryAtMs: number | undefined }[] = [];
  readonly lost: { readonly name: string; readonly why: string }[] = [];
  readonly opened: FilePlace[] = [];
  /** Filled by what arrives. */
  readonly arrived: Uint8Array;
  serving = 0;
  nowMs = 0;
  /** Refuses connections, with these words. */
  refusal: { readonly why: string; readonly isFinal: boolean } | undefined;
  isLocal = false;
  #block: { readonly offset: number; readonly length: number } | undefined;
  #place: FilePlace | undefined;
  #isOpenDue = false;
  #unsent: SeenRequest[] = [];
  readonly #reply: (request: SeenRequest, rig: WebRig) => Reply;
  readonly #cut: (length: number) => number;

  constructor(options: {
    files: readonly RigFile[];
    pieceLength: number;
    reply: (request: SeenRequest, rig: WebRig) => Reply;
    url?: string;
    mayBeLocal?: boolean;
    isMultiFile?: boolean;
    /** How many of the bytes that wait come at once. */
    cut?: (length: number) => number;
  }) {
    let offset = 0;
    this.files = options.files.map(({ name, length, isPadding = false }, index) => {
      const file = { index, path: ['it', name], length, offset, isPadding } as unknown as FileEntry;
      offset += length;
      return file;
    });
    this.layout = new PieceLayout(offset, options.pieceLength);
    this.content = new Uint8Array(offset).map((_, i) => (i * 31 + (i >>> 8) * 7 + 1) & 0xff);
    for (const { offset: at, length, isPadding } of this.files)
      if (isPadding) this.content.fill(0, at, at + length);
    this.arrived = new Uint8Array(offset);
    this.#reply = options.reply;
    this.#cut = options.cut ?? ((length) => length);
    const metainfo = { isMultiFile: options.isMultiFile ?? true } as Metainfo;
    const paths = { name: 'it', files: options.files.map(({ name }) => encodeURIComponent(name)) };
    this.fetch = new WebFetch({
      layout: this.layout,
      files: this.files,
      urls: new FileUrls(
        webUrl(options.url ?? 'http://seed.example/'),
        metainfo,
        paths,
        options.mayBeLocal ?? false,
      ),
      userAgent: 'tt/test',
      dateMs: (text) => (Number.isNaN(Date.parse(text)) ? undefined : Date.parse(text)),
      port: this,
    });
  }

  /** Every block of these pieces, or of all. */
  askAll(pieces = Array.from({ length: this.layout.pieceCount }, (_, piece) => piece)): void {
    for (const piece of pieces) {
      for (let block = 0; block < this.layout.blockCount(piece); block++)
        this.fetch.ask(piece, block * 16_384, this.layout.blockSize(piece, block));
    }
    this.fetch.pump(this.nowMs);
  }

  /** Lets the server do all that it has to. @returns when nothing moves any more */
  run(): void {
    for (let turn = 0; turn < 200_000; turn++) if (!this.step()) return;
    throw new Error('the machine and the server go on for ever');
  }

  step(): boolean {
    if (this.#isOpenDue) {
      this.#isOpenDue = false;
      if (this.refusal !== undefined)
        this.fetch.handleClosed(this.refusal.why, this.refusal.isFinal, this.nowMs);
      else this.fetch.handleOpened(this.isLocal, this.nowMs);
      return true;
    }
    const request = this.#unsent.shift();
    if (request === undefined) return false;
    const place = this.#place;
    const { bytes, close = false } = this.#reply(request, this);
    for (let at = 0; at < bytes.length && this.#place === place; ) {
      const count = Math.max(1, Math.min(bytes.length - at, this.#cut(bytes.length - at)));
      // A buffer that is used again, as the sockets' is.
      const view = bytes.slice(at, at + count);
      this.fetch.handleBytes(view, this.nowMs);
      view.fill(0xee);
      at += count;
    }
    if (close && this.#place === place && place !== undefined) {
      this.#drop();
      this.fetch.handleClosed(undefined, false, this.nowMs);
    }
    return true;
  }

  /** 206 as it should be. */
  partial(request: SeenRequest, more = ''): Reply {
    const file = this.fileOf(request);
    const [first, last] = request.range;
    const head = `HTTP/1.1 206 Partial Content\r\nContent-Range: bytes ${first}-${last}/${file.length}\r\nContent-Length: ${last + 1 - first}\r\n${more}\r\n`;
    return { bytes: joined(head, this.bytesOf(file, first, last)) };
  }

  fileOf({ target }: SeenRequest): FileEntry {
    const name = decodeURIComponent(target.split('/').at(-1) as string);
    const file =
      this.files.find(({ path }) => path.at(-1) === name) ?? this.files.find(() => this.files.length === 1);
    if (file === undefined) throw new Error(`nobody has ${target}`);
    return file;
  }

  bytesOf(file: FileEntry, first: number, last: number): Uint8Array {
    return this.content.subarray(file.offset + first, file.offset + last + 1);
  }

  #drop(): void {
    this.#place = undefined;
    this.#isOpenDue = false;
    this.#unsent = [];
  }

  // --- WebFetchPort

  open(place: FilePlace): void {
    this.opened.push(place);
    this.#place = place;
    this.#isOpenDue = true;
  }
  send(bytes: Uint8Array): void {
    const [line = '', ...rest] = new TextDecoder().decode(bytes).split('\r\n');
    const fields = new Map(
      rest
        .filter((each) => each !== '')
        .map((each) => [each.split(': ')[0]!.toLowerCase(), each.split(': ')[1]!]),
    );
    const range = /^bytes=(\d+)-(\d+)$/.exec(fields.get('range') ?? '');
    const target = line.split(' ')[1] as string;
    const place = this.#place as FilePlace;
    const request: SeenRequest = { target, fields, range: [Number(range?.[1]), Number(range?.[2])], place };
    this.requests.push(request);
    this.#unsent.push(request);
  }
  hangUp(): void {
    this.#drop();
  }
  onBlockStart(piece: number, begin: number, length: number): void {
    if (this.#block !== undefined) throw new Error('a block within a block');
    this.#block = { offset: this.layout.pieceOffset(piece) + begin, length };
  }
  onBlockBytes(bytes: Uint8Array, at: number): void {
    const block = this.#block as { offset: number; length: number };
    if (at + bytes.length > block.length) throw new Error('bytes behind the end of a block');
    this.arrived.set(bytes, block.offset + at);
  }
  onBlockEnd(piece: number, begin: number): void {
    const offset = this.layout.pieceOffset(piece) + begin;
    if (this.#block?.offset !== offset) throw new Error('another block ends than began');
    this.#block = undefined;
    this.completed.set(offset, (this.completed.get(offset) ?? 0) + 1);
  }
  onServing(): void {
    this.serving++;
  }
  onFileLost(file: FileEntry, why: string): void {
    this.#block = undefined;
    this.lost.push({ name: file.path.at(-1) as string, why });
  }
  onFailure(why: string, retryAtMs: number | undefined): void {
    this.#block = undefined;
    this.failures.push({ why, retryAtMs });
  }
}

export function webUrl(text: string): WebUrl {
  const parsed = parseWebUrl(text);
  if (!parsed.ok) throw new Error(parsed.reason.what);
  return parsed.value;
}

export function joined(head: string, body: Uint8Array | string): Uint8Array {
  return Buffer.concat([utf8(head), typeof body === 'string' ? utf8(body) : body]);
}

/** The chunked coding of RFC 9112, in chunks of so many bytes. */
export function chunked(body: Uint8Array, chunkBytes: number): Uint8Array {
  const parts: Uint8Array[] = [];
  for (let at = 0; at < body.length; at += chunkBytes) {
    const chunk = body.subarray(at, at + chunkBytes);
    parts.push(utf8(`${chunk.length.toString(16)};ext=1\r\n`), chunk, utf8('\r\n'));
  }
  return Buffer.concat([...parts, utf8('0\r\nX-Trailer: 1\r\n\r\n')]);
}
