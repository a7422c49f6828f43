// An account of a download as lines of at most 80 columns: where the time went, what it cost, and why it is not finished.
import { causeSpec } from '../../core/account/causes.ts';
import {
  greatestCauses,
  perGiB,
  type TransferAccount,
  wastedPayload,
} from '../../core/account/transfer-account.ts';
import { shareBar } from '../terminal/charts.ts';
import type { Style } from '../terminal/style.ts';
import { padEnd, padStart, safeText, truncateText } from '../terminal/text.ts';
import {
  formatBytes,
  formatCount,
  formatElapsed,
  formatRate,
  formatShare,
  formatUnixSeconds,
} from '../terminal/units.ts';

const COLUMNS = 80;
const TITLE_COLUMNS = 22;
const TIME_COLUMNS = 8;
const SHARE_COLUMNS = 6;
const GAP = '  ';
const BAR_COLUMNS = COLUMNS - TITLE_COLUMNS - TIME_COLUMNS - SHARE_COLUMNS - 3 * GAP.length;
/** Below this a pause between blocks is nothing to talk about. */
const SILENCE_MS = 15_000;
const LEAST_FOR_RATE_BYTES = 64 << 20;

/** `32ms`, then as formatElapsed. */
function formatSpan(ms: number): string {
  return ms < 1000 ? `${ms}ms` : formatElapsed(ms);
}

/** The shares are rounded, so that a tenth of a percent shows. */
function percent(part: number, whole: number): string {
  return whole === 0 ? '0.0%' : `${((part / whole) * 100).toFixed(1)}%`;
}

function timeLines(account: TransferAccount): string[] {
  const { time, wallMs } = account;
  const rows = greatestCauses(time).map((cause) =>
    [
      padEnd(`  ${causeSpec(cause).title}`, TITLE_COLUMNS),
      padStart(formatSpan(time[cause]), TIME_COLUMNS),
      padStart(percent(time[cause], wallMs), SHARE_COLUMNS),
      shareBar(time[cause] / wallMs, BAR_COLUMNS),
    ]
      .join(GAP)
      // Without the empty part of the bar.
      .replace(/[ ░]+$/, ''),
  );
  return [
    ...rows,
    `${padEnd('  together', TITLE_COLUMNS)}${GAP}${padStart(formatSpan(wallMs), TIME_COLUMNS)}`,
  ];
}

function costLines(account: TransferAccount): string[] {
  const { bytes, processor, peakMemoryBytes } = account;
  const field = (name: string, value: string): string => `  ${padEnd(name, 10)}  ${value}`;
  const wasted = [
    [bytes.duplicate, 'came twice'],
    [bytes.failedHash, 'failed the hash'],
    [bytes.unrequested, 'unasked'],
  ] as const;
  const kinds = wasted.filter(([size]) => size > 0).map(([size, kind]) => `${formatBytes(size)} ${kind}`);
  const seconds = (ms: number): string => `${(ms / 1000).toFixed(2)}s`;
  // Of a small download the start of the program is most of it.
  const each = bytes.downloaded < LEAST_FOR_RATE_BYTES ? undefined : perGiB(account);
  const eachGiB = each === undefined ? '' : `, that is ${seconds(each.processorMs)} a GiB`;
  return [
    field(
      'received',
      `${formatBytes(bytes.downloaded)} of payload, ${formatBytes(bytes.protocolReceived)} of protocol`,
    ),
    field(
      'sent',
      `${formatBytes(bytes.uploaded)} of payload, ${formatBytes(bytes.protocolSent)} of protocol`,
    ),
    field('wasted', kinds.length === 0 ? 'nothing' : kinds.join(', ')),
    field('processor', `${seconds(processor.userMs)} user, ${seconds(processor.systemMs)} system${eachGiB}`),
    field('memory', `${formatBytes(peakMemoryBytes)} at most`),
  ];
}

/** The record as the `tt/1` object has it. */
export function accountData(account: TransferAccount): Readonly<Record<string, unknown>> {
  const each = perGiB(account);
  return {
    ...account,
    perGiB:
      each === undefined
        ? undefined
        : {
            processorMs: Math.round(each.processorMs),
            peakMemoryBytes: Math.round(each.peakMemoryBytes),
          },
  };
}

/** What it was waiting for when it was last heard of. */
export function unfinishedWords(account: TransferAccount): string {
  const { connectedPeers, knownPeers, availability, lastCause, state, error, bytes } = account;
  if (state === 'error') return `stopped by an error: ${safeText(error ?? 'unknown')}`;
  if (state === 'paused' || lastCause === 'paused') return 'it was paused';
  const peers = formatCount(connectedPeers, 'peer');
  switch (lastCause) {
    case 'peers':
      if (connectedPeers > 0) return `${peers} connected, and none has any piece`;
      if (knownPeers === 0)
        return 'no peers: no tracker, DHT node or neighbour named any that is left to try';
      return `no peers: ${formatCount(knownPeers, 'address', 'addresses')} known, ${
        bytes.protocolReceived > 0 ? 'none of them is connected any more' : 'none could be reached so far'
      }`;
    case 'metadata':
      return `${peers} connected, and none has sent the file list yet`;
    case 'pieces':
      return `${peers} connected, and none has what is missing (${availability.toFixed(2)} copies seen)`;
    case 'unchoke':
      return `${peers} connected, and those that have what is missing refuse to send`;
    case 'limit':
      return '--down-limit held it back';
    case 'check':
      return 'the files were still being checked';
    case 'disk':
    case 'hash':
      return 'the disk was behind';
    default:
      return account.idleMs > SILENCE_MS
        ? `${peers} connected, and nothing has come for ${formatElapsed(account.idleMs)}`
        : `it was under way: ${causeSpec(lastCause).title}`;
  }
}

/** Where the time went and what it cost: for the end of a download, and the better part of `tt explain`. */
export function costAccountLines(account: TransferAccount, style: Style): string[] {
  const isFinished = account.state === 'complete';
  const [head = '', ...more] = wrap(`Not finished: ${unfinishedWords(account)}`);
  return [
    ...(isFinished ? [] : [head.replace('Not finished', (words) => style.bold(words)), ...more]),
    ...(account.wallMs === 0 ? [] : [style.bold('Where the time went'), ...timeLines(account)]),
    style.bold('What it cost'),
    ...costLines(account),
  ];
}

/** @param isRunning a tt has it open now */
export function explainLines(account: TransferAccount, isRunning: boolean, style: Style): string[] {
  const { bytes, wallMs, verifiedBytes, wantedBytes, state } = account;
  const name = safeText(account.name === '' ? account.infoHash : account.name);
  const runs = account.runs === 1 ? '' : ` in ${formatCount(account.runs, 'run')}`;
  const took = `${formatElapsed(wallMs)}${runs}`;
  const rate = formatRate((bytes.downloaded / Math.max(1, wallMs)) * 1000);
  const ratio = (bytes.uploaded / Math.max(1, bytes.downloaded)).toFixed(2);
  const part = `${formatBytes(verifiedBytes)} of ${formatBytes(wantedBytes)}`;
  const words =
    state === 'complete'
      ? `complete after ${took}: ${formatBytes(bytes.downloaded)} at ${rate}, ratio ${ratio}, ${formatBytes(wastedPayload(account))} wasted`
      : wantedBytes === 0
        ? `no metadata after ${took}`
        : `${formatShare(verifiedBytes, wantedBytes)} (${part}) after ${took}`;
  // The last word of a tt that was killed.
  const unsaid = state === 'running' && !isRunning ? ', and tt ended without a goodbye' : '';
  const since = isRunning ? 'running now; as of' : 'last change';
  return [
    style.bold(truncateText(name, COLUMNS)),
    ...wrap(words + unsaid),
    ...wrap(`in ${safeText(account.directory)}`),
    `${since} ${formatUnixSeconds(Math.floor(account.updatedAtMs / 1000))}`,
    '',
    ...costAccountLines(account, style),
  ];
}

/** At blanks; what has none is left whole: a path is for copying. */
function wrap(text: string): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > COLUMNS) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
}
