// `tt relay` on a host in the open, and what it says of itself once a second (--events).
import { readFileSync } from 'node:fs';
import type { RelayStatusData } from '../../../cli/relay/relay-runner.ts';
import type { RunningProcess } from '../../support/process.ts';
import type { LabHost } from '../lab/host.ts';
import { spawnTt } from './tt.ts';

const PORT = 7000;
const START_MS = 20_000;
const TICKS_PER_SEC = 100;

export class RelayProgram {
  readonly process: RunningProcess;
  readonly host: LabHost;

  private constructor(process: RunningProcess, host: LabHost) {
    this.process = process;
    this.host = host;
  }

  /** @param flags instead of `--no-dht` and whatever else is default */
  static async start(host: LabHost, flags: readonly string[] = ['--no-dht']): Promise<RelayProgram> {
    const own = ['--events', '--port', `${PORT}`, '--external-ip', host.address];
    const process = spawnTt(host, ['relay', ...own, ...flags]);
    await process.waitForLine(/"listening"/, START_MS);
    return new RelayProgram(process, host);
  }

  /** `host:port`. */
  get at(): string {
    return `${this.host.address}:${PORT}`;
  }

  /** As of the last second. */
  get status(): RelayStatusData | undefined {
    const line = this.process.stdoutLines.findLast((text) => text.includes('"event":"statistics"'));
    return line === undefined ? undefined : (JSON.parse(line) as RelayStatusData);
  }

  async until(
    what: string,
    passes: (status: RelayStatusData) => boolean,
    timeoutMs: number,
  ): Promise<RelayStatusData> {
    return this.process.waitFor(
      () => {
        const { status } = this;
        return status !== undefined && passes(status) && status;
      },
      { what, timeoutMs },
    );
  }

  /** It tells nobody. */
  async kill(): Promise<void> {
    await this.process.stop('SIGKILL');
  }

  /** User and system time since its start. */
  cpuSeconds(): number {
    const text = readFileSync(`/proc/${this.process.pid}/stat`, 'utf8');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SEC;
  }

  residentBytes(): number {
    const text = readFileSync(`/proc/${this.process.pid}/status`, 'utf8');
    return Number(/^VmRSS:\s+(\d+) kB/m.exec(text)?.[1]) * 1024;
  }
}
