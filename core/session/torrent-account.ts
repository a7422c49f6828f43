// Keeps one torrent's books: asks now and then what the download waits for, charges the time since to it, and collects
// what it cost. Looks only; the paths that payload takes know nothing of it.

import type { TimeCause } from '../account/causes.ts';
import { classify, type TransferFacts } from '../account/classify.ts';
import { RecentCause } from '../account/recent-cause.ts';
import { SmoothedShare } from '../account/smoothed-share.ts';
import { TimeAccount } from '../account/time-account.ts';
import {
  ACCOUNT_VERSION,
  type AccountState,
  addBytes,
  addRuns,
  continues,
  NO_BYTES,
  type ProcessorTime,
  type TransferAccount,
  type TransferBytes,
} from '../account/transfer-account.ts';
import type { OperationError } from '../base/result.ts';
import { isLocked } from '../storage/lock.ts';
import { resumePaths } from '../storage/resume-state.ts';
import type { Swarm } from '../swarm/swarm.ts';
import { swarmLoad } from '../swarm/swarm-load.ts';
import { loadAccount, saveAccount } from './account-store.ts';
import type { PeerConnection } from './peer/peer-connection.ts';
import type { SessionShared } from './shared.ts';
import type { TorrentState } from './snapshot.ts';
import type { Torrent } from './torrent.ts';

/** What a kill may cost of the record. */
const SAVE_INTERVAL_MS = 10_000;

/** What the machine has spent, by the clock of the process. */
interface Meters {
  /** When the window began. */
  readonly atMs: number;
  /** Main thread, busy since its start. */
  readonly busyMs: number;
  /** Disk thread, hashing for this torrent. */
  readonly hashMs: number;
}

export class TorrentAccount {
  readonly #shared: SessionShared;
  readonly #torrent: Torrent;
  readonly #time = new TimeAccount();
  readonly #recent = new RecentCause();
  /** At the last look. */
  #cause: TimeCause = 'check';
  /** Seeds and fetches of metadata alone are no downloads. */
  readonly #isKept: boolean;
  #meters: Meters;
  readonly #busyShare = new SmoothedShare();
  readonly #hashShare = new SmoothedShare();
  /** Protocol on connections that are gone, bytes. */
  #closedReceived = 0;
  #closedSent = 0;
  /** Of swarms that were dropped (a check of everything begins afresh), and of the one there is. */
  #foldedBytes = NO_BYTES;
  #swarm: Swarm | undefined;
  #swarmBytes = NO_BYTES;
  #processor: ProcessorTime = { userMs: 0, systemMs: 0 };
  #peakMemoryBytes = 0;
  #isComplete = false;
  /** It never came so far that there is anything to tell. */
  #isVoid = false;
  /** Why it could not be opened. */
  #openFailure: string | undefined;
  readonly #startedAtMs = Date.now();
  /** Clock times. */
  #lastBlockAtMs: number;
  #downloadedBytes = 0;
  #savedAtMs: number;
  #movedBytes = 0;
  /** What earlier runs left; undefined until it is read, and when there is none. */
  #earlier: TransferAccount | undefined;
  /** They had completed it, in this very folder. */
  #wasComplete = false;
  readonly #isLoaded: Promise<void>;
  #saving: Promise<void> = Promise.resolve();

  constructor(shared: SessionShared, torrent: Torrent) {
    const { options } = torrent;
    this.#shared = shared;
    this.#torrent = torrent;
    this.#isKept = options.seedOnly !== true && options.metadataOnly !== true;
    const nowMs = shared.clock.nowMs();
    this.#meters = { atMs: nowMs, busyMs: mainThreadBusyMs(), hashMs: 0 };
    this.#lastBlockAtMs = nowMs;
    this.#savedAtMs = nowMs;
    this.#isLoaded = this.#isKept ? this.#load() : Promise.resolve();
    shared.accounts.add(this);
  }

  /** Time counts for this torrent now. */
  get isOpen(): boolean {
    return this.#time.isOpen;
  }

  get openMs(): number {
    return this.#time.wallMs;
  }

  /** Payload both ways since the last call: what its share of the processor goes by. */
  takeMovedBytes(): number {
    const { downloaded, uploaded } = this.#payload();
    const moved = downloaded + uploaded - this.#movedBytes;
    this.#movedBytes += moved;
    return moved;
  }

  /** Its share of what the process used. */
  addProcessor(userMs: number, systemMs: number): void {
    if (!this.#time.isOpen) return;
    this.#processor = {
      userMs: this.#processor.userMs + userMs,
      systemMs: this.#processor.systemMs + systemMs,
    };
  }

  /** Charges the time since the last call. To be called now and then, and before anything changes at one stroke. */
  sample(nowMs: number): void {
    const { downloaded } = this.#payload();
    if (downloaded !== this.#downloadedBytes) this.#lastBlockAtMs = nowMs;
    this.#downloadedBytes = downloaded;
    if (!this.#time.isOpen) return;
    const { atMs, busyMs, hashMs } = this.#meters;
    const windowMs = nowMs - atMs;
    if (windowMs <= 0) return;
    this.#meters = {
      atMs: nowMs,
      busyMs: mainThreadBusyMs(),
      hashMs: this.#torrent.data?.storage.hashMs ?? 0,
    };
    this.#busyShare.note(this.#meters.busyMs - busyMs, windowMs);
    this.#hashShare.note(Math.max(0, this.#meters.hashMs - hashMs), windowMs);
    // Once all is there the question has no answer: what held at the last look did so to the end.
    const isOver = this.#torrent.swarm?.isComplete === true && this.#torrent.state === 'downloading';
    const cause = isOver ? this.#cause : classify(this.#facts(nowMs, atMs));
    this.#cause = cause;
    this.#time.charge(cause, nowMs);
    this.#recent.note(cause, windowMs);
    if (nowMs - this.#savedAtMs >= SAVE_INTERVAL_MS) this.#save(nowMs);
  }

  /** Before the torrent's state becomes `next`. */
  handleState(next: TorrentState): void {
    if (!this.#isKept) return;
    const nowMs = this.#shared.clock.nowMs();
    this.#shared.accounts.measure();
    this.sample(nowMs);
    if (next === 'seeding') {
      this.#end(true);
      this.#save(nowMs);
    } else if (next === 'stopped') this.#end(this.#isComplete);
    else if (!this.#isComplete || next === 'downloading') {
      this.#begin(nowMs);
      if (next !== 'metadata' && next !== 'checking') this.#save(nowMs);
    }
  }

  /** It could not be opened. When another tt has it the record is that one's. */
  handleOpenFailure(error: OperationError): void {
    if (error.slug === 'disk') this.#openFailure = error.message;
    else this.#isVoid = true;
  }

  handleClosed(connection: PeerConnection): void {
    this.#closedReceived += protocolReceived(connection);
    this.#closedSent += protocolSent(connection);
  }

  /** undefined where no books are kept. */
  snapshot(): TransferAccount | undefined {
    if (!this.#isKept) return undefined;
    const own = this.#own(this.#shared.clock.nowMs());
    return this.#earlier === undefined ? own : addRuns(this.#earlier, own);
  }

  /** The record lies in the state directory, as far as it can be written. */
  async close(): Promise<void> {
    const nowMs = this.#shared.clock.nowMs();
    if (this.#time.isOpen) {
      this.#shared.accounts.measure();
      this.sample(nowMs);
      this.#end(this.#isComplete);
    }
    this.#shared.accounts.remove(this);
    if (!this.#isKept) return;
    this.#save(nowMs);
    await this.#saving;
  }

  // --- inside

  async #load(): Promise<void> {
    const { infoHash, options } = this.#torrent;
    const earlier = await loadAccount(this.#shared.stateDir, infoHash);
    if (earlier === undefined) return;
    if (continues(earlier, options.directory)) this.#earlier = earlier;
    else this.#wasComplete = earlier.directory === options.directory;
  }

  #begin(nowMs: number): void {
    if (this.#time.isOpen) return;
    this.#isComplete = false;
    this.#meters = { ...this.#meters, atMs: nowMs, busyMs: mainThreadBusyMs() };
    this.#time.open(nowMs);
    this.#shared.accounts.wake();
  }

  #end(isComplete: boolean): void {
    this.#isComplete = isComplete;
    this.#peakMemoryBytes = this.#shared.accounts.peakMemoryBytes();
    this.#time.close();
  }

  /** @param fromMs when the window began that ends now */
  #facts(nowMs: number, fromMs: number): TransferFacts {
    const { state, metainfo, data, peers, web } = this.#torrent;
    let connectedPeers = 0;
    let isHeldByLimit = web.isHeldSince(fromMs);
    for (const connection of peers.connections) {
      if (connection.isAdmitted) connectedPeers++;
      if (connection.heldUntilMs >= fromMs) isHeldByLimit = true;
    }
    return {
      phase: phaseOf(state, metainfo !== undefined),
      connectedPeers,
      isHeldByLimit,
      mainThreadShare: this.#busyShare.value,
      swarm: data?.swarm === undefined ? undefined : swarmLoad(data.swarm, nowMs),
      storage:
        data === undefined
          ? undefined
          : {
              waitingSegments: data.storage.waitingSegments,
              buffersInUse: data.slots.inUse,
              isShortOfBuffers: data.slots.isShort,
              hashShare: this.#hashShare.value,
            },
    };
  }

  /** Also notes a swarm that was replaced: its counters begin at zero. */
  #payload(): TransferBytes {
    const { swarm } = this.#torrent;
    if (swarm !== this.#swarm) {
      this.#foldedBytes = addBytes(this.#foldedBytes, this.#swarmBytes);
      this.#swarm = swarm;
      this.#swarmBytes = NO_BYTES;
    }
    if (swarm !== undefined) {
      this.#swarmBytes = {
        ...NO_BYTES,
        ...swarm.wasted,
        downloaded: swarm.downloadedBytes,
        uploaded: swarm.uploadedBytes,
      };
    }
    return addBytes(this.#foldedBytes, this.#swarmBytes);
  }

  #bytes(): TransferBytes {
    const { protocolBytes } = this.#torrent.web;
    let received = this.#closedReceived + protocolBytes.received;
    let sent = this.#closedSent + protocolBytes.sent;
    for (const connection of this.#torrent.peers.connections) {
      received += protocolReceived(connection);
      sent += protocolSent(connection);
    }
    return { ...this.#payload(), protocolReceived: received, protocolSent: sent };
  }

  #state(): AccountState {
    const { state } = this.#torrent;
    if (this.#isComplete) return 'complete';
    if (this.#openFailure !== undefined) return 'error';
    if (state === 'error' || state === 'paused') return state;
    return state === 'stopped' ? 'stopped' : 'running';
  }

  #own(nowMs: number): TransferAccount {
    const { infoHash, name, options, error, metainfo, data, swarm, peers, web } = this.#torrent;
    const { userMs, systemMs } = this.#processor;
    const failure = error?.message ?? this.#openFailure;
    if (this.#time.isOpen) this.#peakMemoryBytes = this.#shared.accounts.peakMemoryBytes();
    let connectedPeers = web.joinedCount;
    for (const { isAdmitted } of peers.connections) if (isAdmitted) connectedPeers++;
    const have = swarm?.have ?? data?.storage.have;
    return {
      version: ACCOUNT_VERSION,
      infoHash,
      name,
      directory: options.directory,
      state: this.#state(),
      ...(failure === undefined ? {} : { error: failure }),
      wantedBytes: swarm?.wantedBytes ?? metainfo?.layout.totalLength ?? 0,
      verifiedBytes:
        swarm?.verifiedWantedBytes ?? (have?.isFull === true ? (metainfo?.layout.totalLength ?? 0) : 0),
      connectedPeers,
      knownPeers: peers.pool.idleCount,
      availability: swarm?.availability() ?? 0,
      lastCause: this.#recent.cause,
      idleMs: Math.max(0, Math.round(nowMs - this.#lastBlockAtMs)),
      runs: 1,
      startedAtMs: this.#startedAtMs,
      updatedAtMs: Date.now(),
      wallMs: this.#time.wallMs,
      time: { ...this.#time.time },
      bytes: this.#bytes(),
      processor: { userMs: Math.round(userMs), systemMs: Math.round(systemMs) },
      peakMemoryBytes: this.#peakMemoryBytes,
    };
  }

  /** As long as we have not locked the torrent another tt may hold it, and then the record is that one's. */
  async #isOthers(): Promise<boolean> {
    if (this.#torrent.data !== undefined) return false;
    return isLocked(resumePaths(this.#shared.stateDir, this.#torrent.infoHash).lock);
  }

  /** One write at a time. */
  #save(nowMs: number): void {
    this.#savedAtMs = nowMs;
    this.#saving = this.#saving
      .then(() => this.#write())
      .catch((error: unknown) => String(error))
      .then((failure) => {
        if (failure !== undefined) this.#shared.log('debug', 'the account cannot be kept', { failure });
      });
  }

  /** @returns what went wrong, if anything did */
  async #write(): Promise<string | undefined> {
    await this.#isLoaded;
    const account = this.snapshot();
    if (account === undefined || this.#isVoid || (await this.#isOthers())) return undefined;
    // Nothing came, and it is there, or was once: what is on record of that download is still true.
    const isNews = account.state !== 'complete' && !this.#wasComplete;
    if (account.bytes.downloaded === 0 && this.#earlier === undefined && !isNews) return undefined;
    return saveAccount(this.#shared.stateDir, account);
  }
}

/** All that came besides payload; 0 where the transport does not count. */
function protocolReceived({ stream, wire, swarmPeer }: PeerConnection): number {
  if (stream.receivedBytes === undefined) return 0;
  return Math.max(0, stream.receivedBytes - (swarmPeer?.downloadedBytes ?? 0) - wire.skippedBytes);
}

function protocolSent({ stream, swarmPeer }: PeerConnection): number {
  if (stream.sentBytes === undefined) return 0;
  return Math.max(0, stream.sentBytes - (swarmPeer?.uploadedBytes ?? 0));
}

function phaseOf(state: TorrentState, hasMetadata: boolean): TransferFacts['phase'] {
  switch (state) {
    case 'metadata':
      return hasMetadata ? 'check' : 'metadata';
    case 'checking':
      return 'check';
    case 'paused':
    case 'error':
      return state;
    default:
      return 'transfer';
  }
}

/** The event loop's own books: what it did not spend waiting. */
function mainThreadBusyMs(): number {
  return performance.eventLoopUtilization().active;
}
