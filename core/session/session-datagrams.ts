// The UDP side of a session: opens the shared port beside the TCP listener's and gives it back at the end.
import type { DatagramPort, OpenDatagramPort } from '../base/datagram-port.ts';
import type { OperationError } from '../base/result.ts';

export class SessionDatagrams {
  #port: DatagramPort | undefined;
  #isClosed = false;

  /** undefined until it is open, or without UDP. */
  get port(): DatagramPort | undefined {
    return this.#port;
  }

  /**
   * @param wanted where TCP listens; 0: nowhere
   * @throws OperationError `network`
   */
  async open(openPort: OpenDatagramPort, wanted: number): Promise<void> {
    const port = await this.#openBeside(openPort, wanted);
    if (this.#isClosed) await port.close();
    else this.#port = port;
  }

  /** Somebody else may hold the number for UDP: any other will do, since PEX, the DHT and punching tell it. */
  async #openBeside(openPort: OpenDatagramPort, wanted: number): Promise<DatagramPort> {
    try {
      return await openPort(wanted);
    } catch (error) {
      if (wanted === 0 || (error as OperationError).code !== 'EADDRINUSE') throw error;
      return openPort(0);
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#port?.close();
  }
}
