// The completion scripts in the shells they are for, at a terminal: words typed, Tab pressed, the line run.
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { makePlace } from '../cli/support.ts';
import { hasTmux, Tmux } from '../support/tmux.ts';

const TIMEOUT_MS = 60_000;
const hasShell = (name: string): boolean => spawnSync(name, ['-c', 'exit 0']).status === 0;

const SHELLS = {
  bash: ['bash --norc --noprofile', '. ./tt.bash'],
  zsh: ['zsh -f', 'autoload -Uz compinit && compinit -u -D && . ./tt.zsh'],
  fish: ['fish --no-config --private', '. ./tt.fish'],
} as const;

/** Typed up to Tab, and the line that comes of it. */
const CASES = [
  ['tt downl', 'download'],
  ['tt tracker ann', 'tracker announce'],
  ['tt download --seque', 'download --sequential'],
  ['tt download --encryption req', 'download --encryption require'],
  ['tt info data.tor', 'info data.torrent'],
  ['tt dht lookup --tra', 'dht lookup --trace'],
  ['tt completion zs', 'completion zsh'],
  ['tt help downl', 'help download'],
  ['tt help dht cra', 'help dht crawl'],
  ['tt download --encryption=req', 'download --encryption=require'],
  ['tt --color=ne', '--color=never'],
  ['tt create --out=two', 'create --out=two words.bin'],
  ['tt create two', 'create two words.bin'],
  ['tt create two\\ wo', 'create two words.bin'],
  ["tt create 'two wo", 'create two words.bin'],
] as const;

const place = makePlace();
let tmux: Tmux | undefined;

describe.skipIf(!hasTmux()).each(Object.entries(SHELLS))(
  '%s',
  { timeout: TIMEOUT_MS },
  (shell, [start, load]) => {
    const isThere = hasShell(shell);
    if (!isThere) console.warn(`SKIPPED: completion in ${shell}: apt-get install ${shell}`);
    afterEach(() => {
      tmux?.close();
      tmux = undefined;
    });

    it.skipIf(!isThere)('completes commands, flags, values and files', async () => {
      const { stdout, code } = await place.tt('completion', shell);
      expect(code).toBe(0);
      writeFileSync(`${place.path}/tt.${shell}`, `${stdout}\n`);
      writeFileSync(`${place.path}/data.torrent`, '');
      writeFileSync(`${place.path}/two words.bin`, '');
      tmux = new Tmux({ columns: 100, rows: 30, cwd: place.path, env: { ...place.env, TERM: 'screen' } });
      tmux.type(start);
      tmux.type(load);
      // The program itself is not what is tested: its name says what it was given.
      tmux.type(shell === 'fish' ? 'function tt; echo GOT $argv; end' : 'tt() { echo GOT "$@"; }');
      tmux.type('echo READY | tr -d x');
      await tmux.see(/^READY$/m);
      for (const [typed, line] of CASES) {
        tmux.keys('C-l');
        tmux.write(typed);
        tmux.keys('Tab', 'Enter');
        await tmux.see(new RegExp(`^GOT ${line.replaceAll('.', '\\.')} ?$`, 'm'));
      }
    });
  },
);
