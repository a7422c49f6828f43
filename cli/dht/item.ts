// BEP 44 items on the command line: values between text and bencode, key files, and what a value points at (BEP 46).
import { randomBytes } from 'node:crypto';
import { open, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { decodeBencode, isDict } from '../../core/base/bencode.ts';
import { encodeBencode } from '../../core/base/bencode-encode.ts';
import { fromHex, latin1, strictTextOf, toHex, utf8 } from '../../core/base/bytes.ts';
import { SEED_BYTES } from '../../core/base/ed25519.ts';
import { ID_BYTES } from '../../core/base/ids.ts';
import { OperationError, UsageError } from '../../core/base/result.ts';
import type { DhtItem } from '../../dht/base/results.ts';
import { isStorableValue, MAX_SALT_BYTES, MAX_VALUE_BYTES } from '../../dht/storage/items.ts';
import type { CommandContext } from '../contract/context.ts';
import { safeText } from '../terminal/text.ts';

/** A stored byte string as its text, anything else as bencode; harmless for a terminal. */
export function valueText(v: Uint8Array): string {
  const decoded = decodeBencode(v);
  const value = decoded.ok ? decoded.value.value : undefined;
  const text = value instanceof Uint8Array ? strictTextOf(value) : undefined;
  return (text ?? latin1(v)).split('\n').map(safeText).join('\n');
}

/** BEP 46: the torrent that a value names. */
export function torrentNamedBy(v: Uint8Array): string | undefined {
  const decoded = decodeBencode(v);
  const value = decoded.ok ? decoded.value.value : undefined;
  const hash = isDict(value) ? value.get('ih') : undefined;
  return hash instanceof Uint8Array && hash.length === ID_BYTES ? toHex(hash) : undefined;
}

export function itemJson(item: DhtItem): Readonly<Record<string, unknown>> {
  const common = {
    kind: item.kind,
    target: toHex(item.target),
    value: toHex(item.v),
    text: valueText(item.v),
    torrent: torrentNamedBy(item.v),
  };
  if (item.kind === 'immutable') return common;
  return {
    ...common,
    key: toHex(item.publicKey),
    salt: toHex(item.salt),
    // A sequence number may be beyond what JSON numbers hold.
    seq: String(item.seq),
    signature: toHex(item.signature),
  };
}

/** @throws UsageError when longer than BEP 44 allows */
export function saltFlag(context: CommandContext): Uint8Array {
  const salt = utf8(context.flags.text('salt') ?? '');
  if (salt.length > MAX_SALT_BYTES) throw new UsageError(`--salt: at most ${MAX_SALT_BYTES} bytes`);
  return salt;
}

/** The words of the command line, or stdin for `-`, as bencode. @throws UsageError on what cannot be stored */
export async function valueArgument(context: CommandContext): Promise<Uint8Array> {
  const { args, flags, environment } = context;
  const word = args[0] as string;
  const bytes = word === '-' ? await readAll(environment.stdin) : utf8(word);
  const v = flags.isOn('bencode') ? bytes : encodeBencode(bytes);
  if (isStorableValue(v)) return v;
  throw new UsageError(
    v.length > MAX_VALUE_BYTES
      ? `the value takes ${v.length} bytes as bencode; the DHT stores at most ${MAX_VALUE_BYTES}`
      : '--bencode: the value is not canonical bencode',
  );
}

async function readAll(stdin: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of stdin) {
    parts.push(part);
    bytes += part.length;
    if (bytes > MAX_VALUE_BYTES) break;
  }
  return new Uint8Array(Buffer.concat(parts));
}

/** 64 hex digits and some white space; a device has no end. */
const MAX_KEY_FILE_BYTES = 1024;

/** @returns undefined when it is longer than any key */
async function keyText(file: string): Promise<string | undefined> {
  const handle = await open(file, 'r');
  try {
    const bytes = Buffer.alloc(MAX_KEY_FILE_BYTES + 1);
    let length = 0;
    for (let read = -1; read !== 0 && length < bytes.length; length += read)
      read = (await handle.read(bytes, length, bytes.length - length)).bytesRead;
    return length > MAX_KEY_FILE_BYTES ? undefined : bytes.toString('latin1', 0, length);
  } finally {
    await handle.close();
  }
}

/**
 * The private key in a file: 32 bytes as hex. A file that is not there is made, readable by its owner only.
 * @throws OperationError `disk`, UsageError on any other content
 */
export async function readKeyFile(context: CommandContext, name: string): Promise<Uint8Array> {
  const file = path.resolve(context.environment.cwd, name);
  try {
    const seed = fromHex((await keyText(file))?.trim() ?? '');
    if (seed?.length === SEED_BYTES) return seed;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT')
      throw new OperationError('disk', `--key: cannot read ${file}: ${message}`, { cause: error });
    const seed = new Uint8Array(randomBytes(SEED_BYTES));
    await writeFile(file, `${toHex(seed)}\n`, { flag: 'wx', mode: 0o600 }).catch((cause: unknown) => {
      throw new OperationError('disk', `--key: cannot write ${file}`, { cause });
    });
    context.output.notice('key-made', `tt: made a new private key in ${safeText(file)}; keep it secret`, {
      keyFile: file,
    });
    return seed;
  }
  throw new UsageError(`--key: ${file} does not hold a private key: 64 hex digits`);
}
