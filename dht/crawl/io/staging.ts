// Rows of attempts that are not whole yet: a file each in the run's folder, appended to before the queue is told that they
// arrived. A message may come twice when the coordinator dies in between.
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { RowsMessage } from '../fleet/messages.ts';

type Batch = Omit<RowsMessage, 'attempt'>;

/** A line torn by a kill was not acknowledged, and came again. */
function parsed(line: string): Batch | undefined {
  try {
    return JSON.parse(line) as Batch;
  } catch {
    return undefined;
  }
}

export class Staging {
  readonly #folder: string;

  /** @throws the file system's error */
  constructor(folder: string) {
    this.#folder = folder;
    mkdirSync(folder, { recursive: true });
  }

  append({ attempt, ...batch }: RowsMessage): void {
    appendFileSync(this.#path(attempt), `${JSON.stringify(batch)}\n`);
  }

  /** In the order of arrival; what came twice, once. */
  *batches(attempt: string): Generator<Batch> {
    const seen = new Set<number>();
    const path = this.#path(attempt);
    if (!existsSync(path)) return;
    for (const line of readFileSync(path, 'utf8').split('\n')) {
      if (line === '') continue;
      const batch = parsed(line);
      if (batch === undefined || seen.has(batch.number)) continue;
      seen.add(batch.number);
      yield batch;
    }
  }

  drop(attempt: string): void {
    rmSync(this.#path(attempt), { force: true });
  }

  /** Attempts that nobody finished. */
  clear(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** `attempt` is 32 hex digits: checked on arrival. */
  #path(attempt: string): string {
    return join(this.#folder, `${attempt}.jsonl`);
  }
}
