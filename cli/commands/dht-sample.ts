// `tt dht sample [TARGET]`: info hashes that the nodes around an id store (BEP 51); with --zone of all nodes there, as a dataset.
import { randomBytes } from 'node:crypto';
import { toHex } from '../../core/base/bytes.ts';
import { OperationError } from '../../core/base/result.ts';
import type { SampleReply, SampleResult } from '../../dht/base/results.ts';
import { failureOf } from '../base/failure.ts';
import type { Outcome } from '../base/outcome.ts';
import type { CommandContext } from '../contract/context.ts';
import { targetOf } from '../dht/arguments.ts';
import { contactJson, demandAnswers, lookupJson, reportLines } from '../dht/describe.ts';
import { DhtCommand } from '../dht/dht-command.ts';
import { formatCount } from '../terminal/units.ts';

const ID_BYTES = 20;

function replyJson(reply: SampleReply): Readonly<Record<string, unknown>> {
  return {
    from: contactJson(reply.from),
    samples: reply.samples.map(toHex),
    total: reply.total,
    intervalSeconds: reply.intervalSeconds,
  };
}

export async function run(context: CommandContext): Promise<Outcome> {
  const { args, output, flags } = context;
  if (flags.text('zone') !== undefined) return (await import('../crawl/sample-zone.ts')).sampleZone(context);
  const target = args[0] === undefined ? new Uint8Array(randomBytes(ID_BYTES)) : targetOf(args[0]);
  return DhtCommand.run(context, {}, async (command) => {
    await command.join();
    const seen = new Set<string>();
    const replies: SampleReply[] = [];
    const result = await command.operate<SampleResult>((machine, nowMs, finish) =>
      machine.sample(
        target,
        {
          onSamples: (reply) => {
            replies.push(reply);
            if (output.mode.isEvents) output.notice('samples', '', replyJson(reply));
            for (const sample of reply.samples.map(toHex)) {
              if (seen.has(sample)) continue;
              seen.add(sample);
              if (!output.isForPrograms) output.console.out(sample);
            }
          },
          onDone: finish,
        },
        nowMs,
      ),
    );
    if (result !== undefined) demandAnswers(result);
    const data = {
      ...(result === undefined ? { target: toHex(target) } : lookupJson(result)),
      infoHashes: [...seen],
      replies: replies.map(replyJson),
    };
    if (replies.length === 0 || result === undefined) {
      const problem =
        result === undefined
          ? command.timeout('sampling')
          : new OperationError('timeout', `no node around ${toHex(target)} gives samples (BEP 51)`);
      return { reason: 'timeout', text: '', data, failure: failureOf(problem) };
    }
    if (!output.isForPrograms && !output.mode.isQuiet) {
      const total = replies.reduce((sum, reply) => sum + reply.total, 0);
      const found = `${formatCount(seen.size, 'info hash', 'info hashes')} of ${total} that ${formatCount(replies.length, 'node')} store`;
      output.console.err([`tt: ${found}`, ...reportLines(result)].join('; '));
    }
    return { reason: 'done', text: '', data };
  });
}
