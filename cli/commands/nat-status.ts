// `tt nat status`: what lies between us and everybody else, and on what evidence.
import type { Endpoint } from '../../core/base/endpoint.ts';
import { normalizeHost } from '../../core/base/endpoint.ts';
import { OperationError, UsageError } from '../../core/base/result.ts';
import { failureOf } from '../base/failure.ts';
import { interfaceAddresses } from '../base/interfaces.ts';
import { done, type Outcome } from '../base/outcome.ts';
import { flagValue, optionalFlagValue, parseDurationMs, parseHostPort } from '../base/parse.ts';
import { ttVersion } from '../base/version.ts';
import type { CommandContext } from '../contract/context.ts';
import { nodeOptions } from '../dht/node-options.ts';
import { NatExam } from '../nat/exam.ts';
import { natJson, natText } from '../nat/report.ts';

/** Gateways answer in milliseconds, silent ones are given up after some; the DHT is entered in one or two seconds. */
const DEFAULT_TIMEOUT_MS = 15_000;

function relaysOf(context: CommandContext): Endpoint[] {
  return context.flags.list('relay').map((text) => {
    const { host, port } = flagValue('--relay', text, parseHostPort);
    const address = normalizeHost(host);
    if (address === undefined) throw new UsageError(`--relay: "${text}" is no IP address with a port`);
    return { host: address, port };
  });
}

export async function run(context: CommandContext): Promise<Outcome> {
  const { settings, flags, log, interrupts } = context;
  const timeoutMs =
    optionalFlagValue('--timeout', flags.text('timeout'), parseDurationMs) ?? DEFAULT_TIMEOUT_MS;
  const relays = relaysOf(context);
  if (settings.proxy !== '') {
    throw new OperationError('refused', 'behind a proxy there is no NAT of ours to look at', {
      hint: 'Leave --proxy out (tt config shows where it is set).',
    });
  }
  const bindAddresses = settings.interface === '' ? undefined : interfaceAddresses(settings.interface);
  const node = nodeOptions({ settings, flags, bindAddresses, log });
  const exam = new NatExam({
    portRange: settings.port,
    bindAddresses,
    isMappingOn: settings.portMap,
    node: settings.dht ? node : undefined,
    families: [...(node.ipv4 === true ? [4 as const] : []), ...(node.ipv6 === true ? [6 as const] : [])],
    relays,
    stateDir: settings.stateDir,
    client: `tt/${ttVersion()}`,
    log,
  });
  const result = await exam.run(timeoutMs, interrupts.signal);
  const data = natJson(result);
  const text = natText(result);
  if (result.gateways.length > 0) return done(text, data);
  const offline = new OperationError('network', 'this machine has no way out: no default route');
  return { reason: 'network', text: '', data, failure: failureOf(offline) };
}
