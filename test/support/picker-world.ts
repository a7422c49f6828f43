// A piece picker drawn as strings: one character per piece. After every step the picker's invariants and the slots are checked.
import { Bitfield } from '../../core/base/bitfield.ts';
import { seededRng } from '../../core/base/clock.ts';
import { BLOCK_BYTES, PieceLayout } from '../../core/metainfo/layout.ts';
import { PiecePicker } from '../../core/pieces/picker.ts';
import {
  type Claim,
  type PeerSpeed,
  PICK_STRIDE,
  type PickerLimits,
  type PickerPeer,
  type Receipt,
} from '../../core/pieces/picker-types.ts';
import { type PickPolicy, rarestFirst } from '../../core/pieces/policy.ts';
import type { SlotPool } from '../../core/pieces/segment-slots.ts';

/** Hands out numbers and notices every misuse. */
export class CountingPool implements SlotPool {
  readonly #free: number[];
  readonly held = new Set<number>();

  constructor(size: number) {
    this.#free = Array.from({ length: size }, (_, index) => size - 1 - index);
  }

  acquire(): number {
    const slot = this.#free.pop();
    if (slot === undefined) return -1;
    this.held.add(slot);
    return slot;
  }

  release(slot: number): void {
    if (!this.held.delete(slot)) throw new Error(`slot ${slot} released but not held`);
    this.#free.push(slot);
  }
}

/** The order by rarity from the first piece on, for tests that are not about the random start. */
export const rarestAtOnce: PickPolicy = { ...rarestFirst, startsRandom: false };

export interface Drawing {
  /** `#` verified, anything else missing. Its length is the number of pieces. */
  have: string;
  /** Digits: peers that have it, besides seeds. */
  availability?: string;
  /** Digits 0..7; normal where absent. */
  priority?: string;
  /** Open pieces: `.` free, `?` asked of the helper, `#` stored by the helper. */
  partial?: Record<number, string>;
  /** What kind of peer the helper (id 900) is that leads the partial pieces; `gone`: it gave up. */
  helper?: PeerSpeed | 'gone';
  seeds?: number;
  /** Blocks in a piece: 4 unless told. */
  blocks?: number;
  /** Blocks in a segment: the whole piece unless told. */
  segment?: number;
  slots?: number;
  seed?: number;
  policy?: PickPolicy;
  limits?: Partial<PickerLimits>;
}

export interface PeerDrawing {
  id?: number;
  /** `#` where the peer has the piece; everything unless told. */
  has?: string;
  speed?: PeerSpeed;
  choked?: boolean;
  allowed?: number[];
  suggested?: number[];
  snubbed?: boolean;
  parole?: boolean;
}

export const HELPER = 900;

export function bitsOf(picture: string): Bitfield {
  const bits = new Bitfield(picture.length);
  for (const [piece, mark] of [...picture].entries()) if (mark === '#') bits.set(piece);
  return bits;
}

export class PickerWorld {
  readonly picker: PiecePicker;
  readonly layout: PieceLayout;
  readonly pool: CountingPool;
  readonly pieceCount: number;
  nowMs = 1000;
  /** Handed over, not yet written. */
  readonly atStorage: number[] = [];

  constructor(drawing: Drawing) {
    const pieceCount = drawing.have.length;
    const blocks = drawing.blocks ?? 4;
    this.pieceCount = pieceCount;
    this.layout = new PieceLayout(pieceCount * blocks * BLOCK_BYTES, blocks * BLOCK_BYTES);
    this.pool = new CountingPool(drawing.slots ?? 1000);
    this.picker = new PiecePicker({
      layout: this.layout,
      have: bitsOf(drawing.have),
      rng: seededRng(drawing.seed ?? 1),
      slots: this.pool,
      segmentBytes: (drawing.segment ?? blocks) * BLOCK_BYTES,
      policy: drawing.policy ?? rarestAtOnce,
      limits: drawing.limits,
    });
    for (let seed = 0; seed < (drawing.seeds ?? 0); seed++) this.picker.addSeed();
    for (const [piece, digit] of [...(drawing.availability ?? '')].entries()) {
      for (let peer = 0; peer < Number(digit); peer++) this.picker.addAvailability(piece);
    }
    for (const [piece, digit] of [...(drawing.priority ?? '')].entries()) {
      this.picker.setPriority(piece, Number(digit));
    }
    for (const [piece, picture] of Object.entries(drawing.partial ?? {})) {
      this.#openPartial(Number(piece), picture, drawing.helper ?? 'medium');
    }
    this.check();
  }

  peer(drawing: PeerDrawing = {}): PickerPeer {
    return {
      id: drawing.id ?? 1,
      pieces: drawing.has === undefined ? Bitfield.full(this.pieceCount) : bitsOf(drawing.has),
      isChoked: drawing.choked ?? false,
      allowedFast: drawing.allowed && new Set(drawing.allowed),
      suggested: drawing.suggested && new Set(drawing.suggested),
      speed: drawing.speed ?? 'medium',
      isSnubbed: drawing.snubbed ?? false,
      isOnParole: drawing.parole ?? false,
    };
  }

  /** @returns "piece:block" of each pick, in order */
  picks(peer: PickerPeer, wanted: number): string[] {
    return this.pickBlocks(peer, wanted).map(([piece, block]) => `${piece}:${block}`);
  }

  pickBlocks(peer: PickerPeer, wanted: number): [piece: number, block: number][] {
    const out = new Int32Array(wanted * PICK_STRIDE);
    const count = this.picker.pick(peer, wanted, out, this.nowMs);
    this.check();
    return Array.from({ length: count }, (_, index) => [
      out[index * PICK_STRIDE] as number,
      out[index * PICK_STRIDE + 1] as number,
    ]);
  }

  /** @returns one character per piece: how many of its blocks were picked, `.` for none */
  pick(peer: PickerPeer, wanted: number): string {
    const counts = new Array<number>(this.pieceCount).fill(0);
    for (const [piece] of this.pickBlocks(peer, wanted)) counts[piece] = (counts[piece] as number) + 1;
    return counts.map((count) => (count === 0 ? '.' : String(count))).join('');
  }

  /** Pieces in the order in which a peer would open them: one block of each, everything before it done. */
  orderFor(peer: PickerPeer): string {
    let order = '';
    for (;;) {
      const [picked] = this.pickBlocks(peer, 1);
      if (picked === undefined) return order;
      order += picked[0].toString(36);
      this.picker.markPieceVerified(picked[0]);
      this.check();
    }
  }

  claim(peer: number, piece: number, block: number): Claim {
    const size = this.layout.blockSize(piece, block);
    const claim = { ...this.picker.claim(peer, piece, block * BLOCK_BYTES, size, this.nowMs) };
    this.check();
    return claim;
  }

  receive(peer: number, piece: number, block: number): Receipt {
    const receipt = this.picker.receiveBlock(peer, piece, block, this.nowMs);
    if (receipt.filledSlot >= 0) this.atStorage.push(receipt.filledSlot);
    this.check();
    return { ...receipt, cancelPeers: [...receipt.cancelPeers] };
  }

  /** Header and payload at once. */
  send(peer: number, piece: number, block: number): Receipt {
    const { outcome } = this.claim(peer, piece, block);
    if (outcome !== 'wanted') throw new Error(`peer ${peer}, ${piece}:${block} is ${outcome}`);
    return this.receive(peer, piece, block);
  }

  /** The storage has written everything it was given. */
  write(): void {
    for (const slot of this.atStorage.splice(0)) this.pool.release(slot);
    this.check();
  }

  /** Every open piece as `index[blocks]`. */
  get open(): string {
    return this.picker
      .openPieces()
      .sort((a, b) => a - b)
      .map((piece) => `${piece}[${this.picker.drawPiece(piece)}]`)
      .join(' ');
  }

  check(): void {
    this.picker.checkInvariants();
    const held = this.picker.heldSlots + this.atStorage.length;
    if (held !== this.pool.held.size)
      throw new Error(`${this.pool.held.size} slots held, ${held} accounted for`);
  }

  #openPartial(piece: number, picture: string, kind: PeerSpeed | 'gone'): void {
    const helper = this.peer({
      id: HELPER,
      choked: true,
      allowed: [piece],
      speed: kind === 'gone' ? 'medium' : kind,
    });
    this.pickBlocks(helper, picture.length);
    for (const [block, mark] of [...picture].entries()) {
      if (mark === '#') this.send(HELPER, piece, block);
      if (mark === '.') this.picker.abandonBlock(HELPER, piece, block);
    }
    if (kind === 'gone') this.picker.abandonPeer(HELPER);
    const drawn = this.picker.drawPiece(piece);
    if (drawn !== picture) throw new Error(`meant to draw ${picture}, drew ${drawn}`);
  }
}
