// `tt dht put VALUE`: stores an item in the DHT (BEP 44), signed when there is a key.
import { toHex } from '../../core/base/bytes.ts';
import { publicKeyOf } from '../../core/base/ed25519.ts';
import { OperationError, UsageError } from '../../core/base/result.ts';
import type { DhtItem, GetItemResult, PutItemResult } from '../../dht/base/results.ts';
import { immutableItem, isValidSeq, mutableTarget, signItem } from '../../dht/storage/items.ts';
import { failureOf } from '../base/failure.ts';
import { done, type Outcome } from '../base/outcome.ts';
import type { CommandContext } from '../contract/context.ts';
import { contactJson, demandAnswers, lookupJson, reportLines } from '../dht/describe.ts';
import { DhtCommand } from '../dht/dht-command.ts';
import { itemJson, readKeyFile, saltFlag, valueArgument } from '../dht/item.ts';
import { formatCount } from '../terminal/units.ts';

function seqFlag(context: CommandContext, name: 'seq' | 'cas'): bigint | undefined {
  const text = context.flags.text(name);
  if (text === undefined) return undefined;
  if (!/^[0-9]{1,19}$/.test(text) || !isValidSeq(BigInt(text))) {
    throw new UsageError(`--${name}: "${text}" is refused: a sequence number is 0 to 2^63 - 1`);
  }
  return BigInt(text);
}

/** One more than what the DHT holds; 1 for the first. */
async function nextSeq(command: DhtCommand, target: Uint8Array, salt: Uint8Array): Promise<bigint> {
  const held = await command.operate<GetItemResult>((machine, nowMs, finish) =>
    machine.getItem(target, { salt, onDone: finish }, nowMs),
  );
  if (held === undefined) throw command.timeout('the look at the present item');
  if (held.item?.kind !== 'mutable') return 1n;
  const next = held.item.seq + 1n;
  if (isValidSeq(next)) return next;
  throw new OperationError(
    'refused',
    'the version in the DHT has the last sequence number there is, 2^63 - 1',
    {
      hint: 'Nothing can follow it. Take another --salt or --key, or wait two hours until the DHT has forgotten it.',
    },
  );
}

/** BEP 44 codes. */
const ERROR_NAMES: ReadonlyMap<number, string> = new Map([
  [205, 'value too large'],
  [206, 'bad signature'],
  [207, 'salt too large'],
  [301, 'another version is there (--cas)'],
  [302, 'a newer version is there (--seq)'],
]);

function refusals(errors: ReadonlyMap<number, number>): string {
  return [...errors]
    .map(([code, count]) => `${count}x ${code} ${ERROR_NAMES.get(code) ?? ''}`.trim())
    .join(', ');
}

export async function run(context: CommandContext): Promise<Outcome> {
  const { flags } = context;
  const salt = saltFlag(context);
  const seq = seqFlag(context, 'seq');
  const cas = seqFlag(context, 'cas');
  const keyFile = flags.text('key');
  if (keyFile === undefined) {
    for (const name of ['salt', 'seq', 'cas']) {
      if (flags.text(name) !== undefined) {
        throw new UsageError(`--${name} is for mutable items`, 'Give --key FILE as well.');
      }
    }
  }
  const v = await valueArgument(context);
  const seed = keyFile === undefined ? undefined : await readKeyFile(context, keyFile);
  return DhtCommand.run(context, {}, async (command) => {
    await command.join();
    const itemOf = async (): Promise<DhtItem> => {
      if (seed === undefined) return immutableItem(v);
      const target = mutableTarget(publicKeyOf(seed), salt);
      return signItem({ seed, v, salt, seq: seq ?? (await nextSeq(command, target, salt)) });
    };
    const item = await itemOf();
    const result = await command.operate<PutItemResult>((machine, nowMs, finish) =>
      machine.putItem(item, { ...(cas === undefined ? {} : { cas }), onDone: finish }, nowMs),
    );
    if (result === undefined) throw command.timeout('the put');
    demandAnswers(result);
    const { accepted, attempted, errors } = result;
    const data = {
      ...itemJson(item),
      accepted: accepted.map(contactJson),
      attempted,
      errors: Object.fromEntries(errors),
      ...lookupJson(result),
    };
    if (accepted.length === 0) {
      const why = errors.size > 0 ? `: ${refusals(errors)}` : '';
      const problem = new OperationError('timeout', `none of ${attempted} nodes stored the item${why}`);
      return { reason: 'timeout', text: '', data, failure: failureOf(problem) };
    }
    const { output } = context;
    if (!output.isForPrograms && !output.mode.isQuiet) {
      const stored = `stored at ${accepted.length} of ${formatCount(attempted, 'node')}`;
      const told = errors.size > 0 ? [stored, refusals(errors)] : [stored];
      const key =
        item.kind === 'mutable' ? [`public key ${toHex(item.publicKey)}, sequence number ${item.seq}`] : [];
      output.console.err(`tt: ${[...told, ...key, ...reportLines(result)].join('; ')}`);
    }
    return done(toHex(item.target), data);
  });
}
