// One web seed as a machine (BEP 19): blocks that are asked for become range requests on one connection, answers become blocks again.
// Requests are as long as what is asked for has no gap; a few are on their way at once when the server has shown that it keeps connections.
// Nothing is lost with a connection: the next one goes on at the byte that comes next. Pure: the shell owns socket and timer.
import { BLOCK_BYTES, type FileEntry, type PieceLayout } from '../metainfo/layout.ts';
import { judge, MOST_WHOLE_FILE_BYTES, type Verdict } from './answers.ts';
import { AskQueue } from './ask-queue.ts';
import { BlockArrivals, type BlockSink } from './block-arrivals.ts';
import { FileSpans } from './file-spans.ts';
import type { FilePlace, FileUrls } from './file-urls.ts';
import { type ResponseHead, ResponseReader } from './http-response.ts';
import { requestText } from './request-text.ts';
import { MAX_REDIRECTS, ServerRecord } from './server-record.ts';
import { isSameOrigin, redirectTarget } from './web-url.ts';

export interface WebFetchPort extends BlockSink {
  /** Opens a connection to where this file lies; `handleOpened` or `handleClosed` follows. */
  open(place: FilePlace): void;
  send(bytes: Uint8Array): void;
  /** Drops the connection or the attempt; nothing more is heard of it. */
  hangUp(): void;
  /** The server answers with data for the first time since the last failure. */
  onServing(server: string | undefined): void;
  /** This file cannot be had here: ask for no piece that it is part of. All that was asked is forgotten. */
  onFileLost(file: FileEntry, why: string): void;
  /** Of no use before `retryAtMs`; undefined: never. All that was asked is forgotten. */
  onFailure(why: string, retryAtMs: number | undefined): void;
}

export interface WebFetchOptions {
  readonly layout: PieceLayout;
  readonly files: readonly FileEntry[];
  readonly urls: FileUrls;
  readonly userAgent: string;
  /** Milliseconds since 1970 of an HTTP date. */
  readonly dateMs: (text: string) => number | undefined;
  readonly port: WebFetchPort;
}

interface Request {
  readonly file: FileEntry;
  readonly place: FilePlace;
  /** Within the file. */
  readonly begin: number;
  readonly end: number;
  verdict: Verdict | undefined;
  /** Bytes before the range, still to be dropped. */
  skip: number;
  received: number;
  /** Bytes behind the range, dropped. */
  surplus: number;
}

/** As libtorrent's largest; fewer lines in the server's log would cost more to take back. */
const MAX_REQUEST_BYTES = 16 << 20;
/** Small files come one to a request: so many on their way hide the round trip. */
const MAX_IN_FLIGHT = 4;
/** Connecting, and silence within an answer. libtorrent and Transmission wait as long. */
const SILENCE_MS = 20_000;
/** More of an error page than this is not read: a new connection is cheaper. */
const MAX_DRAINED_BYTES = 64 * 1024;
/** More than this of what nobody wants is not read either. */
const MAX_UNWANTED_BYTES = 1 << 20;

export class WebFetch {
  readonly #options: WebFetchOptions;
  readonly #port: WebFetchPort;
  readonly #spans: FileSpans;
  readonly #asks = new AskQueue();
  readonly #arrivals: BlockArrivals;
  readonly #inFlight: Request[] = [];
  readonly #record = new ServerRecord();
  #state: 'closed' | 'opening' | 'open' = 'closed';
  /** Where the connection leads. */
  #place: FilePlace | undefined;
  #isLocal = false;
  #reader: ResponseReader | undefined;
  /** This connection has brought a whole answer and stayed. */
  #isProven = false;
  /** The answer that is coming will not be the connection's last. */
  #staysOpen = true;
  /** Data bytes of this connection. */
  #brought = 0;
  #lastHeardMs = 0;
  #isHeld = false;
  #isServing = false;
  /** Changes when all that was under way is dropped: whoever is in the middle of it stops. */
  #epoch = 0;
  #nowMs = 0;

  constructor(options: WebFetchOptions) {
    this.#options = options;
    this.#port = options.port;
    this.#spans = new FileSpans(options.files);
    this.#arrivals = new BlockArrivals(options.layout, this.#spans, this.#asks, options.port);
    for (const file of this.#spans.served) {
      if (options.urls.placeOf(file.index) === undefined) this.#record.markLost(file.index);
    }
  }

  /** Files that cannot be had here, by index. */
  get lostFiles(): ReadonlySet<number> {
    return this.#record.lostFiles;
  }

  /** HTTP requests without an answer. */
  get requestsInFlight(): number {
    return this.#inFlight.length;
  }

  get isConnected(): boolean {
    return this.#state === 'open';
  }

  /** A block is wanted. Call `pump` when all are told. */
  ask(piece: number, begin: number, length: number): void {
    this.#asks.add(this.#options.layout.pieceOffset(piece) + begin, length);
  }

  cancel(piece: number, begin: number, length: number): void {
    this.#asks.cancel(this.#options.layout.pieceOffset(piece) + begin, length);
  }

  /** Asks the server for what was not asked yet, as far as it may be. */
  pump(nowMs: number): void {
    this.#nowMs = nowMs;
    this.#dropUnwanted();
    this.#arrivals.fillPadding();
    while (this.#askNext());
  }

  /** The connection stands. @param isLocal the server is on this machine or network */
  handleOpened(isLocal: boolean, nowMs: number): void {
    this.#nowMs = nowMs;
    this.#state = 'open';
    this.#isLocal = isLocal;
    this.#isProven = false;
    this.#brought = 0;
    this.#lastHeardMs = nowMs;
    this.#reader = new ResponseReader({
      onHead: (head) => this.#onHead(head),
      onBody: (bytes) => this.#onBody(bytes),
      onEnd: () => this.#onEnd(),
    });
    this.pump(nowMs);
  }

  handleBytes(bytes: Uint8Array, nowMs: number): void {
    this.#nowMs = nowMs;
    this.#lastHeardMs = nowMs;
    const epoch = this.#epoch;
    // Unasked: a server that is about to close an idle connection may say so (HTTP status 408).
    if (this.#inFlight.length === 0) this.#dropConnection(true);
    const wrong = this.#reader?.receive(bytes);
    if (wrong !== undefined && epoch === this.#epoch) this.#fail(wrong, undefined);
    else this.pump(nowMs);
  }

  /**
   * It ended, or never stood. @param isFinal it will not be otherwise the next time
   * @param why one clause; undefined when the server simply closed it
   */
  handleClosed(why: string | undefined, isFinal: boolean, nowMs: number): void {
    this.#nowMs = nowMs;
    const wasOpening = this.#state === 'opening';
    const epoch = this.#epoch;
    const missing = this.#reader?.receiveEnd();
    if (epoch !== this.#epoch) {
      this.pump(nowMs);
      return;
    }
    const { length: unanswered } = this.#inFlight;
    const wasUseful = this.#brought >= BLOCK_BYTES || this.#isProven;
    const place = this.#place;
    this.#dropConnection(false);
    const file = this.#fileAtArrival();
    if (isFinal) this.#doubt(place, file, () => this.#end(why ?? 'no connection'));
    else if (wasOpening) this.#doubt(place, file, () => this.#failLater(why ?? 'no connection', undefined));
    else if (unanswered === 0 || wasUseful) this.pump(nowMs);
    else this.#failLater(why ?? missing ?? 'the server closes the connection without an answer', undefined);
  }

  /** The download limit holds the reading, or lets it go: silence is ours meanwhile. */
  setHeld(isHeld: boolean, nowMs: number): void {
    this.#isHeld = isHeld;
    this.#lastHeardMs = nowMs;
  }

  nextTimeoutMs(): number {
    const isWaiting = this.#state === 'opening' || this.#inFlight.length > 0;
    return isWaiting && !this.#isHeld ? this.#lastHeardMs + SILENCE_MS : Number.POSITIVE_INFINITY;
  }

  handleTimeout(nowMs: number): void {
    if (nowMs < this.nextTimeoutMs()) return;
    this.#nowMs = nowMs;
    this.#fail(`no answer for ${SILENCE_MS / 1000} s`, undefined);
  }

  /** Everything that was asked is forgotten; the connection goes. */
  close(): void {
    this.#dropConnection(true);
    this.#asks.clear();
    this.#arrivals.reset();
  }

  // --- asking

  /** @returns whether a request went out, so that another may */
  #askNext(): boolean {
    const next = this.#nextRange();
    if (next === undefined || this.#state === 'opening') return false;
    const { file, begin, end } = next;
    const place = this.#options.urls.placeOf(file.index);
    if (place === undefined || this.#record.lostFiles.has(file.index)) {
      this.#lose(file, 'no URL can name it');
      return false;
    }
    if (this.#state === 'open' && !this.#reaches(place)) {
      if (this.#inFlight.length > 0) return false;
      this.#dropConnection(true);
    }
    if (this.#state === 'closed') {
      this.#state = 'opening';
      this.#place = place;
      this.#lastHeardMs = this.#nowMs;
      this.#port.open(place);
      return false;
    }
    if (this.#inFlight.length >= (this.#isProven ? MAX_IN_FLIGHT : 1)) return false;
    if (this.#inFlight.length === 0) this.#lastHeardMs = this.#nowMs;
    this.#inFlight.push({ file, place, begin, end, verdict: undefined, skip: 0, received: 0, surplus: 0 });
    this.#asks.noteSent(end - begin);
    this.#port.send(requestText(place.url, begin, end, this.#options.userAgent));
    return true;
  }

  /** A stretch of one file; padding is passed over. */
  #nextRange(): { readonly file: FileEntry; readonly begin: number; readonly end: number } | undefined {
    for (;;) {
      const range = this.#asks.unsent();
      if (range === undefined) return undefined;
      const file = this.#spans.at(range.at);
      const end = Math.min(range.end, file.offset + file.length, range.at + MAX_REQUEST_BYTES);
      if (!file.isPadding) return { file, begin: range.at - file.offset, end: end - file.offset };
      this.#asks.noteSent(end - range.at);
    }
  }

  /** Whether the connection that stands may carry a request for this place. */
  #reaches({ url, mayBeLocal }: FilePlace): boolean {
    return this.#place !== undefined && isSameOrigin(this.#place.url, url) && (mayBeLocal || !this.#isLocal);
  }

  /** Nobody waits for anything of what is on its way, and it is much: a new connection is cheaper. */
  #dropUnwanted(): void {
    if (this.#inFlight.length === 0 || this.#asks.isSentOwed) return;
    const left = this.#inFlight.reduce((sum, each) => sum + each.end - each.begin - each.received, 0);
    if (left <= MAX_UNWANTED_BYTES) return;
    this.#dropConnection(true);
    this.#asks.dropSent();
    this.#arrivals.reset();
  }

  // --- answers

  #onHead(head: ResponseHead): void {
    const request = this.#inFlight[0];
    if (request === undefined) {
      this.#fail('an answer to what was not asked', undefined);
      return;
    }
    const { file, begin, end } = request;
    const verdict = judge(head, { begin, end, fileLength: file.length }, this.#options.dateMs);
    request.verdict = verdict;
    this.#staysOpen = head.keepsAlive;
    if (verdict.kind === 'data') {
      request.skip = verdict.skip;
      if (this.#isServing) return;
      this.#isServing = true;
      this.#port.onServing(head.fields.get('server'));
      return;
    }
    const isShort = head.contentLength !== undefined && head.contentLength <= MAX_DRAINED_BYTES;
    // Its body is dropped as it comes; what else is on its way has lost its place.
    if (!isShort || !head.keepsAlive || this.#inFlight.length > 1) this.#act(request, verdict);
  }

  #onBody(bytes: Uint8Array): void {
    const request = this.#inFlight[0];
    if (request?.verdict?.kind !== 'data') return;
    const skipped = Math.min(request.skip, bytes.length);
    request.skip -= skipped;
    const wanted = Math.min(bytes.length - skipped, request.verdict.end - request.begin - request.received);
    request.surplus += bytes.length - skipped - Math.max(0, wanted);
    if (request.surplus > MOST_WHOLE_FILE_BYTES) {
      this.#fail('far more bytes than were asked for', undefined);
      return;
    }
    if (wanted <= 0) return;
    request.received += wanted;
    this.#brought += wanted;
    this.#record.handleData();
    const epoch = this.#epoch;
    this.#arrivals.fillPadding();
    if (epoch === this.#epoch) this.#arrivals.deliver(bytes.subarray(skipped, skipped + wanted));
  }

  #onEnd(): void {
    const request = this.#inFlight.shift();
    const verdict = request?.verdict;
    if (request === undefined || verdict === undefined) return;
    if (verdict.kind !== 'data') {
      this.#act(request, verdict);
      return;
    }
    this.#isProven = true;
    if (request.received === request.end - request.begin) {
      this.#record.handleWhole();
      if (!this.#staysOpen) this.#dropConnection(true);
      return;
    }
    // Less than was asked for, which is allowed: the rest is asked for again.
    if (this.#record.handleShort(request.received)) {
      this.#fail('answers without data', undefined);
      return;
    }
    if (this.#inFlight.length > 0 || !this.#staysOpen) this.#dropConnection(true);
    this.#asks.rewind();
  }

  #act(request: Request, verdict: Exclude<Verdict, { kind: 'data' }>): void {
    const { place, file } = request;
    this.#rewindAfter(request);
    switch (verdict.kind) {
      case 'redirect':
        this.#follow(request, verdict.location);
        return;
      case 'lost':
        this.#doubt(place, file, () => this.#lose(file, verdict.why));
        return;
      case 'busy':
        this.#doubt(place, file, () => this.#fail(verdict.why, verdict.retryAfterMs));
        return;
      case 'broken':
        this.#fail(verdict.why, undefined);
        return;
      case 'useless':
        this.#end(verdict.why);
    }
  }

  /** This request brought nothing: from its first byte on all is to be asked again. */
  #rewindAfter(request: Request): void {
    const isOpenStill = this.#inFlight[0] !== request;
    if (!isOpenStill || this.#inFlight.length > 0) this.#dropConnection(true);
    this.#asks.rewind();
  }

  #follow({ file, place }: Request, location: string): void {
    const to = redirectTarget(place.url, location);
    if (this.#record.handleRedirect()) {
      this.#options.urls.forget(file.index);
      this.#lose(file, `more than ${MAX_REDIRECTS} redirects`);
    } else if (!to.ok) this.#lose(file, to.reason.what);
    // A stranger out there has no business sending us to this machine or network.
    else this.#options.urls.remember(file.index, to.value, place.mayBeLocal && this.#isLocal);
  }

  /** A redirect of long ago may be what is wrong: the seed's own URL is asked once more. */
  #doubt(place: FilePlace | undefined, file: FileEntry | undefined, otherwise: () => void): void {
    if (place?.isRemembered !== true || file === undefined || !this.#record.takeDoubt()) {
      otherwise();
      return;
    }
    this.#options.urls.forget(file.index);
    this.#dropConnection(true);
    this.pump(this.#nowMs);
  }

  /** Whose bytes come next. */
  #fileAtArrival(): FileEntry | undefined {
    const at = this.#asks.arrivalAt;
    return at === undefined ? undefined : this.#spans.at(at);
  }

  #lose(file: FileEntry, why: string): void {
    this.#record.markLost(file.index);
    if (this.#record.isEmpty(this.#spans.served.length)) {
      this.#end(why);
      return;
    }
    this.close();
    this.#port.onFileLost(file, why);
  }

  #fail(why: string, retryAfterMs: number | undefined): void {
    this.#dropConnection(true);
    this.#failLater(why, retryAfterMs);
  }

  #failLater(why: string, retryAfterMs: number | undefined): void {
    this.close();
    this.#isServing = false;
    this.#port.onFailure(why, this.#record.handleFailure(retryAfterMs, this.#nowMs));
  }

  #end(why: string): void {
    this.close();
    this.#port.onFailure(why, undefined);
  }

  #dropConnection(isOurWish: boolean): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#place = undefined;
    this.#reader?.close();
    this.#reader = undefined;
    this.#inFlight.length = 0;
    this.#epoch++;
    this.#asks.rewind();
    if (isOurWish) this.#port.hangUp();
  }
}
