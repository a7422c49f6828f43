// Sessions of a monitor as rows, and the figures of a summary that follow from them.
import type { SessionRow, SummaryRow } from '../dataset/more-tables.ts';
import type { MonitoredSession } from './monitor-machine.ts';
import type { AddressText } from './rows.ts';
import { createBased, followed, kaplanMeier, medianLengthMs, type ObservedSession } from './survival.ts';

export function sessionRow(
  session: MonitoredSession,
  { runId, number, text }: { readonly runId: string; readonly number: number; readonly text: AddressText },
): SessionRow {
  const micros = (ms: number): number => Math.round(ms * 1000);
  const isOpen = session.endReason === 'window' || session.endReason === 'interrupted';
  return {
    run_id: runId,
    session: number,
    node: session.node,
    id: session.id.hex,
    ip: text.ip(session.address),
    port: session.address.port,
    family: session.address.family,
    first_success_us: micros(session.firstSuccessMs),
    last_success_us: micros(session.lastSuccessMs),
    before_us: session.beforeMs === undefined ? null : micros(session.beforeMs),
    first_failure_us: isOpen || session.firstFailureMs === undefined ? null : micros(session.firstFailureMs),
    probes: session.probes,
    lost_probes: session.lostProbes,
    is_created: session.beforeMs !== undefined,
    is_censored: isOpen,
    end_reason: session.endReason,
    id_changes: session.idChanges,
    endpoint_changes: session.endpointChanges,
  };
}

export function observedSession(row: SessionRow): ObservedSession {
  const millis = (us: number | null): number | undefined => (us === null ? undefined : us / 1000);
  return {
    absentMs: millis(row.before_us),
    firstMs: row.first_success_us / 1000,
    lastMs: row.last_success_us / 1000,
    goneMs: millis(row.first_failure_us),
  };
}

const SURVIVAL_AT_MIN = [5, 15, 30, 60, 120, 240, 480, 1440];

/** @param windowMs how long was looked */
export function sessionSummary(runId: string, rows: readonly SessionRow[], windowMs: number): SummaryRow[] {
  const nothing = { run_id: runId, low: null, high: null };
  const count = (item: string, value: number): SummaryRow => ({
    ...nothing,
    metric: 'sessions',
    item,
    value,
    basis: null,
  });
  const lifetimes = createBased(rows.map(observedSession), 0, windowMs);
  const basis = followed(lifetimes);
  const steps = kaplanMeier(lifetimes);
  const median = medianLengthMs(steps);
  const summary = [
    count('all', rows.length),
    count('created', rows.filter(({ is_created }) => is_created).length),
    count('ended', rows.filter(({ is_censored }) => !is_censored).length),
  ];
  if (lifetimes.length === 0) return summary;
  for (const minutes of SURVIVAL_AT_MIN) {
    // Nobody was followed for longer than half of the window.
    if (minutes * 60_000 > windowMs / 2) break;
    const step = steps.findLast(({ lengthMs }) => lengthMs <= minutes * 60_000);
    summary.push({
      ...nothing,
      metric: 'session_survival',
      item: `${minutes} min`,
      value: step?.survival ?? 1,
      low: step?.low ?? null,
      high: step?.high ?? null,
      basis,
    });
  }
  const value = median === undefined ? null : median / 1000;
  summary.push({ ...nothing, metric: 'session_median_s', item: '', value, basis });
  return summary;
}
