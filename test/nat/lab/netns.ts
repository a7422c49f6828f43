// Network namespaces by name, and commands in them. All names of one lab begin alike, so that several labs do not meet.
import { spawn } from 'node:child_process';
import { type RunningProcess, type StartOptions, start } from '../../support/process.ts';

const NETNS_DIR = '/run/netns';
/** A namespace is set up in a few milliseconds each; more at once only queue for the kernel's lock. */
const PARALLEL = 6;

let labCount = 0;

export class Namespaces {
  readonly #prefix = `t${process.pid.toString(36)}x${(labCount++).toString(36)}-`;
  readonly #added: string[] = [];

  /** The name that `ip` knows it by. */
  nameOf(name: string): string {
    return `${this.#prefix}${name}`;
  }

  pathOf(name: string): string {
    return `${NETNS_DIR}/${this.nameOf(name)}`;
  }

  async add(names: readonly string[]): Promise<void> {
    this.#added.push(...names);
    await ipBatch(names.map((name) => `netns add ${this.nameOf(name)}`));
  }

  /** A cable between two of them. */
  link(a: string, interfaceA: string, b: string, interfaceB: string): string {
    return `link add ${interfaceA} netns ${this.nameOf(a)} type veth peer name ${interfaceB} netns ${this.nameOf(b)}`;
  }

  /** What to run instead of `file args`, so that it runs in there. */
  command(name: string, file: string, args: readonly string[]): [file: string, args: string[]] {
    return ['nsenter', [`--net=${this.pathOf(name)}`, '--', file, ...args]];
  }

  start(name: string, file: string, args: readonly string[], options: StartOptions = {}): RunningProcess {
    const [command, all] = this.command(name, file, args);
    return start(command, all, { name: `${file.split('/').at(-1)} in ${name}`, ...options });
  }

  /** Runs a shell script in there. @returns its standard output */
  shell(name: string, script: string): Promise<string> {
    const [command, args] = this.command(name, 'sh', ['-e']);
    return feed(command, args, script);
  }

  /** Runs one script for each, several at once. */
  async shellAll(scripts: ReadonlyMap<string, string>): Promise<void> {
    const left = [...scripts];
    const work = async (): Promise<void> => {
      for (let next = left.shift(); next !== undefined; next = left.shift())
        await this.shell(next[0], next[1]);
    };
    await Promise.all(Array.from({ length: PARALLEL }, work));
  }

  async remove(): Promise<void> {
    const names = this.#added.splice(0);
    // One that never came to be is no reason to keep the others.
    if (names.length > 0)
      await ipBatch(
        names.map((name) => `netns del ${this.nameOf(name)}`),
        ['-force'],
      ).catch(() => undefined);
  }
}

export function ipBatch(lines: readonly string[], flags: readonly string[] = []): Promise<string> {
  return feed('ip', [...flags, '-batch', '-'], `${lines.join('\n')}\n`);
}

/** Here-document for a shell script: nothing in the text is expanded. */
export function hereDocument(command: string, text: string): string {
  return `${command} <<'END_OF_INPUT'\n${text}${text.endsWith('\n') ? '' : '\n'}END_OF_INPUT`;
}

function feed(file: string, args: readonly string[], input: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.once('error', reject);
    child.once('close', (code) => {
      if (code === 0) resolve(stdout);
      else reject(new Error(`${[file, ...args].join(' ')} ended with ${code}: ${stderr}\n${input}`));
    });
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
  });
}
