// Which URL holds which file of a torrent (BEP 19), and what redirects taught about it. Pure.
import type { Metainfo } from '../metainfo/metainfo.ts';
import type { WebPaths } from '../metainfo/web-paths.ts';
import { parseWebUrl, type WebUrl } from './web-url.ts';

/** Files whose redirects lead to places of their own; with more the oldest are asked for anew. */
const MAX_REMEMBERED = 1000;

export interface FilePlace {
  readonly url: WebUrl;
  /** It may be at an address of this machine or network. */
  readonly mayBeLocal: boolean;
  /** A redirect led there, maybe long ago. */
  readonly isRemembered: boolean;
}

export class FileUrls {
  /** The seed's own URL, without what belongs to a single file. */
  readonly #base: string;
  readonly #credentials: string | undefined;
  readonly #suffixOf: (file: number) => string | undefined;
  readonly #mayBeLocal: boolean;
  /** Where everything below `#base` has moved, as far as we were told. */
  #moved: { readonly base: string; readonly mayBeLocal: boolean } | undefined;
  readonly #movedFiles = new Map<number, { readonly url: WebUrl; readonly mayBeLocal: boolean }>();

  /**
   * A URL that ends in "/" gets the torrent's name (BEP 19); of several files each gets the name and its path, whatever the URL ends in.
   * @param mayBeLocal the user gave it
   */
  constructor(url: WebUrl, metainfo: Metainfo, paths: WebPaths, mayBeLocal: boolean) {
    this.#credentials = url.credentials;
    this.#mayBeLocal = mayBeLocal;
    const isFolder = url.href.endsWith('/');
    const { name, files } = paths;
    if (!metainfo.isMultiFile) {
      this.#base = url.href;
      this.#suffixOf = () => (isFolder ? name : '');
      return;
    }
    this.#base = isFolder ? url.href : `${url.href}/`;
    this.#suffixOf = (file) =>
      name === undefined || files[file] === undefined ? undefined : `${name}/${files[file]}`;
  }

  /** undefined: no URL can name it. */
  placeOf(file: number): FilePlace | undefined {
    const moved = this.#movedFiles.get(file);
    if (moved !== undefined) return { ...moved, isRemembered: true };
    const suffix = this.#suffixOf(file);
    if (suffix === undefined) return undefined;
    const { base, mayBeLocal } = this.#moved ?? { base: this.#base, mayBeLocal: this.#mayBeLocal };
    const parsed = parseWebUrl(base + suffix);
    if (!parsed.ok) return undefined;
    const isOwn = this.#moved === undefined;
    const url = isOwn ? { ...parsed.value, credentials: this.#credentials } : parsed.value;
    return { url, mayBeLocal, isRemembered: !isOwn };
  }

  /** A redirect told where this file is. Where the whole tree seems to have moved, the other files are asked for there as well. */
  remember(file: number, url: WebUrl, mayBeLocal: boolean): void {
    const suffix = this.#suffixOf(file);
    const hasOwnSecrets = url.credentials !== undefined;
    if (suffix !== undefined && suffix !== '' && !hasOwnSecrets && url.href.endsWith(`/${suffix}`)) {
      this.#moved = { base: url.href.slice(0, -suffix.length), mayBeLocal };
      this.#movedFiles.delete(file);
      return;
    }
    this.#movedFiles.delete(file);
    this.#movedFiles.set(file, { url, mayBeLocal });
    if (this.#movedFiles.size <= MAX_REMEMBERED) return;
    const [oldest] = this.#movedFiles.keys();
    this.#movedFiles.delete(oldest as number);
  }

  /** What redirects said may be over: the seed's own URL is asked again. */
  forget(file: number): void {
    if (!this.#movedFiles.delete(file)) this.#moved = undefined;
  }
}
