// What all `tt dht` commands share: a node that is opened, has found its first neighbours, and is closed again; one
// operation of it as a promise that --timeout and Ctrl-C can end.
import { randomBytes } from 'node:crypto';
import { OperationError, UsageError } from '../../core/base/result.ts';
import type { DhtOperation } from '../../dht/base/results.ts';
import { DhtNode, type DhtNodeOptions } from '../../dht/io/dht-node.ts';
import type { DhtMachine } from '../../dht/machine.ts';
import { interfaceAddresses } from '../base/interfaces.ts';
import { optionalFlagValue, parseDurationMs } from '../base/parse.ts';
import { waitFor } from '../base/wait.ts';
import type { CommandContext } from '../contract/context.ts';
import { formatDuration } from '../terminal/units.ts';
import { nodeOptions } from './node-options.ts';

/** Far beyond any lookup of ours: entering takes a second or two, a lookup about as long. */
const DEFAULT_TIMEOUT_MS = 60_000;
/** With so many a lookup has somewhere to start; the rest of the table comes while it runs. */
const ENOUGH_NODES = 8;
const POLL_MS = 25;
const ID_BYTES = 20;
const NODE_HINT = 'Is UDP blocked? Name a node that you know with --bootstrap HOST:PORT.';

/** Options of the node under the flags, without a port. @throws OperationError `refused` behind a proxy */
export function commandNodeOptions(context: CommandContext): DhtNodeOptions {
  const { settings, flags, log } = context;
  if (settings.proxy !== '') {
    throw new OperationError('refused', 'the DHT speaks UDP, which cannot go through the proxy', {
      hint: 'Leave --proxy out (tt config shows where it is set) to take part directly.',
    });
  }
  const bindAddresses = settings.interface === '' ? undefined : interfaceAddresses(settings.interface);
  const options = nodeOptions({ settings, flags, bindAddresses, log });
  if (options.ipv4 === false && options.ipv6 === false) {
    throw new UsageError(`--interface ${settings.interface} has no address of the family asked for`);
  }
  return options;
}

export class DhtCommand {
  readonly node: DhtNode;
  readonly #context: CommandContext;
  readonly #deadlineMs: number;
  readonly #timeoutMs: number;

  private constructor(context: CommandContext, node: DhtNode, timeoutMs: number) {
    this.#context = context;
    this.node = node;
    this.#timeoutMs = timeoutMs;
    this.#deadlineMs = context.environment.nowMs() + timeoutMs;
  }

  /**
   * Runs `work` with a node that lives as long as the command. @param options.port 0 for any
   * @throws OperationError `network` when nothing can be bound
   */
  static async run<T>(
    context: CommandContext,
    options: { readonly port?: number; readonly bootstrap?: boolean },
    work: (command: DhtCommand) => Promise<T>,
  ): Promise<T> {
    const timeoutMs =
      optionalFlagValue('--timeout', context.flags.text('timeout'), parseDurationMs) ?? DEFAULT_TIMEOUT_MS;
    const typed = context.flags.text('port') === undefined ? 0 : context.settings.port[0];
    const node = await DhtNode.open({
      ...commandNodeOptions(context),
      port: options.port ?? typed,
      // The kept id belongs to the node that runs for long; two at a time must not share one.
      nodeId: randomBytes(ID_BYTES),
      followAddress: true,
      // Gone in a moment: nobody shall take it into a table (BEP 43).
      readOnly: true,
      ...(options.bootstrap === false ? { bootstrap: [], statePath: undefined } : {}),
    } as DhtNodeOptions);
    try {
      return await work(new DhtCommand(context, node, timeoutMs));
    } finally {
      await node.close();
    }
  }

  /** Waits for the first nodes. @throws OperationError `timeout` when nobody answers */
  async join(): Promise<void> {
    let hasEnded = false;
    void this.node.ready.then(() => {
      hasEnded = true;
    });
    while (!hasEnded && this.goodNodes < ENOUGH_NODES && this.#leftMs > 0) {
      if (this.#context.interrupts.signal.aborted) return;
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
    if (this.goodNodes === 0) {
      throw new OperationError('timeout', 'no DHT node answered', { hint: NODE_HINT });
    }
  }

  get goodNodes(): number {
    const { families } = this.node.machine.snapshot(this.node.now());
    return families.reduce((sum, family) => sum + family.good, 0);
  }

  get #leftMs(): number {
    return this.#deadlineMs - this.#context.environment.nowMs();
  }

  /**
   * @param start gives the operation to the machine and calls `done` with its result
   * @returns undefined when --timeout or a signal ended it: what came before has reached the callbacks of the operation
   */
  async operate<R>(
    start: (machine: DhtMachine, nowMs: number, done: (result: R) => void) => DhtOperation,
  ): Promise<R | undefined> {
    let result: R | undefined;
    let operation: DhtOperation | undefined;
    const finished = new Promise<void>((resolve) => {
      operation = this.node.run((machine, nowMs) =>
        start(machine, nowMs, (value) => {
          result = value;
          resolve();
        }),
      );
    });
    if ((await waitFor(this.#context, finished, Math.max(0, this.#leftMs))) !== 'done') {
      this.node.run(() => operation?.cancel());
    }
    return result;
  }

  /** What to say when an operation ended without a result. */
  timeout(what: string): OperationError {
    return new OperationError('timeout', `${what}: no result within ${formatDuration(this.#timeoutMs)}`);
  }
}
