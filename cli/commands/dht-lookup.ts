// `tt dht lookup ID`: the live nodes closest to an id; with --trace every query, and a picture of the way there.
import type { LookupResult, QueryTrace } from '../../dht/base/results.ts';
import { done, type Outcome } from '../base/outcome.ts';
import type { CommandContext } from '../contract/context.ts';
import { targetOf } from '../dht/arguments.ts';
import { closestTable, demandAnswers, lookupJson, reportLines, traceJson } from '../dht/describe.ts';
import { DhtCommand } from '../dht/dht-command.ts';
import { pathPicture, traceTable } from '../dht/trace-text.ts';

export async function run(context: CommandContext): Promise<Outcome> {
  const { flags, output, args } = context;
  const target = targetOf(args[0] as string);
  const isTraced = flags.isOn('trace');
  return DhtCommand.run(context, {}, async (command) => {
    await command.join();
    let trace: readonly QueryTrace[] = [];
    const result = await command.operate<LookupResult>((machine, nowMs, finish) => {
      const operation = machine.findNode(
        target,
        {
          ...(output.mode.isEvents && isTraced
            ? { onQuery: (index, query) => output.notice('query', '', traceJson(query, index)) }
            : {}),
          onDone: (value) => {
            trace = operation.trace();
            finish(value);
          },
        },
        nowMs,
      );
      return operation;
    });
    if (result === undefined) throw command.timeout('the lookup');
    demandAnswers(result);
    const told = isTraced ? [...traceTable(trace), '', ...pathPicture(trace), ''] : [];
    return done([...told, ...closestTable(result), '', ...reportLines(result)].join('\n'), {
      ...lookupJson(result),
      ...(isTraced ? { trace: trace.map(traceJson) } : {}),
    });
  });
}
