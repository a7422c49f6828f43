// A relay at one moment, for screens, programs and metrics. Pure.
import type { RelayServer } from './server.ts';
import type { RelayCounters } from './server-counters.ts';

export interface RelaySnapshot {
  readonly links: number;
  readonly reservations: number;
  readonly torrents: number;
  readonly proxies: readonly { readonly infoHash: string; readonly port: number }[];
  readonly splices: readonly {
    readonly ageMs: number;
    readonly bytes: readonly [number, number];
    readonly isProxied: boolean;
  }[];
  /** Splices whose ends are on their way. */
  readonly opening: number;
  /** Calls that wait for their answers. */
  readonly pendingCalls: number;
  readonly queues: number;
  readonly queuedItems: number;
  readonly queueBytes: number;
  readonly counters: RelayCounters;
}

export function snapshotRelay(server: RelayServer, nowMs: number): RelaySnapshot {
  const splices = [...server.splices.values()];
  const open = splices.flatMap(({ startedAtMs, bytes, from }) =>
    startedAtMs === undefined
      ? []
      : [{ ageMs: nowMs - startedAtMs, bytes: [bytes[0], bytes[1]] as const, isProxied: from !== undefined }],
  );
  return {
    links: server.links.size,
    reservations: server.links.slotCount,
    torrents: server.links.torrentCount,
    proxies: server.proxiedTorrents(),
    splices: open,
    opening: splices.length - open.length,
    pendingCalls: server.pendingCalls,
    queues: server.queues.queueCount,
    queuedItems: server.queues.itemCount,
    queueBytes: server.queues.weight,
    counters: server.counters,
  };
}

type Sample = readonly [labels: string, value: number];

/** The text format of Prometheus (exposition format 0.0.4). */
export function relayMetrics(snapshot: RelaySnapshot): string {
  const { counters } = snapshot;
  const labelled = (name: string, record: Readonly<Record<string, number>>): Sample[] =>
    Object.entries(record).map(([key, value]) => [`{${name}="${key}"}`, value]);
  const lines: string[] = [];
  const add = (name: string, kind: 'gauge' | 'counter', help: string, samples: readonly Sample[]): void => {
    lines.push(`# HELP tt_relay_${name} ${help}`, `# TYPE tt_relay_${name} ${kind}`);
    for (const [labels, value] of samples) lines.push(`tt_relay_${name}${labels} ${value}`);
  };
  const gauge = (name: string, help: string, value: number): void => add(name, 'gauge', help, [['', value]]);
  const count = (name: string, help: string, value: number): void =>
    add(name, 'counter', help, [['', value]]);
  gauge('links', 'Control connections.', snapshot.links);
  gauge('reservations', 'Peers that may be called.', snapshot.reservations);
  gauge('torrents', 'Torrents with a reservation.', snapshot.torrents);
  gauge('proxied_torrents', 'Torrents that unmodified clients reach here.', snapshot.proxies.length);
  gauge('splices', 'Pairs of connections whose bytes are copied.', snapshot.splices.length);
  gauge('pending_calls', 'Calls that wait for their answers.', snapshot.pendingCalls);
  gauge('queued_items', 'Calls that wait for somebody who is away.', snapshot.queuedItems);
  gauge('queue_bytes', 'Memory of the queues, estimated.', snapshot.queueBytes);
  count('reservations_total', 'Reservations granted, renewals included.', counters.reservations);
  count('calls_total', 'Calls passed on.', counters.calls);
  add('answers_total', 'counter', 'What called peers chose.', labelled('way', counters.answers));
  count('splices_total', 'Splices that were joined.', counters.splices);
  count('spliced_bytes_total', 'Bytes copied, both directions.', counters.splicedBytes);
  add('splice_ends_total', 'counter', 'Why splices ended.', labelled('why', counters.spliceEnds));
  count('proxied_total', 'Connections of unmodified clients.', counters.proxied);
  count('bad_tickets_total', 'Tickets that were unknown, used or late.', counters.badTickets);
  count('tests_total', 'Dial-backs.', counters.tests);
  count('pushes_total', 'Calls left for somebody.', counters.pushes);
  count('pops_total', 'Calls taken.', counters.pops);
  count('malformed_total', 'Messages that were none.', counters.malformed);
  add('refusals_total', 'counter', 'Refusals by reason.', labelled('code', counters.refusals));
  return `${lines.join('\n')}\n`;
}
