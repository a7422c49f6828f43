// Runs a machine on a real socket: its clock, its one timer, and a turn at whose end everything written is with the system
// before anything is sent.

import { Buffer } from 'node:buffer';
import { DhtAddress, type Family } from '../../base/address.ts';
import { UdpShell } from '../../io/udp-shell.ts';

export interface DrivenMachine {
  readonly isDone: boolean;
  handleDatagram(bytes: Uint8Array, from: DhtAddress, nowMs: number): unknown;
  handleUnreachable?(to: DhtAddress, nowMs: number): void;
  nextTimeoutMs(nowMs: number): number;
  handleTimeout(nowMs: number): void;
}

export interface SocketOptions {
  readonly family: Family;
  /** 0 for any. */
  readonly port: number;
  /** Address to bind; undefined for all. */
  readonly bind: string | undefined;
}

/** setTimeout's ceiling is 2^31 - 1, and a clock that was set should be noticed. */
const MAX_WAIT_MS = 10_000;
const LEAST_WAIT_MS = 1;
/** The copy is ours, and what the system says about an address is an answer. */
const QUERY = { isStable: true, reportsFailure: true };

/** A socket for one machine at a time. What it is told to send leaves at the end of the turn. */
export class Driver {
  readonly port: number;
  readonly #shell: UdpShell;
  readonly #nowMs: () => number;
  #machine: DrivenMachine | undefined;
  #outbox: { readonly datagram: Uint8Array; readonly to: DhtAddress }[] = [];
  #beforeSend: () => void = () => {};
  #onDone: () => void = () => {};
  #onFailure: (error: unknown) => void = () => {};
  #timer: NodeJS.Timeout | undefined;
  #timerAtMs = 0;
  #turn: NodeJS.Immediate | undefined;
  #isClosed = false;

  private constructor(shell: UdpShell, family: Family, nowMs: () => number) {
    this.#shell = shell;
    this.#nowMs = nowMs;
    this.port = shell.port(family) ?? 0;
  }

  /** @throws OperationError `network` when the socket cannot be bound */
  static async open({ family, port, bind }: SocketOptions, nowMs: () => number): Promise<Driver> {
    const shell = await UdpShell.open({
      families: [family],
      port,
      bindV4: family === 4 ? bind : undefined,
      bindV6: family === 6 ? bind : undefined,
    });
    const driver = new Driver(shell, family, nowMs);
    shell.addReceiver((bytes, from) => {
      const sender = DhtAddress.of(from);
      if (sender !== undefined) driver.guard((machine) => machine.handleDatagram(bytes, sender, nowMs()));
      return true;
    });
    shell.addFailureHandler((to) => {
      const address = DhtAddress.of(to);
      if (address !== undefined) driver.guard((machine) => machine.handleUnreachable?.(address, nowMs()));
    });
    return driver;
  }

  /** Given to the machine as its way out. The bytes are copied. */
  readonly send = (datagram: Uint8Array, to: DhtAddress): void => {
    // Out of a common pool: memory of its own costs more than the copy.
    this.#outbox.push({ datagram: Buffer.from(datagram), to });
  };

  /**
   * Runs until the machine is done. @param beforeSend called at the end of every turn, before its datagrams leave
   * @throws whatever a turn throws
   */
  async run(machine: DrivenMachine, beforeSend: () => void = () => {}): Promise<void> {
    this.#machine = machine;
    this.#beforeSend = beforeSend;
    try {
      await new Promise<void>((resolve, reject) => {
        this.#onDone = resolve;
        this.#onFailure = reject;
        this.guard((driven) => driven.handleTimeout(this.#nowMs()));
      });
    } finally {
      this.#machine = undefined;
      clearTimeout(this.#timer);
      clearImmediate(this.#turn);
      this.#timer = undefined;
      this.#turn = undefined;
      this.#outbox = [];
    }
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#shell.close();
  }

  /** Something happens to the machine; the turn ends when all that has come was handled. */
  guard(work: (machine: DrivenMachine) => void): void {
    if (this.#machine === undefined) return;
    try {
      work(this.#machine);
      this.#turn ??= setImmediate(() => this.#endTurn());
    } catch (error) {
      this.#onFailure(error);
    }
  }

  /** Something changed from outside (a stop): look again. */
  wake(): void {
    this.guard(() => {});
  }

  #endTurn(): void {
    this.#turn = undefined;
    const machine = this.#machine;
    if (machine === undefined) return;
    try {
      this.#beforeSend();
      const outbox = this.#outbox;
      this.#outbox = [];
      for (const { datagram, to } of outbox) this.#shell.send(datagram, to, QUERY);
      if (machine.isDone) this.#onDone();
      else this.#arm(machine);
    } catch (error) {
      this.#onFailure(error);
    }
  }

  /** Most turns only put the next timeout off: waking up too early once costs less than a timer each turn. */
  #arm(machine: DrivenMachine): void {
    const nowMs = this.#nowMs();
    const waitMs = Math.min(MAX_WAIT_MS, Math.max(LEAST_WAIT_MS, machine.nextTimeoutMs(nowMs) - nowMs));
    if (this.#timer !== undefined && this.#timerAtMs <= nowMs + waitMs) return;
    clearTimeout(this.#timer);
    this.#timerAtMs = nowMs + waitMs;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.guard((driven) => driven.handleTimeout(this.#nowMs()));
    }, waitMs);
  }
}
