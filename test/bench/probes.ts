// What can be seen of any program from outside, alike for all: bytes on the loopback, CPU and memory of a process tree.
import { readdirSync, readFileSync } from 'node:fs';

/** USER_HZ: fixed at 100 in the kernel's interface to user space. */
const TICKS_PER_SECOND = 100;
const KIB = 1024;

/** Bytes received by `lo` of this network namespace so far. */
export function loopbackBytes(): number {
  const line = readFileSync('/proc/net/dev', 'latin1')
    .split('\n')
    .find((text) => text.trimStart().startsWith('lo:'));
  return line === undefined ? 0 : Number(line.trim().split(/[:\s]+/)[1]);
}

interface Stat {
  readonly parent: number;
  readonly cpuTicks: number;
}

function statOf(pid: number): Stat | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    const number = (index: number): number => Number(fields[index]);
    // state ppid ... utime stime cutime cstime are fields 3, 4, 14 to 17 of proc(5).
    return { parent: number(1), cpuTicks: number(11) + number(12) + number(13) + number(14) };
  } catch {
    return undefined;
  }
}

/** The process and everything below it. */
export function processTree(root: number): number[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    if (!Number.isInteger(pid)) continue;
    const parent = statOf(pid)?.parent;
    if (parent !== undefined) children.set(parent, [...(children.get(parent) ?? []), pid]);
  }
  const tree = [root];
  for (let i = 0; i < tree.length; i++) tree.push(...(children.get(tree[i] as number) ?? []));
  return tree;
}

/** CPU seconds of the tree so far, with those of ended children. */
export function cpuSeconds(root: number): number {
  let ticks = 0;
  for (const pid of processTree(root)) ticks += statOf(pid)?.cpuTicks ?? 0;
  return ticks / TICKS_PER_SECOND;
}

export interface Thread {
  /** As the kernel shows it, at most 15 characters. */
  readonly name: string;
  readonly cpuS: number;
}

/** The threads of one process; none once it is gone. */
export function threadsOf(pid: number): Thread[] {
  const threads: Thread[] = [];
  try {
    for (const id of readdirSync(`/proc/${pid}/task`)) {
      const text = readFileSync(`/proc/${pid}/task/${id}/stat`, 'latin1');
      const end = text.lastIndexOf(')');
      const fields = text.slice(end + 2).split(' ');
      const cpuS = (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
      threads.push({ name: text.slice(text.indexOf('(') + 1, end), cpuS });
    }
  } catch {
    // It ended meanwhile.
  }
  return threads;
}

export interface Memory {
  readonly rssBytes: number;
  readonly anonBytes: number;
}

function field(text: string, name: string): number {
  const match = new RegExp(`^${name}:\\s+([0-9]+) kB`, 'm').exec(text);
  return match === null ? 0 : Number(match[1]) * KIB;
}

/** Of one process; zeros once it is gone. */
export function memoryOf(pid: number): Memory {
  try {
    const text = readFileSync(`/proc/${pid}/status`, 'latin1');
    return { rssBytes: field(text, 'VmRSS'), anonBytes: field(text, 'RssAnon') };
  } catch {
    return { rssBytes: 0, anonBytes: 0 };
  }
}

/** Proportional set size: shared pages divided among their users. */
export function pssOf(pid: number): number {
  try {
    return field(readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1'), 'Pss');
  } catch {
    return 0;
  }
}

/** CPU seconds that all cores of the machine have spent working since it started. */
export function machineBusySeconds(): number {
  const line = readFileSync('/proc/stat', 'latin1').split('\n')[0] ?? '';
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = line
    .trim()
    .split(/\s+/)
    .slice(1)
    .map(Number);
  return (user + nice + system + irq + softirq) / TICKS_PER_SECOND;
}
