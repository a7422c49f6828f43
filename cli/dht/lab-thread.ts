// Starts the thread that runs one experiment; beside its worker, where both the sources and the bundle look for it.
import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { LabTask } from './lab-task.ts';

/** @returns a thread that posts one LabResult and ends */
export function startLabThread(task: LabTask): Worker {
  return new Worker(new URL(`./lab-worker${extname(import.meta.url)}`, import.meta.url), {
    workerData: task,
  });
}
