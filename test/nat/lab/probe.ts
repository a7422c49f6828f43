// What a host's NAT really does, found out from outside the program under test: two public addresses with two ports each (probe.py).
import { fileURLToPath } from 'node:url';
import type { RunningProcess } from '../../support/process.ts';
import type { LabHost } from './host.ts';
import type { Filtering, Mapping } from './kinds.ts';

/** Debian's own interpreter. */
export const PYTHON = '/usr/bin/python3';
const SCRIPT = fileURLToPath(new URL('probe.py', import.meta.url));
const READY_TIMEOUT_MS = 20_000;
const PROBE_TIMEOUT_MS = 40_000;

export interface ProbeResult {
  readonly mapping: Mapping;
  readonly filtering: Filtering;
  readonly portPreserved: boolean;
  /** UDP only. */
  readonly hairpin?: boolean;
}

export class ProbeServer {
  readonly #addresses: readonly string[];
  readonly #process: RunningProcess;

  /** @param host with two public addresses at least */
  constructor(host: LabHost, addresses: readonly string[]) {
    if (addresses.length < 2) throw new Error('the probe needs a public host with two addresses');
    this.#addresses = addresses.slice(0, 2);
    this.#process = host.spawn(PYTHON, [SCRIPT, 'serve', ...this.#addresses], { name: 'probe server' });
  }

  async classify(host: LabHost, protocol: 'udp' | 'tcp'): Promise<ProbeResult> {
    await this.#process.waitForLine(/^ready/, READY_TIMEOUT_MS);
    const { code, stdout, stderr } = await host.run(
      PYTHON,
      [SCRIPT, `classify-${protocol}`, ...this.#addresses],
      { timeoutMs: PROBE_TIMEOUT_MS },
    );
    if (code !== 0) throw new Error(`the probe failed: ${stderr}`);
    return JSON.parse(stdout) as ProbeResult;
  }
}
