// The command tree's part about accounts and traces: `tt explain`, and the flag that writes a trace. Data only, like program.ts.
import { CAUSES } from '../core/account/causes.ts';
import type { CommandSpec, FlagSpec } from './contract/spec.ts';
import { STATE_DIR_FLAG } from './flags.ts';

export const TRACE_FLAG: FlagSpec = {
  flags: '--trace <file>',
  summary:
    'write every choke, request, block, hash and so on to this file as NDJSON, peers under made-up names',
  completes: 'file',
};

const DETAILS = `Reads the record that "tt download" keeps: updated every ten seconds and at the end, added up over all runs until the download is complete. The time is that in which tt ran and the download was not complete. Each moment of it counts for exactly one of these, the first that holds:

${CAUSES.map(({ title, meaning }) => `  ${title}: ${meaning}`).join('\n')}

It is looked at every 10 to 100 ms, and whenever something changes at one stroke. docs/explain.md says more.`;

export const EXPLAIN_COMMAND: CommandSpec = {
  name: 'explain',
  group: 'Transfer',
  summary: 'where the time of a download went, what it cost, why it is not finished',
  details: DETAILS,
  args: [
    {
      name: 'torrent',
      summary: '.torrent file, magnet link, info hash or part of the name (default: the last download)',
      isOptional: true,
      completes: 'torrent',
    },
  ],
  flagGroups: [{ title: 'Explain', flags: [STATE_DIR_FLAG] }],
  examples: [
    ['tt explain', 'the last download'],
    ['tt explain debian --json', 'by name, for a program'],
  ],
  load: () => import('./commands/explain.ts'),
};
