// `tt dht ping HOST:PORT...`: is a DHT node there, which one, how far away, and what address of ours does it see?
import { lookup } from 'node:dns/promises';
import { toHex } from '../../core/base/bytes.ts';
import { endpointKey, isIPv6 } from '../../core/base/endpoint.ts';
import { OperationError } from '../../core/base/result.ts';
import { DhtAddress } from '../../dht/base/address.ts';
import type { PingResult } from '../../dht/base/results.ts';
import { failureOf } from '../base/failure.ts';
import type { Outcome } from '../base/outcome.ts';
import { flagValue, type HostPort, parseHostPort } from '../base/parse.ts';
import type { CommandContext } from '../contract/context.ts';
import { clientText, formatMs } from '../dht/describe.ts';
import { DhtCommand } from '../dht/dht-command.ts';
import { safeText } from '../terminal/text.ts';

interface Answer {
  readonly asked: string;
  readonly address: string | undefined;
  readonly result: PingResult | undefined;
  readonly problem: string | undefined;
}

/** An address of a family that the node speaks; names are resolved. */
async function addressOf(command: DhtCommand, { host, port }: HostPort): Promise<DhtAddress | undefined> {
  const speaks = (address: string): boolean => command.node.port(isIPv6(address) ? 6 : 4) !== undefined;
  const literal = DhtAddress.of({ host, port });
  if (literal !== undefined) return speaks(literal.host) ? literal : undefined;
  const found = await lookup(host, { all: true, order: 'verbatim' });
  const usable = found.find(({ address }) => speaks(address));
  return usable === undefined ? undefined : DhtAddress.of({ host: usable.address, port });
}

async function ask(command: DhtCommand, asked: string, target: HostPort): Promise<Answer> {
  let address: DhtAddress | undefined;
  try {
    address = await addressOf(command, target);
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    return { asked, address: undefined, result: undefined, problem };
  }
  if (address === undefined) {
    return {
      asked,
      address: undefined,
      result: undefined,
      problem: 'no address of a family that is switched on',
    };
  }
  const to = address;
  const result = await command.operate<PingResult>((machine, nowMs, finish) =>
    machine.ping(to, finish, nowMs),
  );
  const failure = result === undefined ? 'timeout' : result.failure;
  const words = failure === 'timeout' ? 'no answer' : failure;
  const problem = words === undefined ? undefined : `${words}${result?.message ? `: ${result.message}` : ''}`;
  return { asked, address: endpointKey(to), result, problem };
}

function answerLine({ asked, result, problem }: Answer): string {
  if (problem !== undefined || result === undefined) return `${asked}  ${safeText(problem ?? 'no answer')}`;
  const facts = [
    formatMs(result.roundTripMs ?? 0),
    `node ${toHex(result.id ?? new Uint8Array(0))}`,
    clientText(result.clientVersion),
    result.seenAs === undefined ? '' : `sees us as ${endpointKey(result.seenAs)}`,
  ].filter((fact) => fact !== '');
  return `${asked}  ${facts.join(', ')}`;
}

export async function run(context: CommandContext): Promise<Outcome> {
  const targets = context.args.map((text) => ({ text, target: flagValue('HOST:PORT', text, parseHostPort) }));
  const answers = await DhtCommand.run(context, { bootstrap: false }, (command) =>
    Promise.all(targets.map(({ text, target }) => ask(command, text, target))),
  );
  const data = {
    answers: answers.map(({ asked, address, result, problem }) => ({
      asked,
      address,
      ok: problem === undefined,
      problem,
      id: result?.id && toHex(result.id),
      roundTripMs: result?.roundTripMs && Math.round(result.roundTripMs),
      client: clientText(result?.clientVersion),
      seenAs: result?.seenAs && endpointKey(result.seenAs),
    })),
  };
  if (answers.some(({ problem }) => problem === undefined)) {
    return { reason: 'done', text: answers.map(answerLine).join('\n'), data };
  }
  const problem = new OperationError('timeout', answers.map(answerLine).join('\n'));
  return { reason: 'timeout', text: '', data, failure: failureOf(problem) };
}
