// --seed, --seed-ratio, --seed-time: how long to go on after everything is there.

import type { Flags } from '../base/flag-values.ts';
import { optionalFlagValue, parseDurationMs, parseRatio } from '../base/parse.ts';
import type { SeedUntil } from './job.ts';

/** @param always whether seeding is the job itself (`tt seed`) */
export function seedUntil(flags: Flags, always: boolean): SeedUntil {
  const ratio = optionalFlagValue('--seed-ratio', flags.text('seedRatio'), parseRatio);
  const timeMs = optionalFlagValue('--seed-time', flags.text('seedTime'), parseDurationMs);
  return {
    ratio,
    timeMs,
    isWanted: always || flags.isOn('seed') || ratio !== undefined || timeMs !== undefined,
  };
}
