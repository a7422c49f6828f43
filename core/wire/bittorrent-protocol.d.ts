// The part of bittorrent-protocol 5.0.9 that protocol-wire.ts relies on, private methods included: the contract tests pin it.
declare module 'bittorrent-protocol' {
  interface WireEvents {
    bitfield: (pieces: { readonly buffer: Uint8Array }) => void;
    'have-all': () => void;
    'have-none': () => void;
    extended: (name: string | number, payload: unknown) => void;
  }

  export default class Wire {
    constructor(type?: string, encryption?: 0 | 1 | 2);
    /** BEP 6 is on: both sides offered it. */
    readonly hasFast: boolean;
    readonly peerExtensions: { readonly extended?: boolean };
    /** Local id -> name of the extensions that we offer. */
    extendedMapping: Record<number, string>;
    /** Sent with `m` from extendedMapping, as soon as both handshakes are known. */
    extendedHandshake: Record<string, unknown>;
    /** Name -> the peer's id, of every extended handshake so far. */
    readonly peerExtendedMapping: Readonly<Record<string, number>>;
    peerPieces: unknown;
    on<Name extends keyof WireEvents>(name: Name, listener: WireEvents[Name]): this;
    handshake(
      infoHash: Uint8Array,
      peerId: Uint8Array,
      extensions: { readonly dht: boolean; readonly fast: boolean },
    ): void;
    choke(): void;
    unchoke(): void;
    interested(): void;
    uninterested(): void;
    bitfield(bytes: Uint8Array): void;
    haveAll(): void;
    haveNone(): void;
    port(port: number): void;
    suggest(piece: number): void;
    allowedFast(piece: number): void;
    extended(id: number, payload: Uint8Array): void;
    /** Everything that goes out, in order; the original queues it in the stream. */
    _push(bytes: Uint8Array): boolean;
    /** Everything that comes in; parses synchronously, then calls back. */
    _write(bytes: Uint8Array, done: (error: Error | null) => void): void;
    _debug(...args: readonly unknown[]): void;
  }
}
