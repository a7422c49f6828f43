// One UDP port for several holders: the first one's wish opens it, the last one's close closes it.
import type { DatagramPort } from '../../core/base/datagram-port.ts';
import { UdpShell, type UdpShellOptions } from './udp-shell.ts';

export class SharedPort {
  readonly #options: Omit<UdpShellOptions, 'port'>;
  #shell: Promise<UdpShell> | undefined;
  #holders = 0;

  constructor(options: Omit<UdpShellOptions, 'port'>) {
    this.#options = options;
  }

  /** As OpenDatagramPort of core/base/datagram-port.ts. */
  async open(port: number): Promise<DatagramPort> {
    this.#holders++;
    this.#shell ??= UdpShell.open({ ...this.#options, port });
    const opening = this.#shell;
    try {
      return this.#hold(await opening);
    } catch (error) {
      this.#holders--;
      if (this.#shell === opening) this.#shell = undefined;
      throw error;
    }
  }

  #hold(shell: UdpShell): DatagramPort {
    const undo = new Set<() => void>();
    const keep = (remove: () => void): (() => void) => {
      undo.add(remove);
      return () => {
        undo.delete(remove);
        remove();
      };
    };
    let isClosed = false;
    return {
      get families() {
        return shell.families;
      },
      port: (family) => shell.port(family),
      send: (bytes, to, options) => {
        if (!isClosed) shell.send(bytes, to, options);
      },
      addReceiver: (receiver) => keep(shell.addReceiver(receiver)),
      addFailureHandler: (handler) => keep(shell.addFailureHandler(handler)),
      close: async () => {
        if (isClosed) return;
        isClosed = true;
        for (const remove of undo) remove();
        this.#holders--;
        if (this.#holders > 0) return;
        this.#shell = undefined;
        await shell.close();
      },
    };
  }
}
