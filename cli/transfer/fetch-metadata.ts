// The metadata of a magnet link from its peers (BEP 9): for `tt info` and `tt metadata`. Nothing else is fetched.
import { toHex } from '../../core/base/ids.ts';
import { OperationError } from '../../core/base/result.ts';
import { CUT_SHORT_HINT, looksCutShort } from '../../core/metainfo/magnet.ts';
import type { Magnet, Metainfo } from '../../core/metainfo/metainfo.ts';
import { optionalFlagValue, parseDurationMs } from '../base/parse.ts';
import { waitFor } from '../base/wait.ts';
import type { CommandContext } from '../contract/context.ts';
import { formatDuration } from '../terminal/units.ts';
import { magnetName } from '../torrent/describe-torrent.ts';
import { refuseV2OnlyMagnet } from '../torrent/v2-only.ts';
import { sourceOptions } from './add-options.ts';
import { composeSession } from './compose.ts';
import { runSession } from './session-runner.ts';

/** Metadata comes within seconds where there are peers at all. */
const DEFAULT_TIMEOUT_MS = 60_000;

/** @throws OperationError `timeout`, or what the session met; the signal's reason when interrupted */
export async function fetchMetadata(
  context: CommandContext,
  magnet: Magnet,
  source: string,
): Promise<Metainfo> {
  refuseV2OnlyMagnet(magnet, magnetName(magnet));
  const timeoutMs =
    optionalFlagValue('--timeout', context.flags.text('timeout'), parseDurationMs) ?? DEFAULT_TIMEOUT_MS;
  const { settings, flags, log } = context;
  const options = sourceOptions(context, { magnet }, magnetName(magnet));
  // Over in seconds: nobody needs to reach us for that.
  const session = composeSession({ settings, flags, log, overrides: { portMap: false } });
  return runSession(context, session, async () => {
    let resolveWith: (metainfo: Metainfo) => void = () => {};
    let rejectWith: (error: unknown) => void = () => {};
    const arrived = new Promise<Metainfo>((resolve, reject) => {
      resolveWith = resolve;
      rejectWith = reject;
    });
    const infoHash = toHex(magnet.infoHash);
    const unsubscribe = session.subscribe((event) => {
      if (event.torrent !== infoHash) return;
      if (event.kind === 'metadata') resolveWith(event.metainfo);
      if (event.kind === 'error') rejectWith(event.error);
    });
    try {
      await session.add({ ...options, directory: settings.out, metadataOnly: true });
      const ended = await waitFor(context, arrived, timeoutMs);
      if (ended === 'done') return await arrived;
      if (ended === 'stopped') context.interrupts.signal.throwIfAborted();
      throw noMetadata(magnet, source, timeoutMs);
    } finally {
      unsubscribe();
    }
  });
}

function noMetadata(magnet: Magnet, source: string, timeoutMs: number): OperationError {
  const hint = looksCutShort(source)
    ? CUT_SHORT_HINT
    : 'Nobody who has it could be reached. Give --peer or --tracker, or a longer --timeout.';
  return new OperationError(
    'timeout',
    `no metadata for ${magnetName(magnet)} within ${formatDuration(timeoutMs)}`,
    { hint },
  );
}
