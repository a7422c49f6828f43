// Everything a command is given: its words and flags, the settings, the streams, the log and the signals.
import type { Log } from '../../core/base/log.ts';
import type { Environment } from '../base/environment.ts';
import type { Flags } from '../base/flag-values.ts';
import type { Interrupts } from '../base/signals.ts';
import type { Output } from '../output/output.ts';
import type { ResolvedSettings, Settings } from '../settings/settings.ts';
import type { CommandSpec, FlagGroup } from './spec.ts';

export interface CommandContext {
  readonly args: readonly string[];
  readonly flags: Flags;
  readonly settings: Settings;
  readonly resolved: ResolvedSettings;
  readonly environment: Environment;
  readonly output: Output;
  readonly log: Log;
  readonly interrupts: Interrupts;
  /** The whole tree, for `completion`. */
  readonly program: CommandSpec;
  readonly commonFlags: FlagGroup;
}
