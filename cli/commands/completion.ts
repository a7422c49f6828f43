// `tt completion SHELL`: the script that completes commands, flags and their values, generated from the command tree.
import { UsageError } from '../../core/base/result.ts';
import { done, type Outcome } from '../base/outcome.ts';
import { bashScript } from '../completion/bash.ts';
import { fishScript } from '../completion/fish.ts';
import { completionEntries } from '../completion/tree.ts';
import { zshScript } from '../completion/zsh.ts';
import type { CommandContext } from '../contract/context.ts';

const SCRIPTS = { bash: bashScript, zsh: zshScript, fish: fishScript } as const;

export async function run(context: CommandContext): Promise<Outcome> {
  const shell = context.args[0] as string;
  if (!Object.hasOwn(SCRIPTS, shell)) {
    throw new UsageError(`unknown shell "${shell}"`, 'Give one of bash, zsh, fish.');
  }
  const script = SCRIPTS[shell as keyof typeof SCRIPTS](
    completionEntries(context.program, context.commonFlags),
  );
  return done(script.trimEnd(), { shell, script });
}
