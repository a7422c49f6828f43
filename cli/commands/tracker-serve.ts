// `tt tracker serve`: a tracker until told to stop. Its announce URLs go to stdout as soon as it listens.
import os from 'node:os';
import { parseIp } from '../../core/base/endpoint.ts';
import type { InfoHash } from '../../core/base/ids.ts';
import { UsageError } from '../../core/base/result.ts';
import { systemClock, systemRng } from '../../core/session/system.ts';
import { TrackerServer } from '../../tracker/serve/tracker-server.ts';
import type { Outcome } from '../base/outcome.ts';
import { optionalFlagValue, type Parser, parseDurationMs, parsePort } from '../base/parse.ts';
import { waitFor } from '../base/wait.ts';
import type { CommandContext } from '../contract/context.ts';
import { loadOne } from '../torrent/load-sources.ts';

/** What trackers have always used. */
const DEFAULT_PORT = 6969;

const parsePortOrZero: Parser<number> = (text) => (text === '0' ? { ok: true, value: 0 } : parsePort(text));

async function allowedHashes(context: CommandContext): Promise<readonly InfoHash[] | undefined> {
  const sources = context.flags.list('allow');
  if (sources.length === 0) return undefined;
  const loaded = await Promise.all(sources.map((source) => loadOne(context, source)));
  return loaded.map((each) => ('metainfo' in each ? each.metainfo : each.magnet).infoHash);
}

function hostFlag(context: CommandContext): string | undefined {
  const host = context.flags.text('host');
  if (host !== undefined && host !== 'localhost' && parseIp(host) === undefined) {
    throw new UsageError(
      `--host: "${host}" is not an IP address`,
      'Leave it out to listen on every address.',
    );
  }
  return host;
}

/** Names under which clients may reach us. */
function reachableHosts(host: string | undefined): readonly string[] {
  if (host !== undefined) return [host];
  const outside = Object.values(os.networkInterfaces())
    .flatMap((each) => each ?? [])
    .filter((each) => !each.internal && !each.address.startsWith('fe80:'))
    .map((each) => each.address);
  return ['127.0.0.1', ...outside];
}

export async function run(context: CommandContext): Promise<Outcome> {
  const { flags, output, log } = context;
  const host = hostFlag(context);
  const port = optionalFlagValue('--port', flags.text('port'), parsePortOrZero) ?? DEFAULT_PORT;
  const httpPort = optionalFlagValue('--http-port', flags.text('httpPort'), parsePortOrZero);
  const intervalMs = optionalFlagValue('--interval', flags.text('interval'), parseDurationMs);
  const timeoutMs = optionalFlagValue('--timeout', flags.text('timeout'), parseDurationMs);
  const allowList = await allowedHashes(context);
  const server = await TrackerServer.listen({
    clock: systemClock,
    rng: systemRng,
    port,
    udp: flags.choice('udp') !== false,
    onAnnounce: (announce) => {
      const { event: announceEvent, ...rest } = announce;
      if (output.mode.isEvents) output.notice('announce', '', { announceEvent, ...rest });
      else log('info', `announce from ${announce.host}:${announce.port}`, { ...announce });
    },
    ...(host === undefined ? {} : { host }),
    ...(httpPort === undefined ? {} : { httpPort }),
    ...(intervalMs === undefined ? {} : { intervalSeconds: Math.max(1, Math.round(intervalMs / 1000)) }),
    ...(allowList === undefined ? {} : { allowList }),
  });
  try {
    const urls = reachableHosts(host).flatMap((each) => server.urls(each));
    output.notice('listening', 'tt: the tracker is listening; Ctrl-C stops it', {
      urls,
      listening: server.listening,
    });
    if (!output.isForPrograms) output.console.out(urls.join('\n'));
    await waitFor(context, new Promise<never>(() => {}), timeoutMs);
    const { schema: _same, ...stats } = server.stats();
    return { reason: 'done', text: '', data: { urls, stats } };
  } finally {
    await server.close();
  }
}
