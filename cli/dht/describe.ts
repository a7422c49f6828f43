// Nodes, lookups and operations of the DHT as JSON fields and as words. Pure.
import { textOf, toHex } from '../../core/base/bytes.ts';
import { endpointKey } from '../../core/base/endpoint.ts';
import { OperationError } from '../../core/base/result.ts';
import type {
  DhtContact,
  DhtSnapshot,
  LookupReport,
  LookupResult,
  QueryTrace,
  Responder,
} from '../../dht/base/results.ts';
import { formatTable } from '../terminal/table.ts';
import { safeText } from '../terminal/text.ts';
import { formatCount } from '../terminal/units.ts';

type Json = Readonly<Record<string, unknown>>;

export function formatMs(ms: number): string {
  return ms < 9_950 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

/** `LT 0102`: two letters, then what each client thinks a version is. */
export function clientText(version: Uint8Array | undefined): string {
  if (version === undefined || version.length === 0) return '';
  const letters = safeText(textOf(version.subarray(0, 2)));
  return version.length > 2 ? `${letters} ${toHex(version.subarray(2, 8))}` : letters;
}

export function contactJson({ id, address }: DhtContact): Json {
  return { id: toHex(id), address: endpointKey(address) };
}

function responderJson(responder: Responder): Json {
  return {
    ...contactJson(responder),
    roundTripMs: Math.round(responder.roundTripMs),
    hop: responder.hop,
    hasToken: responder.token !== undefined,
  };
}

function reportJson({ closest, ...report }: LookupReport): Json {
  const whole = (ms: number | undefined): number | undefined =>
    ms === undefined ? undefined : Math.round(ms);
  return {
    ...report,
    elapsedMs: whole(report.elapsedMs),
    firstReplyMs: whole(report.firstReplyMs),
    firstValueMs: whole(report.firstValueMs),
    closest: closest.map(responderJson),
  };
}

export function lookupJson(result: LookupResult): Json {
  return {
    target: toHex(result.target),
    closest: result.closest.map(responderJson),
    lookups: result.reports.map(reportJson),
  };
}

/** `IPv4: 23 queries, 20 replies, ... in 812 ms; 3 hops`, one line a family. */
export function reportLines(result: LookupResult): string[] {
  return result.reports.map((report) => {
    const facts = [
      formatCount(report.queries, 'query', 'queries'),
      formatCount(report.replies, 'reply', 'replies'),
      report.lateReplies > 0 ? `${report.lateReplies} of them late` : undefined,
      report.stalls > 0 ? formatCount(report.stalls, 'stall') : undefined,
      report.timeouts > 0 ? formatCount(report.timeouts, 'timeout') : undefined,
      formatCount(report.hops, 'hop'),
    ].filter((fact) => fact !== undefined);
    const alarm = report.suspicious ? '; the closest nodes are suspiciously dense' : '';
    return `IPv${report.family}: ${facts.join(', ')} in ${formatMs(report.elapsedMs)} (${report.end})${alarm}`;
  });
}

export function closestTable(result: LookupResult): string[] {
  return formatTable(
    [
      { title: 'NODE' },
      { title: 'ADDRESS' },
      { title: 'ROUND TRIP', align: 'right' },
      { title: 'HOP', align: 'right' },
    ],
    result.closest.map((node) => [
      toHex(node.id),
      endpointKey(node.address),
      formatMs(node.roundTripMs),
      String(node.hop),
    ]),
  );
}

/** @throws OperationError `timeout` when the lookup met nobody */
export function demandAnswers(result: LookupResult): void {
  if (result.closest.length > 0) return;
  throw new OperationError('timeout', 'no DHT node answered the lookup', {
    hint: 'The nodes known may be gone: try again, or name one with --bootstrap HOST:PORT.',
  });
}

export function traceJson(trace: QueryTrace, index: number): Json {
  const { id, address, source, clientVersion, ...rest } = trace;
  return {
    query: index,
    ...rest,
    id: id === undefined ? undefined : toHex(id),
    address: endpointKey(address),
    source: source.kind,
    namedInReplyTo: source.kind === 'reply' ? source.query : undefined,
    client: clientText(clientVersion),
  };
}

export function snapshotJson(snapshot: DhtSnapshot): Json {
  return {
    ...snapshot,
    families: snapshot.families.map(({ id, externalAddress, ...family }) => ({
      ...family,
      id: toHex(id),
      externalAddress: externalAddress === undefined ? undefined : endpointKey(externalAddress),
    })),
  };
}
