// `tt dht get-peers HASH`: who has a torrent, each peer printed as it is found.
import { toHex } from '../../core/base/bytes.ts';
import { endpointKey } from '../../core/base/endpoint.ts';
import { OperationError } from '../../core/base/result.ts';
import type { GetPeersResult } from '../../dht/base/results.ts';
import { failureOf } from '../base/failure.ts';
import type { Outcome } from '../base/outcome.ts';
import { optionalFlagValue, parseCount } from '../base/parse.ts';
import type { CommandContext } from '../contract/context.ts';
import { infoHashArgument } from '../dht/arguments.ts';
import { contactJson, demandAnswers, lookupJson, reportLines } from '../dht/describe.ts';
import { DhtCommand } from '../dht/dht-command.ts';
import { formatCount } from '../terminal/units.ts';

export async function run(context: CommandContext): Promise<Outcome> {
  const { flags, output, interrupts } = context;
  const enoughPeers = optionalFlagValue('--enough', flags.text('enough'), parseCount);
  const infoHash = await infoHashArgument(context);
  return DhtCommand.run(context, {}, async (command) => {
    await command.join();
    const peers: string[] = [];
    const result = await command.operate<GetPeersResult>((machine, nowMs, finish) =>
      machine.getPeers(
        infoHash,
        {
          noSeeds: flags.isOn('noSeeds'),
          ...(enoughPeers === undefined ? {} : { enoughPeers }),
          onPeers: (found, from) => {
            const fresh = found.map(endpointKey);
            peers.push(...fresh);
            if (output.mode.isEvents) output.notice('peers', '', { peers: fresh, from: contactJson(from) });
            else if (!output.isForPrograms) output.console.out(fresh.join('\n'));
          },
          onDone: finish,
        },
        nowMs,
      ),
    );
    if (result !== undefined) demandAnswers(result);
    const data = {
      infoHash: toHex(infoHash),
      peers,
      ...(result === undefined ? {} : lookupJson(result)),
    };
    if (peers.length === 0 || result === undefined) {
      const late = result === undefined && !interrupts.signal.aborted;
      const problem = late
        ? command.timeout('get-peers')
        : new OperationError('timeout', `the DHT knows no peers of ${toHex(infoHash)}`);
      return { reason: 'timeout', text: '', data, failure: failureOf(problem) };
    }
    if (!output.isForPrograms && !output.mode.isQuiet) {
      output.console.err([`tt: ${formatCount(peers.length, 'peer')}`, ...reportLines(result)].join('; '));
    }
    return { reason: 'done', text: '', data };
  });
}
