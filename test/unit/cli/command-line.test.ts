import { describe, expect, it } from 'vitest';
import { EXIT_CODES, worstReason } from '../../../cli/base/exit-codes.ts';
import { failureOf } from '../../../cli/base/failure.ts';
import { NoCommandError, parseCommandLine } from '../../../cli/commander.ts';
import type { CommandSpec } from '../../../cli/contract/spec.ts';
import { COMMON_FLAGS, PROGRAM } from '../../../cli/program.ts';
import { rootHelp } from '../../../cli/root-help.ts';
import { InvariantError, OperationError, UsageError } from '../../../core/base/result.ts';

function parse(...argv: string[]) {
  return parseCommandLine(PROGRAM, argv, {
    version: '1.2.3',
    columns: 80,
    commonFlags: COMMON_FLAGS,
    rootHelp: () => rootHelp(PROGRAM, COMMON_FLAGS),
  });
}

function ran(...argv: string[]) {
  const parsed = parse(...argv);
  if (parsed.kind !== 'run') throw new Error('expected a command to run');
  return parsed;
}

describe('flags', () => {
  it('are present only when typed', () => {
    const { flags, args, path } = ran(
      'download',
      'a',
      'b',
      '--no-pex',
      '-s',
      '1',
      '-s',
      '*.txt',
      '-vv',
      '-v',
    );
    expect(path).toEqual(['download']);
    expect(args).toEqual(['a', 'b']);
    expect(flags.choice('pex')).toBe(false);
    expect(flags.choice('lsd')).toBeUndefined();
    expect(flags.choice('trackers')).toBeUndefined();
    expect(flags.list('select')).toEqual(['1', '*.txt']);
    expect(flags.count('verbose')).toBe(3);
    expect(flags.isOn('json')).toBe(false);
  });
  it('common ones may stand before the command, between its words, and after', () => {
    expect(ran('--json', 'info', 'x').flags.isOn('json')).toBe(true);
    expect(ran('tracker', '--json', 'serve').flags.isOn('json')).toBe(true);
    expect(ran('tracker', 'serve', '--json').flags.isOn('json')).toBe(true);
    expect(ran('-v', 'info', 'x', '-v').flags.count('verbose')).toBe(2);
  });
  it('everything cli.md names is there', () => {
    const names =
      '--out x --port 1 --select 1 --down-limit 1 --up-limit 1 --peer a:1 --tracker udp://a:1 --no-trackers --no-dht --no-pex --no-lsd --no-utp --no-tcp --no-port-map --relay a:1 --no-relays --bootstrap a:1 --encryption off --proxy socks5://a:1 --interface lo --web-seed http://a/ --no-web-seeds --sequential --preallocate full --max-peers 1 --state-dir d -q -v --log-file f --json --events --color never --timeout 1 --seed --seed-ratio 1 --seed-time 1';
    expect(ran('download', 's', ...names.split(' ')).args).toEqual(['s']);
  });
  it('--on-done takes the rest of the line, dashes and all', () => {
    const plain = ran('download', 'a', '--json', '--on-done', 'mv', '-t', '--json', 'x');
    expect(plain.flags.list('onDone')).toEqual(['mv', '-t', '--json', 'x']);
    expect(plain.flags.isOn('json')).toBe(true);
    const ended = ran('download', '--on-done', 'sh', '-c', 'true', ';', 'a', '-q');
    expect(ended.flags.list('onDone')).toEqual(['sh', '-c', 'true']);
    expect(ended.args).toEqual(['a']);
    expect(ended.flags.isOn('quiet')).toBe(true);
    expect(() => parse('download', '--on-done', 'true', 'a')).toThrow(/missing required argument/);
    for (const nothing of [[], [''], ['', 'x'], [';']])
      expect(() => parse('download', 'a', '--on-done', ...nothing)).toThrow(/a command must follow/);
    expect(() => parse('download', 'a', '--on-done=')).toThrow(/a command must follow/);
  });
});

describe('mistakes', () => {
  it.each([
    [['downlod', 'x'], /unknown command 'downlod'/, /Did you mean download/],
    [['download', '--jsno', 'x'], /unknown option '--jsno'/, /--json/],
    [['download'], /missing required argument 'source'/, /tt download --help/],
    [['info', 'a', 'b'], /too many arguments/, /tt info --help/],
    [['download', 'x', '--encryption', 'maybe'], /--encryption.*maybe.*invalid/, /--help/],
    [['download', 'x', '--port'], /argument missing/, /--help/],
    [['tracker', 'serv'], /unknown command 'serv'/, /serve/],
  ])('%j', (argv, message, hint) => {
    let caught: unknown;
    try {
      parse(...argv);
    } catch (error) {
      caught = error;
    }
    expect(caught).toBeInstanceOf(UsageError);
    expect((caught as UsageError).message).toMatch(message);
    expect((caught as UsageError).hint).toMatch(hint);
  });
  it('no command at all brings the help along', () => {
    expect(() => parse()).toThrow(NoCommandError);
    // Of a group of commands it is the group's.
    for (const [words, first] of [
      [[], 'Usage: tt <command>'],
      [['dht'], 'Usage: tt dht '],
      [['--json', 'tracker'], 'Usage: tt tracker '],
    ] as const) {
      const help = (): string => {
        try {
          return String(parse(...words));
        } catch (error) {
          return error instanceof NoCommandError ? error.help : String(error);
        }
      };
      expect(help().split('\n')[0]).toContain(first);
    }
    expect(() => parse('tracker')).toThrow(UsageError);
  });
});

describe('an empty word', () => {
  it.each([
    [['create', '']],
    [['seed', 'a', '']],
    [['verify', 'a.torrent', '']],
    [['info', '']],
    [['dht', 'report', '']],
  ])('%j names nothing, least of all the working directory', (words) =>
    expect(() => parse(...words)).toThrow(/"" is refused: it names nothing/),
  );
  it('is a text like any other', () => expect(ran('dht', 'put', '').args).toEqual(['']));
});

describe('help', () => {
  it('of the program lists every command and every exit code within 100 columns', () => {
    const parsed = parse('--help');
    if (parsed.kind !== 'print') throw new Error('expected help');
    for (const command of PROGRAM.commands ?? []) expect(parsed.text).toContain(`  ${command.name}`);
    for (const { code, meaning } of Object.values(EXIT_CODES))
      expect(parsed.text).toContain(`${code}  `) ?? meaning;
    for (const line of parsed.text.split('\n')) expect(line.length).toBeLessThanOrEqual(100);
  });
  it('of each command has its flags and examples', () => {
    const visit = (spec: CommandSpec, path: readonly string[]): void => {
      for (const child of spec.commands ?? []) visit(child, [...path, child.name]);
      if (spec.load === undefined) return;
      const parsed = parse(...path, '--help');
      if (parsed.kind !== 'print') throw new Error('expected help');
      expect(parsed.text).toContain(`Usage: tt ${path.join(' ')}`);
      for (const flag of (spec.flagGroups ?? []).flatMap((group) => group.flags)) {
        expect(parsed.text.includes(flag.flags)).toBe(flag.isHidden !== true);
      }
      expect(spec.examples?.length).toBeGreaterThan(0);
      expect(parsed.text).toContain('Examples:');
    };
    visit(PROGRAM, []);
  });
  it('breaks paragraphs where the terminal ends, and leaves lists alone', () => {
    const help = (...words: string[]): string[] => {
      const parsed = parse(...words, '--help');
      return parsed.kind === 'print' ? parsed.text.split('\n') : [];
    };
    const doctor = help('doctor');
    const first = doctor.findIndex((line) => line.startsWith('Each fact'));
    const paragraph = doctor.slice(first, doctor.indexOf('', first));
    // No line ends before the next word would have found no room.
    for (const [i, line] of paragraph.slice(0, -1).entries()) {
      const [next = ''] = (paragraph[i + 1] as string).split(' ');
      expect(`${line} ${next}`.length).toBeGreaterThan(79);
    }
    expect(help('config')).toContain('  up-limit = "2M"');
  });
  it('names no flag that is not there', () => {
    const known = new Set(['--help', '--version']);
    const texts: string[] = [];
    const visit = (spec: CommandSpec): void => {
      const flags = (spec.flagGroups ?? []).flatMap((group) => group.flags);
      for (const flag of [...flags, ...COMMON_FLAGS.flags])
        for (const [name] of flag.flags.matchAll(/--[a-z0-9-]+/g)) known.add(name);
      const examples = (spec.examples ?? []).flat();
      texts.push(spec.details ?? '', spec.summary, ...flags.map((flag) => flag.summary), ...examples);
      texts.push(...(spec.args ?? []).map((arg) => arg.summary));
      for (const child of spec.commands ?? []) visit(child);
    };
    visit(PROGRAM);
    const named = texts.flatMap((text) =>
      [...text.matchAll(/(?<![\w-])--[a-z][a-z0-9-]+/g)].map(([name]) => name),
    );
    expect(named.length).toBeGreaterThan(20);
    expect(named.filter((name) => !known.has(name))).toEqual([]);
  });
  it('prints the version', () => expect(parse('--version')).toEqual({ kind: 'print', text: '1.2.3' }));
});

describe('exit codes', () => {
  it('are the table of the contract', () => {
    const codes = Object.fromEntries(Object.entries(EXIT_CODES).map(([slug, { code }]) => [slug, code]));
    expect(codes).toEqual({
      done: 0,
      unexpected: 1,
      usage: 2,
      timeout: 3,
      unfinished: 4,
      'verification-failed': 5,
      network: 6,
      'bad-torrent': 7,
      disk: 8,
      refused: 9,
      hangup: 129,
      interrupted: 130,
      terminated: 143,
    });
  });
  it('the highest speaks for all', () => {
    expect(worstReason([])).toBe('done');
    expect(worstReason(['done', 'timeout', 'bad-torrent', 'unfinished'])).toBe('bad-torrent');
  });
  it.each([
    [new UsageError('x'), 'usage'],
    [new OperationError('refused', 'x'), 'refused'],
    [new InvariantError('x'), 'unexpected'],
    [Object.assign(new Error('x'), { code: 'ENOSPC' }), 'disk'],
    [Object.assign(new Error('x'), { code: 'EADDRINUSE' }), 'network'],
    [Object.assign(new Error('x'), { code: 'ETIMEDOUT' }), 'timeout'],
    ['a string', 'unexpected'],
  ])('%s is %s', (error, reason) => expect(failureOf(error).reason).toBe(reason));
  it('says what to do about what the machine ran out of', () => {
    const failure = failureOf(Object.assign(new Error('x'), { code: 'EMFILE' }));
    expect(failure).toMatchObject({ reason: 'disk', hint: expect.stringContaining('ulimit -n') });
  });
});
