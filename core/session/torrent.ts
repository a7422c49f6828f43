// The life of one torrent: metadata, check, download, seed; paused, failed, stopped. Owns its data, peers and sources.
import { toHex } from '../base/bytes.ts';
import type { InfoHash } from '../base/ids.ts';
import { DueTimer } from '../base/io/due-timer.ts';
import { asOperationError, OperationError } from '../base/result.ts';
import type { Metainfo } from '../metainfo/metainfo.ts';
import { parseInfo } from '../metainfo/parse-info.ts';
import type { Swarm } from '../swarm/swarm.ts';
import { PeerExtensions } from './peer/peer-extensions.ts';
import { PeerHost } from './peer/peer-host.ts';
import type { AddTorrentOptions, TorrentHandle } from './session-api.ts';
import type { SessionShared, TorrentEvent } from './shared.ts';
import type { FilePriority, TorrentState } from './snapshot.ts';
import { soughtTorrent } from './sought-torrent.ts';
import { TorrentAccount } from './torrent-account.ts';
import { type DataEvents, TorrentData } from './torrent-data.ts';
import { TorrentPeers } from './torrent-peers.ts';
import { refuseIncomplete, refuseOtherV2, refuseUnsupported } from './torrent-refusals.ts';
import { TorrentSources } from './torrent-sources.ts';
import { WebSeeds } from './web/web-seeds.ts';

export class Torrent implements DataEvents, TorrentHandle {
  readonly infoHash: string;
  readonly infoHashBytes: InfoHash;
  readonly options: AddTorrentOptions;
  /** What its connections talk to. */
  readonly host: PeerHost;
  readonly peers: TorrentPeers;
  readonly sources: TorrentSources;
  readonly web: WebSeeds;
  readonly extensions: PeerExtensions;
  /** Where its time goes. */
  readonly account: TorrentAccount;
  readonly startedAtMs: number;
  readonly #shared: SessionShared;
  state: TorrentState = 'stopped';
  error: OperationError | undefined;
  metainfo: Metainfo | undefined;
  data: TorrentData | undefined;
  completedAtMs: number | undefined;
  #isSequential: boolean;
  #mustRecheck = false;
  #hasFirstByte = false;
  readonly #swarmTimer: DueTimer;
  #isClosed = false;
  /** The end of what is being opened or checked. */
  #turn: Promise<void> = Promise.resolve();

  constructor(shared: SessionShared, options: AddTorrentOptions) {
    this.#shared = shared;
    this.options = options;
    const { source } = options;
    this.infoHashBytes = 'metainfo' in source ? source.metainfo.infoHash : source.magnet.infoHash;
    this.infoHash = toHex(this.infoHashBytes);
    this.metainfo = 'metainfo' in source ? source.metainfo : undefined;
    this.startedAtMs = shared.clock.nowMs();
    this.#isSequential = options.sequential === true;
    this.#swarmTimer = new DueTimer(shared.clock, () => this.#onDue());
    this.host = new PeerHost(shared, this);
    this.peers = new TorrentPeers(shared, this.host);
    this.extensions = new PeerExtensions(shared, this);
    this.account = new TorrentAccount(shared, this);
    this.web = new WebSeeds(shared, this);
    this.sources = new TorrentSources({
      sources: options.useSources === false ? [] : shared.sources,
      torrent: soughtTorrent(this, shared),
      onPeers: (peers, origin) => this.peers.add(peers, origin),
      onExternalAddress: (host, from) => shared.voteExternalAddress(host, from),
      resolvesNames: shared.resolvesNames,
      onUnresolved: ({ host, message }) => this.#emit({ kind: 'source-error', source: host, message }),
    });
  }

  get name(): string {
    const { source } = this.options;
    if (this.metainfo !== undefined) return this.metainfo.name;
    return ('magnet' in source ? source.magnet.displayName : undefined) ?? this.infoHash;
  }
  get swarm(): Swarm | undefined {
    return this.data?.swarm;
  }
  slotView(slot: number): Uint8Array {
    return (this.data as TorrentData).slots.view(slot);
  }
  get isComplete(): boolean {
    return this.swarm?.isComplete === true;
  }
  get isActive(): boolean {
    return ['metadata', 'checking', 'downloading', 'seeding'].includes(this.state);
  }
  get isPrivate(): boolean {
    return this.metainfo?.isPrivate === true;
  }

  // --- lifecycle

  /** @throws OperationError when the data cannot be opened (then the torrent is of no use) */
  async start(): Promise<void> {
    this.#setState('metadata');
    this.#emit({ kind: 'added', name: this.name });
    const { source, peers = [] } = this.options;
    // Those that are named, before any source answers.
    void this.sources.addNamed([...peers, ...('magnet' in source ? source.magnet.peers : [])]);
    this.#shared.dials.add(this.peers);
    try {
      await this.#bringUp();
    } catch (error) {
      this.account.handleOpenFailure(asOperationError(error));
      throw error;
    }
  }

  /** The info dictionary of a magnet is here; its hash is right. */
  handleInfo(info: Uint8Array): void {
    const { source } = this.options;
    if (this.metainfo !== undefined || this.#isClosed || !('magnet' in source)) return;
    const { trackerTiers, webSeeds } = source.magnet;
    const parsed = parseInfo(info, { extras: { trackerTiers, webSeeds } });
    if (!parsed.ok) {
      this.onError(new OperationError('bad-torrent', `the metadata of ${this.name}: ${parsed.reason.what}`));
      return;
    }
    const metainfo = parsed.value;
    try {
      refuseOtherV2(metainfo, source.magnet, this.name);
    } catch (error) {
      this.onError(asOperationError(error));
      return;
    }
    this.metainfo = metainfo;
    // BEP 27: whoever else was asked before this was known is asked no more.
    if (metainfo.isPrivate) void this.sources.keepOnlyTrackers(STOP_TIMEOUT_MS);
    this.#emit({ kind: 'metadata', metainfo });
    if (this.options.metadataOnly === true) {
      this.#setState('stopped');
      this.peers.closeAll('metadata is all that was wanted');
      void this.sources.stop(STOP_TIMEOUT_MS);
      return;
    }
    this.#bringUp().catch((error: unknown) => this.onError(asOperationError(error)));
  }

  /** From wherever it is to downloading or seeding; ends early when paused or stopped meanwhile. */
  async #bringUp(): Promise<void> {
    const { metainfo } = this;
    if (metainfo === undefined) {
      this.sources.start();
      return;
    }
    await this.#inTurn(async () => {
      this.data ??= await this.#open(metainfo);
      const { data } = this;
      if (this.#isClosed) await data.close();
      if (!this.isActive || data.swarm !== undefined) return;
      if (data.needsCheck && !(await this.#checkFirst(data))) return;
      this.#startSwarm(data);
      this.sources.start();
    });
  }

  /** Where somebody else's files are in the way it lets go of everything: a resume looks again. @throws OperationError */
  async #checkFirst(data: TorrentData): Promise<boolean> {
    try {
      return await this.#check(data, 'unvouched');
    } catch (error) {
      if (data.storage.isReady || asOperationError(error).slug !== 'refused') throw error;
      this.data = undefined;
      await data.close();
      throw error;
    }
  }

  /** Opening and checking go one at a time, whatever is commanded meanwhile. */
  #inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => {});
    return done;
  }

  async #open(metainfo: Metainfo): Promise<TorrentData> {
    refuseUnsupported(metainfo);
    const { options } = this;
    const recheck = options.recheck === true || this.#mustRecheck;
    const now = { ...options, recheck, sequential: this.#isSequential };
    return TorrentData.open(this.#shared, metainfo, now, this);
  }

  /** @returns false when it was broken off: paused or stopped */
  async #check(data: TorrentData, scope: 'unvouched' | 'all'): Promise<boolean> {
    this.#setState('checking');
    this.#emit({ kind: 'checking', bytes: data.metainfo.layout.totalLength });
    if (!(await data.check(scope)) || this.state !== 'checking') return false;
    const { have } = data.storage;
    this.#emit({ kind: 'checked', verifiedPieces: have.count, pieceCount: have.size });
    return true;
  }

  #startSwarm(data: TorrentData): void {
    const { have } = data.storage;
    if (this.options.seedOnly === true) refuseIncomplete(this.name, have);
    const swarm = data.startSwarm();
    const { layout } = data.metainfo;
    this.#shared.trace?.torrent(this.infoHash, layout, have.count);
    this.#setState(swarm.isComplete ? 'seeding' : 'downloading');
    if (swarm.isComplete) this.completedAtMs = this.#shared.clock.nowMs();
    this.#emit({ kind: 'started' });
    for (const connection of this.peers.connections) connection.join(swarm);
    this.web.update(this.#shared.clock.nowMs());
    this.extensions.announceMetadata();
    // Everything was there already: for whoever waits for the download this is the end of it.
    if (swarm.isComplete) this.#emit({ kind: 'completed' });
    this.onInput();
  }

  async pause(): Promise<void> {
    if (!this.isActive) return;
    this.#setState('paused');
    this.data?.abortCheck();
    this.swarm?.setDownloadingAllowed(false, this.#shared.clock.nowMs());
    this.#closeAll('paused');
    this.#emit({ kind: 'paused' });
    await this.sources.stop(STOP_TIMEOUT_MS);
  }

  /** From paused, or from an error whose cause is gone. @throws OperationError when it is not */
  async resume(): Promise<void> {
    if (!this.#isResumable) return;
    const { data } = this;
    if (this.state === 'error') await data?.storage.retry();
    if (!this.#isResumable) return;
    this.error = undefined;
    this.#emit({ kind: 'resumed' });
    this.peers.pool.retryAnswered();
    if (data?.needsFullCheck === true) await this.#checkAll(data);
    else if (data?.swarm === undefined) {
      this.#setState(data === undefined ? 'metadata' : 'checking');
      await this.#orFail(this.#bringUp());
    } else {
      data.allowDownload(true);
      this.#setState(data.isComplete ? 'seeding' : 'downloading');
      void data.tellCompletion();
    }
    if (this.isActive) this.sources.start();
    this.#shared.dials.poke();
    this.web.update(this.#shared.clock.nowMs());
    this.onInput();
  }

  get #isResumable(): boolean {
    return this.state === 'paused' || this.state === 'error';
  }

  /** A paused torrent stays so. @throws OperationError `disk` */
  async recheck(): Promise<void> {
    const { data } = this;
    if (data?.swarm === undefined || this.#isClosed) return;
    const wasPaused = this.state === 'paused';
    if (this.state === 'error') await this.#reopen(data);
    else await this.#checkAll(data);
    if (wasPaused) await this.pause();
  }

  /** Whatever the disk did: everything is opened afresh, and nothing that was known of it counts. */
  async #reopen(data: TorrentData): Promise<void> {
    this.account.sample(this.#shared.clock.nowMs());
    this.web.closeAll('checking');
    data.dropSwarm();
    this.data = undefined;
    this.error = undefined;
    this.#mustRecheck = true;
    this.#setState('checking');
    await this.#inTurn(() => data.close());
    await this.#orFail(this.#bringUp());
  }

  async #checkAll(data: TorrentData): Promise<void> {
    this.#closeAll('checking');
    this.account.sample(this.#shared.clock.nowMs());
    data.dropSwarm();
    this.#setState('checking');
    const checked = this.#inTurn(async () => {
      if (this.state === 'checking' && (await this.#check(data, 'all'))) this.#startSwarm(data);
    });
    await this.#orFail(checked);
    this.peers.pool.retryAnswered();
    this.#shared.dials.poke();
  }

  /** What goes wrong ends in the state `error` as well as in a rejection. */
  async #orFail(work: Promise<void>): Promise<void> {
    try {
      await work;
    } catch (error) {
      const failure = asOperationError(error);
      this.onError(failure);
      throw failure;
    }
  }

  /** @throws OperationError `refused` when there is no such file (yet), `disk` */
  async setFilePriority(file: number, priority: FilePriority): Promise<void> {
    const { data } = this;
    if (data === undefined || this.#isClosed || data.metainfo.files[file] === undefined) {
      throw new OperationError('refused', `${this.name} has no file ${file}`);
    }
    await data.setFilePriority(file, priority);
    if (this.state !== 'seeding' || this.isComplete) return;
    this.#setState('downloading');
    this.peers.pool.retryAnswered();
    this.#shared.dials.poke();
    this.web.update(this.#shared.clock.nowMs());
  }

  setSequential(isOn: boolean): void {
    this.#isSequential = isOn;
    this.data?.setSequential(isOn);
  }

  /** Whoever reads what comes is behind, or is not any more. */
  setFetching(isOn: boolean): void {
    if (!this.isActive) return;
    this.data?.allowDownload(isOn);
    if (isOn) this.onInput();
  }

  /** Idempotent; resolves within about `timeoutMs`. */
  async stop(timeoutMs: number): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const wasError = this.state === 'error';
    this.#setState(wasError ? 'error' : 'stopped');
    this.#shared.dials.remove(this.peers);
    this.extensions.nat.close();
    this.#swarmTimer.clear();
    const goodbye = this.sources.stop(timeoutMs);
    this.data?.allowDownload(false);
    this.#closeAll('stopped');
    await this.data?.close();
    await this.#turn;
    await goodbye;
    await this.account.close();
    this.#emit({ kind: 'stopped' });
  }

  tick(nowMs: number): void {
    this.peers.tick(nowMs);
    this.extensions.tick(nowMs);
    this.web.update(nowMs);
  }

  /** A peer that the user names; host names are resolved. */
  addPeer(host: string, port: number): Promise<void> {
    return this.sources.addNamed([{ host, port }]);
  }

  /** Requests go out, the timer is set anew where it must. */
  onInput(): void {
    const { swarm } = this;
    if (swarm === undefined) return;
    if (!this.#hasFirstByte && swarm.downloadedBytes > 0) {
      this.#hasFirstByte = true;
      this.#emit({ kind: 'first-byte' });
    }
    swarm.flush(this.#shared.clock.nowMs());
    if (!this.#isClosed) this.#swarmTimer.arm(swarm.nextTimeoutMs());
  }

  #onDue(): void {
    if (this.#isClosed) return;
    this.swarm?.handleTimeout(this.#shared.clock.nowMs());
    this.onInput();
  }

  // --- DataEvents

  onSwarmInput(): void {
    this.onInput();
  }
  onPieceVerified(piece: number): void {
    this.#shared.trace?.hash(this.infoHash, piece, true);
    this.#emit({ kind: 'piece', piece });
    for (const file of this.data?.files.pieceVerified(piece) ?? []) {
      const path = (this.metainfo as Metainfo).files[file]?.path.join('/') ?? '';
      this.#emit({ kind: 'file-complete', file, path });
    }
  }
  onPieceFailed(piece: number): void {
    this.#shared.trace?.hash(this.infoHash, piece, false);
    this.#emit({ kind: 'piece-failed', piece });
  }
  onCompleted(): boolean {
    if (this.state !== 'downloading') return false;
    this.#setState('seeding');
    this.completedAtMs ??= this.#shared.clock.nowMs();
    this.#emit({ kind: 'completed' });
    this.sources.completed();
    return true;
  }
  onBan(key: string, reason: string): void {
    this.#emit({ kind: 'peer-banned', host: key, reason });
    if (!this.web.has(key)) this.peers.ban(key);
  }
  onError(error: OperationError): void {
    if (this.#isClosed) return;
    this.error = error;
    this.#setState('error');
    this.swarm?.setDownloadingAllowed(false, this.#shared.clock.nowMs());
    this.#closeAll('stopped by an error');
    this.#emit({ kind: 'error', error });
    void this.sources.stop(STOP_TIMEOUT_MS);
  }

  // --- inside

  #closeAll(reason: string): void {
    this.peers.closeAll(reason);
    this.web.closeAll(reason);
  }

  #setState(state: TorrentState): void {
    this.account.handleState(state);
    this.state = state;
  }

  #emit(event: TorrentEvent): void {
    this.#shared.emit(this.infoHash, event);
  }
}

/** Trackers that do not answer must not hold up a stop. */
const STOP_TIMEOUT_MS = 3_000;
