// A machine of the lab: runs programs in its own network namespace.
import type { RunningProcess, RunResult, StartOptions } from '../../support/process.ts';
import type { Namespaces } from './netns.ts';
import type { HostPlan } from './plan.ts';

export class LabHost {
  /** Its own address: private behind a NAT. */
  readonly address: string;
  /** Global, also behind a NAT (filtered there); routed only in a lab with `ipv6`. */
  readonly addressV6: string;
  /** The address that the world sees. */
  readonly publicAddress: string;
  readonly namespace: string;
  readonly #namespaces: Namespaces;
  readonly #started: Set<RunningProcess>;

  constructor(
    plan: HostPlan,
    publicAddress: string,
    namespaces: Namespaces,
    /** The lab stops these when it ends. */
    started: Set<RunningProcess>,
  ) {
    this.address = plan.address;
    this.addressV6 = plan.addressV6;
    this.publicAddress = publicAddress;
    this.namespace = plan.namespace;
    this.#namespaces = namespaces;
    this.#started = started;
  }

  /** What to start instead of `file args`, for starters of their own. */
  command(file: string, args: readonly string[] = []): [file: string, args: string[]] {
    return this.#namespaces.command(this.namespace, file, args);
  }

  /** Ends with the lab at the latest. */
  spawn(file: string, args: readonly string[] = [], options: StartOptions = {}): RunningProcess {
    const child = this.#namespaces.start(this.namespace, file, args, options);
    this.#started.add(child);
    void child.exited.then(() => this.#started.delete(child));
    return child;
  }

  /** Runs to the end; does not judge the exit code. */
  run(
    file: string,
    args: readonly string[] = [],
    options: StartOptions & { readonly timeoutMs?: number } = {},
  ): Promise<RunResult> {
    return this.spawn(file, args, options).waitForExit(options.timeoutMs ?? 60_000);
  }

  /** Runs a TypeScript or JavaScript file of the project with the Node that runs this test. */
  spawnNode(script: string, args: readonly string[] = [], options: StartOptions = {}): RunningProcess {
    return this.spawn(process.execPath, [script, ...args], {
      name: `${script.split('/').at(-1)} in ${this.namespace}`,
      ...options,
    });
  }

  /** A shell script in its namespace. @returns its standard output. @throws Error when it fails */
  shell(script: string): Promise<string> {
    return this.#namespaces.shell(this.namespace, script);
  }
}
