// A run's folder, made for a new run or opened to go on with an old one; the same for one machine and for several.
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { OperationError } from '../../../core/base/result.ts';
import { HEADER_FILE, readHeader } from '../../dataset/io/header-file.ts';
import { DatasetStore } from '../../dataset/io/store.ts';
import type { RunRow } from '../../dataset/run-table.ts';
import { type CrawlConfig, readConfig } from '../config.ts';
import type { OptOut } from '../opt-out.ts';
import { keyId } from './privacy.ts';
import { newHeader, type ToolIdentity } from './run-header.ts';
import { zoneOf } from './run-parts.ts';

const DATA_FILE = 'data.sqlite';

export interface RunPlace {
  readonly directory: string;
  readonly tool: ToolIdentity;
  readonly optOut: OptOut;
  readonly optOutHash: string | undefined;
  /** With `hmac`. */
  readonly key: Uint8Array | undefined;
}

export interface OpenedRun {
  readonly header: RunRow;
  readonly config: CrawlConfig;
  readonly store: DatasetStore;
}

/** @throws OperationError `disk` */
export async function beginRun(place: RunPlace, config: CrawlConfig): Promise<OpenedRun> {
  const { directory, tool, optOut, optOutHash, key } = place;
  if (existsSync(join(directory, HEADER_FILE))) {
    throw new OperationError('disk', `${directory} holds a run already`, {
      hint: 'Continue it with --resume, or name another folder with --out.',
    });
  }
  try {
    mkdirSync(directory, { recursive: true });
  } catch (error) {
    throw new OperationError('disk', `cannot make ${directory}: ${(error as Error).message}`, {
      cause: error,
    });
  }
  const header = newHeader({
    config,
    zone: zoneOf(config),
    tool,
    optOut,
    optOutHash,
    keyId: key === undefined || config.ipPrivacy !== 'hmac' ? undefined : keyId(key),
    nowUnixMs: Date.now(),
    random: randomBytes(10),
  });
  return { header, config, store: await DatasetStore.open(join(directory, DATA_FILE), 'create') };
}

/** @throws OperationError `disk`; `refused` when it is complete, or its addresses were hidden with another key */
export async function reopenRun({ directory, key }: Pick<RunPlace, 'directory' | 'key'>): Promise<OpenedRun> {
  const header = readHeader(directory);
  const config = readConfig(header.config);
  if (!config.ok) throw new OperationError('disk', `${directory}: ${config.reason.what}`);
  if (header.state === 'complete')
    throw new OperationError('refused', `the run in ${directory} is complete: nothing to resume`);
  // Only hashes need it: runs of earlier versions name a key without using it.
  const isKeyed = header.ip_privacy === 'hmac' && header.ip_key_id !== null;
  if (isKeyed && (key === undefined || keyId(key) !== header.ip_key_id))
    throw new OperationError('refused', 'the key that hides addresses is not the one this run began with');
  const store = await DatasetStore.open(join(directory, DATA_FILE), 'write');
  return { header, config: config.value, store };
}
