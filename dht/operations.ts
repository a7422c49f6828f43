// The commands of a node over lookups and stores: each returns a handle at once and reports through callbacks.
import { textOf } from '../core/base/bytes.ts';
import { compactBytes, DhtAddress } from './base/address.ts';
import { Id160 } from './base/node-id.ts';
import type {
  AnnounceOptions,
  DhtItem,
  DhtOperation,
  FindNodeOptions,
  GetItemOptions,
  GetPeersOptions,
  GetPeersResult,
  LookupOptions,
  LookupResult,
  PingResult,
  PutItemOptions,
  QueryFailure,
  QueryTrace,
  SampleOptions,
  SampleReply,
  ScrapeOptions,
} from './base/results.ts';
import { announceQuery, pingQuery, putQuery } from './krpc/queries.ts';
import type { Candidate } from './lookup/lookup-candidate.ts';
import { type GroupOptions, LookupGroup } from './lookup/lookup-group.ts';
import { contactOf, findNodeTask, getItemTask, getPeersTask, sampleTask } from './lookup/lookup-tasks.ts';
import { ScrapeTally } from './lookup/scrape.ts';
import { type StoreOutcome, StorePhase } from './lookup/store-phase.ts';
import { composer, type NodeContext } from './node/context.ts';

/** Peers remembered for telling new ones from known ones, and for the result. */
const MAX_PEERS = 10_000;
const EMPTY = new Uint8Array(0);

/** A lookup, then perhaps a store phase. */
class Running implements DhtOperation {
  group: LookupGroup | undefined;
  phase: { cancel(): void } | undefined;
  isDone = false;

  cancel(): void {
    if (this.isDone) return;
    this.isDone = true;
    this.group?.cancel();
    this.phase?.cancel();
  }

  trace(): readonly QueryTrace[] {
    return this.group?.trace() ?? [];
  }
}

function lookupOptions(options: LookupOptions): LookupOptions {
  const { families, policy, startFrom, onQuery } = options;
  return {
    ...(families === undefined ? {} : { families }),
    ...(policy === undefined ? {} : { policy }),
    ...(startFrom === undefined ? {} : { startFrom }),
    ...(onQuery === undefined ? {} : { onQuery }),
  };
}

export class Operations {
  readonly #context: NodeContext;

  constructor(context: NodeContext) {
    this.#context = context;
  }

  findNode(target: Id160, options: FindNodeOptions, nowMs: number): DhtOperation {
    const running = new Running();
    return this.#begin(running, options, nowMs, {
      target,
      makeTask: () => findNodeTask(target, this.#hasEmptyTable() ? 'both' : undefined),
      onEnd: (result) => {
        running.isDone = true;
        options.onDone?.(result);
      },
    });
  }

  getPeers(infoHash: Id160, options: GetPeersOptions, nowMs: number): DhtOperation {
    const running = new Running();
    this.#seekPeers(running, infoHash, options, false, nowMs, (result) => {
      running.isDone = true;
      options.onDone?.(result);
    });
    return running;
  }

  announce(infoHash: Id160, options: AnnounceOptions, nowMs: number): DhtOperation {
    const running = new Running();
    const announce = {
      port: options.port,
      impliedPort: options.impliedPort ?? false,
      isSeed: options.isSeed ?? false,
    };
    this.#seekPeers(running, infoHash, options, true, nowMs, (result, stores, atMs) => {
      options.onDone?.(result);
      const phase = new StorePhase({
        context: this.#context,
        compose: (out, frame, tid, _node, token) => announceQuery(out, frame, infoHash, announce, token, tid),
        onDone: ({ accepted, attempted }) => {
          running.isDone = true;
          options.onAnnounced?.({ ...result, accepted, attempted });
        },
      });
      running.phase = phase;
      if (!running.isDone) phase.start(stores, atMs);
    });
    return running;
  }

  getItem(target: Id160, options: GetItemOptions, nowMs: number): DhtOperation {
    const running = new Running();
    let best: DhtItem | undefined;
    let forged = 0;
    const isNews = (item: DhtItem): boolean =>
      best === undefined || (item.kind === 'mutable' && best.kind === 'mutable' && item.seq > best.seq);
    return this.#begin(running, options, nowMs, {
      target,
      makeTask: () =>
        getItemTask({
          target,
          salt: options.salt ?? EMPTY,
          needsToken: false,
          onItem: (item, from) => {
            if (!isNews(item)) return;
            best = item;
            options.onItem?.(item, contactOf(from));
          },
          onForged: () => forged++,
        }),
      onEnd: (result) => {
        running.isDone = true;
        options.onDone?.({ ...result, item: best, forged });
      },
    });
  }

  putItem(item: DhtItem, options: PutItemOptions, nowMs: number): DhtOperation {
    const running = new Running();
    const target = Id160.of(item.target);
    /** BEP 44: `cas` only goes to nodes that have a value. */
    const holders = new Set<Candidate>();
    return this.#begin(running, options, nowMs, {
      target,
      makeTask: () =>
        getItemTask({
          target,
          salt: item.kind === 'mutable' ? item.salt : EMPTY,
          needsToken: true,
          onItem: (_held, from) => holders.add(from),
          onForged: () => {},
        }),
      onEnd: (result, stores, atMs) => {
        const phase = new StorePhase({
          context: this.#context,
          compose: (out, frame, tid, node, token) =>
            putQuery(out, frame, item, holders.has(node) ? options.cas : undefined, token, tid),
          onDone: (outcome: StoreOutcome) => {
            running.isDone = true;
            options.onDone?.({ ...result, ...outcome });
          },
        });
        running.phase = phase;
        phase.start(stores, atMs);
      },
    });
  }

  scrape(infoHash: Id160, options: ScrapeOptions, nowMs: number): DhtOperation {
    const running = new Running();
    const tally = new ScrapeTally();
    return this.#begin(running, options, nowMs, {
      target: infoHash,
      makeTask: (family) =>
        getPeersTask({
          infoHash,
          family: family.family,
          noSeeds: false,
          scrape: true,
          needsToken: false,
          onPeers: () => {},
          onFilters: (message, _from, peers) => tally.add(message, peers),
        }),
      onEnd: (result) => {
        running.isDone = true;
        options.onDone?.({ ...result, ...tally.result(), filters: tally.filters, lists: tally.lists });
      },
    });
  }

  sample(target: Id160, options: SampleOptions, nowMs: number): DhtOperation {
    const running = new Running();
    const replies: SampleReply[] = [];
    return this.#begin(running, options, nowMs, {
      target,
      makeTask: () =>
        sampleTask(target, (reply) => {
          replies.push(reply);
          options.onSamples?.(reply);
        }),
      onEnd: (result) => {
        running.isDone = true;
        options.onDone?.({ ...result, replies });
      },
    });
  }

  ping(address: DhtAddress, onDone: (result: PingResult) => void, nowMs: number): DhtOperation {
    const running = new Running();
    const { lookup, transactions } = this.#context;
    const nothing: PingResult = {
      id: undefined,
      roundTripMs: undefined,
      clientVersion: undefined,
      seenAs: undefined,
      failure: undefined,
      message: undefined,
    };
    const finish = (result: PingResult): void => {
      if (running.isDone) return;
      running.isDone = true;
      onDone(result);
    };
    const family = this.#context.family(address.family);
    const query =
      family &&
      this.#context.ask({
        family,
        address,
        expectedId: undefined,
        owner: {
          onReply: (_query, message, roundTripMs) => {
            const { external, bytes } = message;
            const isAddress = message.length(external) === compactBytes(address.family);
            finish({
              ...nothing,
              id: message.copy(message.id),
              roundTripMs,
              clientVersion: message.copy(message.version),
              seenAs: isAddress ? DhtAddress.fromCompact(address.family, bytes, external.start) : undefined,
            });
          },
          onStall: () => {},
          onFailure: (_query, failure: QueryFailure, _atMs, message) => {
            const text = message?.view(message.errorText);
            finish({ ...nothing, failure, message: text && `${message?.errorCode} ${textOf(text)}` });
          },
        },
        compose: (frame, tid) => pingQuery(composer, frame, tid),
        stallMs: Number.POSITIVE_INFINITY,
        timeoutMs: lookup.timeoutMs,
        nowMs,
      });
    if (query === undefined) this.#context.later(() => finish({ ...nothing, failure: 'unreachable' }), nowMs);
    else running.phase = { cancel: () => transactions.close(query) };
    return running;
  }

  #seekPeers(
    running: Running,
    infoHash: Id160,
    options: GetPeersOptions,
    needsToken: boolean,
    nowMs: number,
    onEnd: (result: GetPeersResult, stores: readonly Candidate[], nowMs: number) => void,
  ): void {
    const known = new Set<string>();
    const peers: DhtAddress[] = [];
    this.#begin(running, options, nowMs, {
      target: infoHash,
      makeTask: (family) =>
        getPeersTask({
          infoHash,
          family: family.family,
          noSeeds: options.noSeeds ?? false,
          scrape: false,
          needsToken,
          onPeers: (found, from, atMs) => {
            if (running.isDone) return;
            const fresh = found.filter((peer) => {
              const key = `${peer.host} ${peer.port}`;
              if (known.has(key) || known.size >= MAX_PEERS) return false;
              known.add(key);
              return true;
            });
            if (fresh.length === 0) return;
            peers.push(...fresh);
            options.onPeers?.(fresh, contactOf(from));
            const { enoughPeers } = options;
            if (enoughPeers !== undefined && peers.length >= enoughPeers)
              running.group?.finish('satisfied', atMs);
          },
        }),
      onEnd: (result: LookupResult, stores, atMs) => onEnd({ ...result, peers }, stores, atMs),
    });
  }

  /** One question to the DHT, in the hands of whoever asked. */
  #begin(
    running: Running,
    options: LookupOptions,
    nowMs: number,
    question: Pick<GroupOptions, 'target' | 'makeTask' | 'onEnd'>,
  ): Running {
    running.group = new LookupGroup({
      ...lookupOptions(options),
      context: this.#context,
      ...question,
      nowMs,
    });
    running.group.start();
    return running;
  }

  #hasEmptyTable(): boolean {
    for (const family of this.#context.families.values()) if (family.table.size === 0) return true;
    return false;
  }
}
