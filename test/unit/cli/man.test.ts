// The manual page and the help: every command, every flag, an example for each; text that roff takes as it is.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import type { CommandSpec } from '../../../cli/contract/spec.ts';
import { NETWORK_FLAGS } from '../../../cli/flags.ts';
import { COMMON_FLAGS, PROGRAM } from '../../../cli/program.ts';
import { manPage, roff } from '../../support/man-page.ts';

function leaves(spec: CommandSpec, above: readonly string[] = []): { path: string; spec: CommandSpec }[] {
  const here = [...above, spec.name];
  return spec.commands === undefined
    ? [{ path: here.slice(1).join(' '), spec }]
    : spec.commands.flatMap((child) => leaves(child, here));
}

const all = leaves(PROGRAM);
const page = manPage(PROGRAM, COMMON_FLAGS, '1.2.3');
const hasGroff = spawnSync('groff', ['--version']).status === 0;

describe('every command', () => {
  it.each(all.map((each) => [each.path, each.spec] as const))(
    '%s has an example that begins with its name',
    (name, spec) => {
      expect(spec.examples?.length).toBeGreaterThan(0);
      expect(spec.examples?.some(([line]) => line.includes(`tt ${name}`))).toBe(true);
    },
  );
});

describe('the manual page', () => {
  it('has every command and every flag that help has', () => {
    for (const { path: name, spec } of all) {
      expect(page).toContain(`.SS ${roff(name)}\n`);
      for (const flag of (spec.flagGroups ?? []).flatMap((group) => group.flags)) {
        if (flag.isHidden === true) continue;
        const long = /--[a-z0-9-]+/.exec(flag.flags)?.[0] as string;
        expect(page.includes(`\\fB${roff(long)}\\fR`), `${name} ${long}`).toBe(true);
      }
      // In its own section, or in the one that it refers to.
      const section = page.split(`.SS ${roff(name)}\n`)[1]?.split(/^\.S[SH] /m)[0] ?? '';
      const shared = section.includes('Network options') ? NETWORK_FLAGS.flags : [];
      const ofOthers = shared.filter((flag) => !spec.flagGroups?.some((group) => group.flags.includes(flag)));
      expect([name, ofOthers.map((flag) => flag.flags)]).toEqual([name, []]);
      for (const flag of (spec.flagGroups ?? []).flatMap((group) => group.flags)) {
        if (flag.isHidden === true || shared.includes(flag)) continue;
        expect(section, `${name} ${flag.flags}`).toContain(roff(flag.summary).split('\n')[0]);
      }
    }
    for (const code of ['0', '9', '143']) expect(page).toContain(`\\fB${code}\\fR`);
  });

  it('escapes what roff would obey', () => {
    expect(roff(".TH\n'quote' \\x -a ~ ^ `")).toBe('\\&.TH\n\\(aqquote\\(aq \\ex \\-a \\(ti \\(ha \\(ga');
    for (const line of page.split('\n')) {
      if (line.startsWith('.')) expect(line).toMatch(/^\.(\\"|TH|SH|SS|TP|PP|nf|fi|br)( |$)/);
      expect(line.startsWith("'")).toBe(false);
    }
  });

  it.skipIf(!hasGroff)('is read by groff without a warning', () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'tt-man-'));
    try {
      writeFileSync(path.join(folder, 'tt.1'), page);
      const made = spawnSync('groff', ['-man', '-ww', '-Tutf8', 'tt.1'], { cwd: folder, encoding: 'utf8' });
      expect([made.status, made.stderr]).toEqual([0, '']);
      const text = execFileSync('groff', ['-man', '-Tascii', '-P-cbou', 'tt.1'], {
        cwd: folder,
        encoding: 'utf8',
      });
      expect(text).toContain("tt download 'magnet:?xt=urn:btih:...' -o ~/Downloads");
      expect(text).toMatch(/-s, --select files/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
