// The machine and the program: open files allowed, cores, memory, speed of the hash, versions.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import os from 'node:os';
import { ttVersion } from '../base/version.ts';
import { formatBytes, formatCount, formatRate } from '../terminal/units.ts';
import { type DoctorContext, type DoctorFact, type DoctorProbe, good, notChecked, note } from './section.ts';

/** Files the storage keeps open, sockets that listen, pipes, libraries: what a session needs beside its peers. */
const OTHER_DESCRIPTORS = 128;
const HASH_BYTES = 8 << 20;
/** The oldest release that the package supports. */
const LEAST_NODE_MAJOR = 24;

/** @returns Infinity for "unlimited", undefined where nobody tells */
export function openFileLimit(limitsText: string): number | undefined {
  const match = /^Max open files\s+(\d+|unlimited)/m.exec(limitsText);
  if (match === null) return undefined;
  return match[1] === 'unlimited' ? Number.POSITIVE_INFINITY : Number(match[1]);
}

function readLimit(): number | undefined {
  try {
    return openFileLimit(readFileSync('/proc/self/limits', 'latin1'));
  } catch {
    // Not Linux: the diagnostic report knows, but is slow to make.
  }
  const { report } = process;
  if (report === undefined) return undefined;
  // Names of peers would be looked up otherwise.
  Object.assign(report, { excludeNetwork: true });
  const made = report.getReport() as { userLimits?: { open_files?: { soft?: unknown } } };
  const soft = made.userLimits?.open_files?.soft;
  if (soft === 'unlimited') return Number.POSITIVE_INFINITY;
  return Number.isFinite(Number(soft)) ? Number(soft) : undefined;
}

/** Pure. @param maxPeers each is a descriptor */
export function limitFact(limit: number | undefined, maxPeers: number): DoctorFact {
  const id = 'open-files';
  const name = 'Open files';
  if (limit === undefined) return notChecked(id, name, 'this system does not tell');
  const needed = maxPeers + OTHER_DESCRIPTORS;
  const data = { limit: Number.isFinite(limit) ? limit : null, needed };
  const value = `${Number.isFinite(limit) ? limit : 'any number'} allowed, about ${needed} needed for ${maxPeers} peers`;
  if (limit >= needed) return good(id, name, value, data);
  return note(id, name, value, `Raise the limit (ulimit -n ${needed}), or lower --max-peers.`, data);
}

function hashFact(nowMs: () => number): DoctorFact {
  const bytes = new Uint8Array(HASH_BYTES);
  const startMs = nowMs();
  createHash('sha1').update(bytes).digest();
  const rate = (HASH_BYTES / Math.max(0.1, nowMs() - startMs)) * 1000;
  return good('hash', 'SHA-1', `${formatRate(rate)} on one core`, { sha1BytesPerSec: Math.round(rate) });
}

function nodeFact(): DoctorFact {
  const { node, openssl, uv, v8 } = process.versions;
  const value = `${node} (OpenSSL ${openssl}, libuv ${uv}, V8 ${v8})`;
  const data = { node, openssl, uv, v8, execPath: process.execPath };
  if (Number(node.split('.')[0]) >= LEAST_NODE_MAJOR) return good('node', 'Node', value, data);
  return note(
    'node',
    'Node',
    value,
    `Install Node ${LEAST_NODE_MAJOR} or later: this one is past its end.`,
    data,
  );
}

export const systemProbe: DoctorProbe = {
  id: 'system',
  title: 'System',
  run: async ({ settings, nowMs }: DoctorContext) => {
    const cores = os.availableParallelism();
    const system = `${os.type()} ${os.release()} ${os.arch()}`;
    const facts = [
      good('tt', 'tt', ttVersion(), { version: ttVersion() }),
      nodeFact(),
      good('os', 'System', system, { type: os.type(), release: os.release(), arch: os.arch() }),
      good(
        'machine',
        'Machine',
        `${formatCount(cores, 'core')}, ${formatBytes(os.freemem())} of ${formatBytes(os.totalmem())} of memory free`,
        { cores, memoryBytes: os.totalmem(), freeMemoryBytes: os.freemem() },
      ),
      hashFact(nowMs),
      limitFact(readLimit(), settings.maxPeers),
    ];
    return [{ id: 'system', title: 'System', facts }];
  },
};
