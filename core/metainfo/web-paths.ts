// What a torrent's files are called on a web server (BEP 19): as the torrent says, not as they are made safe for our own disk. Pure.
import { strictTextOf } from '../base/bytes.ts';
import { readFileList } from './file-list.ts';
import { PARSE_LIMITS } from './limits.ts';
import type { Metainfo } from './metainfo.ts';
import { decodeTorrentDict } from './parse-info.ts';

export interface WebPaths {
  /** The torrent's name, percent-encoded; undefined where no URL can say it. */
  readonly name: string | undefined;
  /** Of each file, by index: `folder/file` below the torrent's folder, percent-encoded; undefined where no URL can say it. */
  readonly files: readonly (string | undefined)[];
}

const EMPTY: WebPaths = { name: undefined, files: [] };

/** @param metainfo v1 or hybrid */
export function webPathsOf(metainfo: Metainfo): WebPaths {
  const info = decodeTorrentDict(metainfo.infoBytes, PARSE_LIMITS);
  if (!info.ok) return EMPTY;
  const twin = info.value.bytes('name.utf-8');
  const raw = info.value.bytes('name');
  const said = twin !== undefined && strictTextOf(twin) !== undefined && twin.length > 0 ? twin : raw;
  const name = said === undefined ? undefined : encodeComponent(said, metainfo.name);
  const described = readFileList(
    info.value,
    { raw: said ?? new Uint8Array(0), text: metainfo.name },
    PARSE_LIMITS,
    undefined,
  );
  if (!described.ok) return { ...EMPTY, name };
  const files = described.value.files.map(({ rawPath, path }) => {
    const parts = rawPath.map((part, i) => encodeComponent(part, path[i] as string));
    return parts.includes(undefined) ? undefined : parts.join('/');
  });
  return { name, files };
}

/** Bytes that are no UTF-8 go by the text that the torrent's other key has for them; web servers have UTF-8 names. */
function encodeComponent(raw: Uint8Array, text: string): string | undefined {
  const said = strictTextOf(raw) ?? text;
  // A server would take these for something else than a name.
  if (said === '' || said === '.' || said === '..' || said.includes('/')) return undefined;
  try {
    return encodeURIComponent(said);
  } catch {
    return undefined;
  }
}
