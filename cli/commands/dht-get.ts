// `tt dht get TARGET`: an item from the DHT (BEP 44), checked against its hash or signature.
import { fromHex, toHex } from '../../core/base/bytes.ts';
import { PUBLIC_KEY_BYTES } from '../../core/base/ed25519.ts';
import { OperationError, UsageError } from '../../core/base/result.ts';
import type { GetItemResult } from '../../dht/base/results.ts';
import { mutableTarget } from '../../dht/storage/items.ts';
import { failureOf } from '../base/failure.ts';
import { done, type Outcome } from '../base/outcome.ts';
import type { CommandContext } from '../contract/context.ts';
import { targetOf } from '../dht/arguments.ts';
import { demandAnswers, lookupJson, reportLines } from '../dht/describe.ts';
import { DhtCommand } from '../dht/dht-command.ts';
import { itemJson, saltFlag, torrentNamedBy, valueText } from '../dht/item.ts';

/** A target as it is, or a public key: the target then comes from the key and the salt. */
function targetArgument(word: string, salt: Uint8Array): Uint8Array {
  const key = fromHex(word);
  if (key?.length === PUBLIC_KEY_BYTES) return mutableTarget(key, salt);
  try {
    return targetOf(word);
  } catch {
    throw new UsageError(`"${word}" is neither a target (40 hex digits) nor a public key (64 hex digits)`);
  }
}

export async function run(context: CommandContext): Promise<Outcome> {
  const { output } = context;
  const salt = saltFlag(context);
  const target = targetArgument(context.args[0] as string, salt);
  return DhtCommand.run(context, {}, async (command) => {
    await command.join();
    const result = await command.operate<GetItemResult>((machine, nowMs, finish) =>
      machine.getItem(target, { salt, onDone: finish }, nowMs),
    );
    if (result === undefined) throw command.timeout('the lookup of the item');
    demandAnswers(result);
    const { item, forged } = result;
    if (item === undefined) {
      const problem = new OperationError('timeout', `the DHT holds nothing under ${toHex(target)}`, {
        hint:
          forged > 0
            ? `${forged} values came that fail the check of hash or signature.`
            : 'Mutable items with a salt are found with the same --salt only; items vanish two hours after the last put.',
      });
      return {
        reason: 'timeout',
        text: '',
        data: { ...lookupJson(result), forged },
        failure: failureOf(problem),
      };
    }
    if (!output.isForPrograms && !output.mode.isQuiet) {
      const kind = item.kind === 'mutable' ? `mutable, sequence number ${item.seq}` : 'immutable';
      const torrent = torrentNamedBy(item.v);
      const facts = [kind, ...(torrent === undefined ? [] : [`names torrent ${torrent}`])].join(', ');
      output.console.err([`tt: ${facts}`, ...reportLines(result)].join('; '));
    }
    return done(valueText(item.v), { ...itemJson(item), forged, ...lookupJson(result) });
  });
}
