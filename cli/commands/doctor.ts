// `tt doctor`: one page of facts about this machine and its place in the network, with what to do about those that hurt.

import { interfaceAddresses } from '../base/interfaces.ts';
import type { Outcome } from '../base/outcome.ts';
import { optionalFlagValue, parseDurationMs } from '../base/parse.ts';
import type { CommandContext } from '../contract/context.ts';
import { bootstrapOf } from '../dht/node-options.ts';
import { addressesProbe } from '../doctor/addresses.ts';
import { clockProbe, clockServers } from '../doctor/clock.ts';
import { examineDht } from '../doctor/dht.ts';
import { diskProbe } from '../doctor/disk.ts';
import { ListeningExam } from '../doctor/listening.ts';
import { mappingsProbe } from '../doctor/mappings.ts';
import { doctorFailure, doctorJson, doctorReason, doctorText } from '../doctor/report.ts';
import { type DoctorContext, type DoctorSection, notChecked } from '../doctor/section.ts';
import { systemProbe } from '../doctor/system.ts';
import { terminalProbe } from '../doctor/terminal.ts';
import { formatDuration } from '../terminal/units.ts';

/** Entering the DHT and one lookup take three seconds where all is well, and longer where it is not. */
const DEFAULT_TIMEOUT_MS = 15_000;
/** Probes keep to the deadline themselves; one that does not is cut off after this. */
const GRACE_MS = 1_000;
const MOST_COLUMNS = 110;

interface Part {
  readonly id: string;
  readonly title: string;
  readonly run: () => Promise<readonly DoctorSection[]>;
}

/** A part that is late, or breaks, says so and takes nothing else with it. */
async function bounded(part: Part, context: DoctorContext): Promise<readonly DoctorSection[]> {
  const unchecked = (why: string): readonly DoctorSection[] => [
    { id: part.id, title: part.title, facts: [notChecked(part.id, part.title, why)] },
  ];
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<readonly DoctorSection[]>((resolve) => {
    const waitMs = Math.max(0, context.deadlineMs - context.nowMs()) + GRACE_MS;
    timer = setTimeout(() => resolve(unchecked('it took too long')), waitMs);
  });
  try {
    return await Promise.race([part.run(), late]);
  } catch (error) {
    context.log('debug', `tt doctor: ${part.id} failed`, { error: String(error) });
    return unchecked(error instanceof Error ? error.message : String(error));
  } finally {
    clearTimeout(timer);
  }
}

async function collect(command: CommandContext, context: DoctorContext): Promise<readonly DoctorSection[]> {
  const listening = new ListeningExam(context);
  const port = await listening.open();
  const network: Part = { id: 'dht', title: 'DHT', run: () => examineDht(context, port) };
  const probes = [mappingsProbe, clockProbe, diskProbe, systemProbe, terminalProbe(command.environment)];
  // Side by side: most of the time is waiting for the network.
  const [addresses, dht, ...rest] = await Promise.all(
    [addressesProbe, network, ...probes].map((probe) =>
      bounded({ id: probe.id, title: probe.title, run: () => probe.run(context) }, context),
    ),
  );
  // Last: it kept the port open meanwhile.
  return [...(addresses ?? []), await listening.close(), ...(dht ?? []), ...rest.flat()];
}

export async function run(command: CommandContext): Promise<Outcome> {
  const { flags, settings, environment, interrupts, output, log } = command;
  const timeoutMs =
    optionalFlagValue('--timeout', flags.text('timeout'), parseDurationMs) ?? DEFAULT_TIMEOUT_MS;
  // Mistakes on the line are told before anything is tried.
  bootstrapOf(flags);
  clockServers(flags);
  const nowMs = (): number => environment.nowMs();
  const context: DoctorContext = {
    settings,
    flags,
    env: environment.env,
    log,
    signal: interrupts.signal,
    isOffline: flags.isOn('offline'),
    bindAddresses: settings.interface === '' ? undefined : interfaceAddresses(settings.interface),
    nowMs,
    deadlineMs: nowMs() + timeoutMs,
  };
  const isWatched = output.console.isLive && !output.isForPrograms && !output.mode.isQuiet;
  if (isWatched) output.console.live([`looking around, at most ${formatDuration(timeoutMs)}`]);
  const sections = await collect(command, context);
  output.console.clearLive();
  const columns = Math.min(MOST_COLUMNS, output.console.columns);
  const failure = doctorFailure(sections);
  return {
    reason: doctorReason(sections),
    text: doctorText(sections, columns, output.console.outStyle),
    data: { elapsedMs: Math.round(nowMs() + timeoutMs - context.deadlineMs), ...doctorJson(sections) },
    ...(failure === undefined ? {} : { failure }),
  };
}
