// Words of `tt dht` commands: ids and info hashes. Info hashes come as anything that names a torrent.
import { infoHashFromHex } from '../../core/base/ids.ts';
import { UsageError } from '../../core/base/result.ts';
import type { CommandContext } from '../contract/context.ts';
import { type LoadedSource, loadOne } from '../torrent/load-sources.ts';

/** @param flag that it belongs to, undefined for an argument @throws UsageError unless it is 40 hex digits */
export function targetOf(text: string, flag?: string): Uint8Array {
  const id = infoHashFromHex(text);
  if (id === undefined)
    throw new UsageError(`${flag === undefined ? '' : `${flag}: `}"${text}" is not an id: 40 hex digits`);
  return id;
}

/** The info hash that a hash, a magnet link or a .torrent names. */
export async function infoHashArgument(context: CommandContext): Promise<Uint8Array> {
  const word = context.args[0] as string;
  const plain = infoHashFromHex(word);
  if (plain !== undefined) return plain;
  const loaded: LoadedSource = await loadOne(context, word);
  return ('metainfo' in loaded ? loaded.metainfo : loaded.magnet).infoHash;
}
