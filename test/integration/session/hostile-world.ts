// What every test of hostile peers needs: a session as leecher or seeder, raw peers that have shaken hands, a clock that
// can be turned, and the proof that an honest peer's transfer still completes.
import { expect } from 'vitest';
import type { Clock } from '../../../core/base/clock.ts';
import type { Session } from '../../../core/session/session.ts';
import type { SessionOptions } from '../../../core/session/session-api.ts';
import { liveBytes } from '../../support/live-memory.ts';
import { within } from '../../support/wait.ts';
import { handshakeBytes, RawPeer } from './raw-peer.ts';
import { addressOf, type Made, sameContent, untilEvent, World } from './support.ts';

/** BEP 6 and BEP 10. */
export const ALL_EXTENSIONS = Uint8Array.of(0, 0, 0, 0, 0, 0x10, 0, 0x04);
/** For things that take milliseconds when they work. */
export const PATIENCE_MS = 10_000;

export type Role = 'leecher' | 'seeder';

/** Runs with the machine's, and can be turned forward. */
export class TurnedClock implements Clock {
  #aheadMs = 0;
  nowMs(): number {
    return performance.now() + this.#aheadMs;
  }
  turn(ms: number): void {
    this.#aheadMs += ms;
  }
}

let nextPeer = 0;

export class Scene implements AsyncDisposable {
  readonly world: World;
  readonly made: Made;
  readonly session: Session;
  readonly role: Role;
  readonly directory: string;
  readonly #files: readonly string[];
  readonly #reasons = new Map<string, string>();
  readonly #waiting: (() => void)[] = [];

  private constructor(parts: {
    world: World;
    made: Made;
    session: Session;
    role: Role;
    directory: string;
    files: readonly string[];
  }) {
    this.world = parts.world;
    this.made = parts.made;
    this.session = parts.session;
    this.role = parts.role;
    this.directory = parts.directory;
    this.#files = parts.files;
    this.session.subscribe((event) => {
      if (event.kind !== 'peer-disconnected') return;
      this.#reasons.set(event.address, event.reason);
      for (const wake of this.#waiting.splice(0)) wake();
    });
  }

  static async open(
    role: Role,
    options: {
      files?: Readonly<Record<string, number>>;
      pieceLength?: number;
      session?: Partial<SessionOptions>;
    } = {},
  ): Promise<Scene> {
    const world = new World();
    const files = options.files ?? { 'a.bin': 1_000_000 };
    const made = await world.make(files, { pieceLength: options.pieceLength ?? 32_768 });
    const directory = world.path('victim');
    const session =
      role === 'seeder'
        ? await world.seed(made, options.session)
        : await world.session('victim', options.session);
    if (role === 'leecher') await session.add({ source: { metainfo: made.metainfo }, directory });
    return new Scene({ world, made, session, role, directory, files: Object.keys(files) });
  }

  get infoHash(): Uint8Array {
    return this.made.metainfo.infoHash;
  }
  get key(): string {
    return this.session.snapshot().torrents[0]?.infoHash as string;
  }
  get pieceCount(): number {
    return this.made.metainfo.layout.pieceCount;
  }

  /** Connected, not a byte said. */
  connect(): Promise<RawPeer> {
    return RawPeer.connect(addressOf(this.session).port);
  }

  /** Handshakes are done; `reserved` says what we can. */
  async greet(
    options: { reserved?: Uint8Array; encrypted?: boolean; peerId?: string } = {},
  ): Promise<RawPeer> {
    const peer = await this.connect();
    if (options.encrypted === true) await peer.encrypt(this.infoHash);
    const peerId = options.peerId ?? `-XX0000-${String(nextPeer++).padStart(12, '0')}`;
    peer.send(handshakeBytes(this.infoHash, { reserved: options.reserved ?? ALL_EXTENSIONS, peerId }));
    await within(peer.take(68), PATIENCE_MS, 'the handshake of the session');
    return peer;
  }

  /** @returns the reason of the event that told of this peer's end */
  async reasonOf(peer: RawPeer): Promise<string> {
    const address = `127.0.0.1:${peer.localPort}`;
    const told = async (): Promise<string> => {
      for (;;) {
        const reason = this.#reasons.get(address);
        if (reason !== undefined) return reason;
        await new Promise<void>((resolve) => this.#waiting.push(resolve));
      }
    };
    return within(told(), PATIENCE_MS, `the end of ${address}`);
  }

  /** The peer loses its connection, and the reason matches. */
  async expectGone(peer: RawPeer, reason: RegExp): Promise<void> {
    await within(peer.closed(), PATIENCE_MS, `the session to hang up (${reason.source})`);
    expect(await this.reasonOf(peer)).toMatch(reason);
  }

  /** An honest session joins, and the transfer (to it, or from it) completes. */
  async expectHonestTransfer(options: Partial<SessionOptions> = {}): Promise<void> {
    const { metainfo } = this.made;
    if (this.role === 'seeder') {
      const honest = await this.world.session('honest', options);
      const directory = this.world.path('honest');
      const completed = untilEvent(honest, 'completed');
      await honest.add({ source: { metainfo }, directory, peers: [addressOf(this.session)] });
      await within(completed, PATIENCE_MS, 'an honest leecher beside the hostile one');
      expect(sameContent(this.made, directory, this.#files)).toBe(true);
      return;
    }
    const completed = untilEvent(this.session, 'completed');
    const honest = await this.world.seed(this.made, options);
    await this.session.command({ kind: 'add-peer', torrent: this.key, ...addressOf(honest) });
    await within(completed, PATIENCE_MS, 'the download from an honest seed beside the hostile one');
    expect(sameContent(this.made, this.directory, this.#files)).toBe(true);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.world[Symbol.asyncDispose]();
  }
}

/** What is held is more than `startBytes` (of liveBytes) by at most this. */
export function expectSmall(startBytes: number, mostBytes: number): void {
  expect(liveBytes() - startBytes).toBeLessThan(mostBytes);
}
