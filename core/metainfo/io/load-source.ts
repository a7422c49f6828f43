// What a user may give as SOURCE: a .torrent path, a magnet link, a bare info hash, an http(s) URL, or `-`. HTTP code is
// loaded only when a URL is given: it costs start-up time.
import { strictTextOf } from '../../base/bytes.ts';
import { ID_BYTES, infoHashOf } from '../../base/ids.ts';
import { OperationError, type Result } from '../../base/result.ts';
import { parseMultihashText, parseV1HashText, parseV2HashText } from '../info-hash-text.ts';
import { MAX_MAGNET_CHARS, PARSE_LIMITS } from '../limits.ts';
import { CUT_SHORT_HINT, isMagnetText, looksCutShort, parseMagnet } from '../magnet.ts';
import type { Magnet, Metainfo } from '../metainfo.ts';
import { parseTorrent } from '../parse-torrent.ts';
import { pathRulesFor } from '../safe-path.ts';
import { readAll, readFileBounded } from './read-bounded.ts';

export type LoadedSource = { readonly metainfo: Metainfo } | { readonly magnet: Magnet };

export type SourceKind = 'stdin' | 'magnet' | 'url' | 'hash' | 'path';

export interface LoadSourceOptions {
  /** Where `-` reads. Default process.stdin. */
  readonly stdin?: AsyncIterable<Uint8Array | string>;
  readonly signal?: AbortSignal;
  /** For http(s). Default 30,000. */
  readonly timeoutMs?: number;
}

/** A slow tracker site answers in seconds; beyond this the user is better told. */
export const DEFAULT_FETCH_TIMEOUT_MS = 30_000;

/** How loadSource will read `text`; touches nothing. A file called like a hash needs `./` in front. */
export function sourceKindOf(text: string): SourceKind {
  if (text === '-') return 'stdin';
  if (isMagnetText(text)) return 'magnet';
  if (/^https?:\/\//i.test(text)) return 'url';
  return magnetOfHash(text) === undefined ? 'path' : 'hash';
}

/**
 * @throws OperationError in one line: bad-torrent (content), disk (file), network and timeout (URL); with a hint where
 * there is something to do. Rejects with the signal's reason when aborted.
 */
export async function loadSource(text: string, options: LoadSourceOptions = {}): Promise<LoadedSource> {
  const { maxTorrentBytes } = PARSE_LIMITS;
  const source = text.trim();
  switch (sourceKindOf(source)) {
    case 'magnet':
      return magnetFrom(source);
    case 'hash':
      return { magnet: magnetOfHash(source) as Magnet };
    case 'stdin':
      return contentFrom(
        await abortable(
          readAll(options.stdin ?? process.stdin, maxTorrentBytes, 'standard input'),
          options.signal,
        ),
        'standard input',
      );
    case 'url': {
      const { fetchTorrent, shownUrl } = await import('./fetch-torrent.ts');
      const fetched = await fetchTorrent(source, {
        maxBytes: maxTorrentBytes,
        timeoutMs: options.timeoutMs ?? DEFAULT_FETCH_TIMEOUT_MS,
        ...(options.signal === undefined ? {} : { signal: options.signal }),
      });
      return fetched instanceof Uint8Array
        ? contentFrom(fetched, shownUrl(source))
        : magnetFrom(fetched.magnet);
    }
    case 'path': {
      const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1]?.toLowerCase();
      if (scheme !== undefined && scheme !== 'file')
        throw new OperationError(
          'bad-torrent',
          `cannot fetch ${JSON.stringify(text)}: ${scheme}:// is not supported`,
          {
            hint: 'give a .torrent file, a magnet link, an info hash, an http(s) URL, or - for standard input',
          },
        );
      const path = await pathOf(text);
      return contentFrom(await readFileBounded(path, maxTorrentBytes, options.signal), JSON.stringify(path));
    }
  }
}

/** Nothing ends a read from a terminal: the read is left behind when the signal comes. */
function abortable<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  signal.throwIfAborted();
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}

async function pathOf(text: string): Promise<string> {
  if (!/^file:\/\//i.test(text)) return text;
  const { fileURLToPath } = await import('node:url');
  try {
    return fileURLToPath(text);
  } catch (cause) {
    throw new OperationError('bad-torrent', `${JSON.stringify(text)} names no local file`, { cause });
  }
}

/** What is read may also be a link or a hash: `xclip -o | tt download -`, or the file that a browser keeps of a link. */
function contentFrom(bytes: Uint8Array, where: string): LoadedSource {
  const text = bytes.length <= MAX_MAGNET_CHARS ? strictTextOf(bytes)?.trim() : undefined;
  if (text !== undefined && isMagnetText(text)) return magnetFrom(text);
  const magnet = text === undefined ? undefined : magnetOfHash(text);
  return magnet === undefined ? torrentFrom(bytes, where) : { magnet };
}

function torrentFrom(bytes: Uint8Array, where: string): LoadedSource {
  if (bytes.length === 0) throw new OperationError('bad-torrent', `${where} is empty`);
  if (
    /^\s*<(!doctype|html|\?xml)/i.test(
      Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, 64)).toString('latin1'),
    )
  )
    throw new OperationError('bad-torrent', `${where} is a web page, not a torrent`, {
      hint: 'the site may want you to log in first; download the .torrent in a browser',
    });
  if (bytes[0] === 0x1f && bytes[1] === 0x8b)
    throw new OperationError('bad-torrent', `${where} is compressed with gzip`, {
      hint: 'unpack it first: gunzip -c FILE | tt info -',
    });
  return {
    metainfo: orBadTorrent(
      parseTorrent(bytes, { pathRules: pathRulesFor(process.platform) }),
      `${where} is not a usable torrent`,
    ),
  };
}

function magnetFrom(text: string): LoadedSource {
  // Where the hash is there it is what is wrong.
  const hint = looksCutShort(text) && !/[?&]xt=/.test(text) ? CUT_SHORT_HINT : undefined;
  return { magnet: orBadTorrent(parseMagnet(text), 'cannot use this magnet link', hint) };
}

function orBadTorrent<T>(result: Result<T>, message: string, hint?: string): T {
  if (result.ok) return result.value;
  throw new OperationError(
    'bad-torrent',
    `${message}: ${result.reason.what}`,
    hint === undefined ? {} : { hint },
  );
}

/** A bare hash is a magnet link with nothing else. 64 digits are a v2 hash, 68 its multihash. */
function magnetOfHash(text: string): Magnet | undefined {
  const v1 = parseV1HashText(text);
  const v2 = v1 === undefined ? (parseV2HashText(text) ?? parseMultihashText(text)) : undefined;
  if (v1 === undefined && v2 === undefined) return undefined;
  return {
    infoHash: v1 ?? infoHashOf((v2 as Uint8Array).slice(0, ID_BYTES)),
    hasV1: v1 !== undefined,
    infoHashV2: v2,
    displayName: undefined,
    trackerTiers: [],
    webSeeds: [],
    peers: [],
    selectOnly: undefined,
    exactLength: undefined,
  };
}
