// `tt dht announce HASH --port P`: tells the closest nodes that somebody at this address has a torrent.
import { toHex } from '../../core/base/bytes.ts';
import { OperationError, UsageError } from '../../core/base/result.ts';
import type { AnnounceResult } from '../../dht/base/results.ts';
import { failureOf } from '../base/failure.ts';
import { done, type Outcome } from '../base/outcome.ts';
import { flagValue, parsePort } from '../base/parse.ts';
import type { CommandContext } from '../contract/context.ts';
import { infoHashArgument } from '../dht/arguments.ts';
import { contactJson, demandAnswers, lookupJson, reportLines } from '../dht/describe.ts';
import { DhtCommand } from '../dht/dht-command.ts';
import { formatCount } from '../terminal/units.ts';

export async function run(context: CommandContext): Promise<Outcome> {
  const { flags } = context;
  const impliedPort = flags.isOn('impliedPort');
  const portText = flags.text('port');
  if (portText === undefined && !impliedPort) {
    throw new UsageError('--port is missing', 'Give the TCP port that peers shall connect to.');
  }
  const announced = portText === undefined ? undefined : flagValue('--port', portText, parsePort);
  const infoHash = await infoHashArgument(context);
  // An implied port is the one this node sends from; a named one is the peer's, which may be in use.
  return DhtCommand.run(context, { port: impliedPort ? (announced ?? 0) : 0 }, async (command) => {
    const { node } = command;
    const port = announced ?? node.port(4) ?? node.port(6) ?? 0;
    await command.join();
    const result = await command.operate<AnnounceResult>((machine, nowMs, finish) =>
      machine.announce(
        infoHash,
        { port, impliedPort, isSeed: flags.isOn('seed'), onAnnounced: finish },
        nowMs,
      ),
    );
    if (result === undefined) throw command.timeout('the announce');
    demandAnswers(result);
    const accepted = result.accepted.length;
    const data = {
      infoHash: toHex(infoHash),
      port,
      accepted: result.accepted.map(contactJson),
      attempted: result.attempted,
      peersKnown: result.peers.length,
      ...lookupJson(result),
    };
    if (accepted === 0) {
      const problem = new OperationError('timeout', `none of ${result.attempted} nodes took the announce`);
      return { reason: 'timeout', text: '', data, failure: failureOf(problem) };
    }
    return done(
      [
        `Announced port ${port} to ${accepted} of ${formatCount(result.attempted, 'node')}; they know ${formatCount(result.peers.length, 'other peer')}.`,
        'They forget it after 30 minutes.',
        ...reportLines(result),
      ].join('\n'),
      data,
    );
  });
}
