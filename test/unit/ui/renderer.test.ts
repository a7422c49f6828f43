// The screen as a renderer: when it is chosen, what waits behind it, and what happens when it breaks.
import { afterEach, describe, expect, it } from 'vitest';
import type { Terminal } from '../../../cli/base/environment.ts';
import { Output, type OutputMode } from '../../../cli/output/output.ts';
import { PlainRenderer } from '../../../cli/output/plain-renderer.ts';
import { quietRenderer, type Renderer } from '../../../cli/output/renderer.ts';
import { ScreenRenderer } from '../../../cli/output/screen-renderer.ts';
import { Console } from '../../../cli/terminal/console.ts';
import { restoreTerminal } from '../../../cli/terminal/terminal-hold.ts';
import { FakeStdin, FakeStdout, session, torrent } from '../../support/screen-rig.ts';
import { waitFor } from '../../support/wait.ts';
import { FakeStream } from '../cli/fakes.ts';

const ENTER = '\u001b[?1049h';
const LEAVE = '\u001b[?1049l';
const PLAIN: OutputMode = { isJson: false, isEvents: false, isQuiet: false, verbose: 0 };

const opened: Renderer[] = [];
afterEach(() => {
  for (const renderer of opened.splice(0)) renderer.close();
});

function world(env: Record<string, string> = {}, hasTerminal = true) {
  const screen = new FakeStdout(80, 24);
  const stdin = new FakeStdin();
  const stdout = new FakeStream(true);
  const stderr = new FakeStream(true);
  const environment = {
    argv: [],
    env,
    cwd: '/',
    stdin: (async function* () {})(),
    stdout,
    stderr,
    terminal: hasTerminal ? ({ stdin, stdout: screen } as unknown as Terminal) : undefined,
    onSignal: () => () => {},
    exitNow: () => {},
    nowMs: () => 0,
  };
  const console = new Console(environment, 'auto');
  const control = { command: async () => {}, add: undefined, quit: () => {}, interrupt: () => {} };
  const renderer = async (mode: Partial<OutputMode> = {}): Promise<Renderer> => {
    const made = await new Output(environment, console, { ...PLAIN, ...mode }).renderer(control);
    opened.push(made);
    return made;
  };
  const shown = (text: string): Promise<unknown> =>
    waitFor(() => screen.written.includes(text), {
      what: `${JSON.stringify(text)} written`,
      timeoutMs: 20_000,
    });
  return { screen, stdin, stdout, stderr, console, renderer, shown };
}

describe('the screen is chosen', () => {
  it('on a terminal, and nowhere else', async () => {
    expect(await world().renderer()).toBeInstanceOf(ScreenRenderer);
    expect(await world({}, false).renderer()).toBeInstanceOf(PlainRenderer);
    expect(await world({ TERM: 'dumb' }).renderer()).toBeInstanceOf(PlainRenderer);
    expect(await world({ CI: 'true' }).renderer()).toBeInstanceOf(PlainRenderer);
    expect(await world({ CI: 'false' }).renderer()).toBeInstanceOf(ScreenRenderer);
  });

  it('as the flags say', async () => {
    expect(await world().renderer({ screen: false })).toBeInstanceOf(PlainRenderer);
    expect(await world({ CI: 'true' }).renderer({ screen: true })).toBeInstanceOf(ScreenRenderer);
    expect(await world().renderer({ isQuiet: true })).toBe(quietRenderer);
    expect(await world().renderer({ isJson: true })).not.toBeInstanceOf(ScreenRenderer);
    expect(await world().renderer({ isEvents: true })).not.toBeInstanceOf(ScreenRenderer);
  });
});

describe('the screen', () => {
  it('keeps lines back while it has the terminal, and shows them in its log', async () => {
    const { renderer, shown, console, stdout, stderr, screen, stdin } = world();
    const made = await renderer();
    made.render(session([torrent()]));
    await shown('debian-13');
    expect(screen.written).toContain(ENTER);
    console.err('\u001b[33ma warning\u001b[39m');
    console.out('magnet:?x');
    expect(stdout.text + stderr.text).toBe('');
    stdin.type('6');
    await shown('a warning');
    made.close();
    expect(screen.written).toContain(LEAVE);
    expect(stdin.isRaw).toBe(false);
    expect(stdout.text).toBe('magnet:?x\n');
    expect(stderr.text).toContain('a warning');
  });

  it('breaks alone: the terminal is given back, the progress line goes on', async () => {
    const { renderer, shown, stderr, screen } = world();
    const made = await renderer();
    made.render(session([torrent()]));
    await shown('debian-13');
    const broken = Object.defineProperty({ ...torrent() }, 'wantedBytes', {
      get: () => {
        throw new Error('drawn into the corner');
      },
    });
    made.render(session([broken]));
    await waitFor(() => stderr.text.includes('the screen failed'), {
      what: 'the warning',
      timeoutMs: 20_000,
    });
    expect(stderr.text).toContain('drawn into the corner');
    expect(screen.written).toContain(LEAVE);
    made.render(session([torrent()]));
    expect(stderr.text).toMatch(/33\.3% {2}↓ 12\.0 MiB\/s/);
  });

  it('gives the terminal back before a crash elsewhere speaks', async () => {
    const { renderer, shown, console, stderr, screen } = world();
    const made = await renderer();
    made.render(session([torrent()]));
    await shown('debian-13');
    restoreTerminal();
    expect(screen.written).toContain(LEAVE);
    console.err('last words');
    expect(stderr.text).toBe('last words\n');
  });

  it('is not opened at all when the work was done before it was loaded', async () => {
    const { renderer, screen, console, stderr } = world();
    const made = await renderer();
    made.close();
    // Loading ends within this import at the latest: it is the same module.
    await import('../../../cli/ui/screen-mount.tsx');
    console.err('plain');
    expect(screen.written).toBe('');
    expect(stderr.text).toBe('plain\n');
  });
});
