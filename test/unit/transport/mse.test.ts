import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { concatBytes, fromHex, toHex, utf8 } from '../../../core/base/bytes.ts';
import { type Rng, seededRng } from '../../../core/base/clock.ts';
import type { EncryptionPolicy } from '../../../core/transport/mse.ts';
import { MseInitiator, MseResponder, type MseStep, skeyHash } from '../../../core/transport/mse.ts';
import {
  mseHash,
  publicKeyOf,
  sharedSecret,
  streamCipher,
  xorBytes,
} from '../../../core/transport/mse-keys.ts';
import { Rc4 } from '../../../core/transport/mse-rc4.ts';

type Case = Readonly<
  Record<
    | 'private_a'
    | 'private_b'
    | 'public_a'
    | 'public_b'
    | 'secret'
    | 'skey_info_hash'
    | 'hash_req1_S'
    | 'req2_xor_req3'
    | 'keystream_b_after_discard_1024'
    | 'initial_payload_hex'
    | 'message_3_encrypted_part_no_pad'
    | 'message_4_select_rc4_no_pad'
    | 'next_16_zero_bytes_a_to_b'
    | 'next_16_zero_bytes_b_to_a',
    string
  >
>;
const vectors = JSON.parse(
  readFileSync(new URL('../../../fixtures/vectors/mse.json', import.meta.url), 'utf8'),
) as { rc4_rfc6229: Record<'key' | 'offset_0' | 'offset_1024', string>; cases: Case[] };

function bytes(hex: string): Uint8Array {
  return fromHex(hex) as Uint8Array;
}

/** Pads of no bytes. */
const noPads: Rng = { next: () => 0 };
const INFO_HASH = Uint8Array.from({ length: 20 }, (_, i) => i);
const OTHER_HASH = new Uint8Array(20).fill(9);

function finder(...known: Uint8Array[]): (key: string) => Uint8Array | undefined {
  return (key) => known.find((infoHash) => skeyHash(infoHash) === key);
}

type Done = Extract<MseStep, { kind: 'done' }>;

interface Outcome {
  readonly initiator: MseStep;
  readonly responder: MseStep;
}

/** Runs both machines against each other, every message cut into pieces of `size` bytes. */
function negotiate(initiator: MseInitiator, responder: MseResponder, size: number, afterwards = ''): Outcome {
  let a: MseStep = { kind: 'more', send: new Uint8Array(0) };
  let b: MseStep = { kind: 'more', send: new Uint8Array(0) };
  let toB = initiator.start();
  let hasSentMore = false;
  for (let round = 0; round < 6; round++) {
    let toA = new Uint8Array(0);
    for (let at = 0; at < toB.length && b.kind === 'more'; at += size) {
      b = responder.receive(toB.slice(at, at + size));
      if (b.kind === 'more' || b.kind === 'done') toA = concatBytes([toA, b.send]) as Uint8Array<ArrayBuffer>;
    }
    if (b.kind === 'done' && !hasSentMore) {
      // What the responder sends right behind its last message belongs to the stream already.
      hasSentMore = true;
      const payload = utf8(afterwards);
      b.cipher?.encrypt(payload);
      toA = concatBytes([toA, payload]) as Uint8Array<ArrayBuffer>;
    }
    toB = new Uint8Array(0);
    let rest: Uint8Array = new Uint8Array(0);
    for (let at = 0; at < toA.length; at += size) {
      const part = toA.slice(at, at + size);
      if (a.kind === 'more') {
        a = initiator.receive(part);
        if (a.kind === 'more' || a.kind === 'done') toB = concatBytes([toB, a.send]);
      } else if (a.kind === 'done') {
        a.cipher?.decrypt(part);
        rest = concatBytes([rest, part]);
      }
    }
    if (a.kind === 'done') a = { ...a, rest: concatBytes([a.rest, rest]) };
    if (toB.length === 0) break;
  }
  return { initiator: a, responder: b };
}

describe('vectors', () => {
  it('RC4 as in RFC 6229', () => {
    const { key, offset_0, offset_1024 } = vectors.rc4_rfc6229;
    const fromStart = new Uint8Array(16);
    new Rc4(bytes(key), 0).apply(fromStart);
    expect(toHex(fromStart)).toBe(offset_0);
    const discarded = new Uint8Array(16);
    new Rc4(bytes(key)).apply(discarded);
    expect(toHex(discarded)).toBe(offset_1024);
  });

  it('RC4 gives one keystream however it is cut and aligned', () => {
    const whole = new Uint8Array(5000);
    new Rc4(bytes('0102030405')).apply(whole);
    const cipher = new Rc4(bytes('0102030405'));
    const cut = new Uint8Array(5007).subarray(3, 5003);
    for (let at = 0, size = 1; at < cut.length; at += size, size = (size * 7 + 1) % 23 || 1)
      cipher.apply(cut.subarray(at, Math.min(cut.length, at + size)));
    expect(toHex(cut)).toBe(toHex(whole));
  });

  for (const [index, c] of vectors.cases.entries()) {
    it(`keys, hashes and streams of case ${index}`, () => {
      expect(toHex(publicKeyOf(bytes(c.private_a)))).toBe(c.public_a);
      expect(toHex(publicKeyOf(bytes(c.private_b)))).toBe(c.public_b);
      const secret = sharedSecret(bytes(c.private_a), bytes(c.public_b)) as Uint8Array;
      expect(toHex(secret)).toBe(c.secret);
      const infoHash = bytes(c.skey_info_hash);
      expect(toHex(mseHash('req1', secret))).toBe(c.hash_req1_S);
      expect(toHex(xorBytes(mseHash('req2', infoHash), mseHash('req3', secret)))).toBe(c.req2_xor_req3);
      const keystream = new Uint8Array(32);
      streamCipher(secret, infoHash, false).encrypt(keystream);
      expect(toHex(keystream)).toBe(c.keystream_b_after_discard_1024);
    });

    it(`whole messages of case ${index}`, () => {
      const infoHash = bytes(c.skey_info_hash);
      const initialPayload = bytes(c.initial_payload_hex);
      const initiator = new MseInitiator({
        infoHash,
        initialPayload,
        rng: noPads,
        policy: 'require',
        privateKey: bytes(c.private_a),
      });
      const responder = new MseResponder({
        findTorrent: finder(infoHash),
        rng: noPads,
        policy: 'require',
        privateKey: bytes(c.private_b),
      });
      expect(toHex(initiator.start())).toBe(c.public_a);
      const second = responder.receive(bytes(c.public_a));
      expect(second).toMatchObject({ kind: 'more' });
      if (second.kind !== 'more') return;
      expect(toHex(second.send)).toBe(c.public_b);
      const third = initiator.receive(second.send);
      if (third.kind !== 'more') throw new Error(third.kind);
      expect(toHex(third.send.subarray(0, 40))).toBe(`${c.hash_req1_S}${c.req2_xor_req3}`);
      // The vector offers both ciphers, as `prefer` does; here only RC4 is offered: 2 for 3 in one byte.
      const offer = third.send.subarray(40).slice();
      offer[11] = (offer[11] as number) ^ 2 ^ 3;
      expect(toHex(offer)).toBe(c.message_3_encrypted_part_no_pad);
      const fourth = responder.receive(third.send);
      if (fourth.kind !== 'done') throw new Error(fourth.kind);
      expect(toHex(fourth.send)).toBe(c.message_4_select_rc4_no_pad);
      expect(toHex(fourth.rest)).toBe(c.initial_payload_hex);
      const last = initiator.receive(fourth.send);
      if (last.kind !== 'done') throw new Error(last.kind);
      const outward = new Uint8Array(16);
      last.cipher?.encrypt(outward);
      expect(toHex(outward)).toBe(c.next_16_zero_bytes_a_to_b);
      const inward = new Uint8Array(16);
      fourth.cipher?.encrypt(inward);
      expect(toHex(inward)).toBe(c.next_16_zero_bytes_b_to_a);
    });
  }
});

describe('both sides', () => {
  function pair(
    policies: [EncryptionPolicy, EncryptionPolicy],
    seed: number,
    preferPlaintext: boolean,
  ): [MseInitiator, MseResponder] {
    return [
      new MseInitiator({
        infoHash: INFO_HASH,
        rng: seededRng(seed),
        policy: policies[0],
        initialPayload: utf8('initial payload'),
      }),
      new MseResponder({
        findTorrent: finder(OTHER_HASH, INFO_HASH),
        rng: seededRng(seed + 1),
        policy: policies[1],
        preferPlaintext,
      }),
    ];
  }

  for (const size of [1, 2, 7, 20, 96, 97, 500, 4096]) {
    it(`agree, cut every ${size} bytes, pads and all`, () => {
      for (let seed = 0; seed < 5; seed++) {
        for (const preferPlaintext of [true, false]) {
          const [initiator, responder] = pair(['prefer', 'prefer'], seed * 2, preferPlaintext);
          const { initiator: a, responder: b } = negotiate(initiator, responder, size, 'behind the answer');
          expect([a.kind, b.kind]).toEqual(['done', 'done']);
          expect(toHex((b as Done).infoHash)).toBe(toHex(INFO_HASH));
          expect(toHex((b as Done).rest)).toBe(toHex(utf8('initial payload')));
          expect(toHex((a as Done).rest)).toBe(toHex(utf8('behind the answer')));
          expect((a as Done).cipher === undefined).toBe(preferPlaintext);
          expect((b as Done).cipher === undefined).toBe(preferPlaintext);
          if (preferPlaintext) continue;
          const message = utf8('to and fro');
          (a as Done).cipher?.encrypt(message);
          expect(toHex(message)).not.toBe(toHex(utf8('to and fro')));
          (b as Done).cipher?.decrypt(message);
          expect(toHex(message)).toBe(toHex(utf8('to and fro')));
        }
      }
    });
  }

  it('end in RC4 when either requires it', () => {
    for (const policies of [
      ['require', 'prefer'],
      ['prefer', 'require'],
      ['require', 'require'],
    ] as [EncryptionPolicy, EncryptionPolicy][]) {
      const { initiator, responder } = negotiate(...pair(policies, 3, true), 50);
      expect((initiator as Done).cipher).toBeDefined();
      expect((responder as Done).cipher).toBeDefined();
    }
  });

  it('decrypt payload that came in one read with the third message', () => {
    const [initiator, responder] = pair(['require', 'require'], 8, true);
    const second = responder.receive(initiator.start());
    const third = initiator.receive((second as { send: Uint8Array }).send);
    const fourth = responder.receive((third as { send: Uint8Array }).send);
    const last = initiator.receive((fourth as Done).send) as Done;
    expect(last.kind).toBe('done');
    const more = utf8('more');
    last.cipher?.encrypt(more);
    (fourth as Done).cipher?.decrypt(more);
    expect(toHex(more)).toBe(toHex(utf8('more')));
  });
});

describe('responder', () => {
  function responder(policy: EncryptionPolicy, known: Uint8Array[] = [INFO_HASH]): MseResponder {
    return new MseResponder({ findTorrent: finder(...known), rng: seededRng(1), policy });
  }
  const plain = concatBytes([utf8('\x13BitTorrent protocol'), new Uint8Array(48)]);

  it('knows a plain handshake by its first twenty bytes', () => {
    for (const size of [1, 19, 20, 68]) {
      const machine = responder('prefer');
      let step: MseStep = { kind: 'more', send: new Uint8Array(0) };
      let fed = 0;
      while (step.kind === 'more') {
        step = machine.receive(plain.subarray(fed, fed + size));
        fed += size;
      }
      expect(step.kind).toBe('plain');
      expect(toHex((step as { rest: Uint8Array }).rest)).toBe(toHex(plain.subarray(0, fed)));
    }
    expect(responder('off').receive(plain).kind).toBe('plain');
    expect(responder('require').receive(plain)).toMatchObject({ kind: 'failed' });
  });

  it('refuses encryption when it is off', () => {
    const initiator = new MseInitiator({ infoHash: INFO_HASH, rng: seededRng(5), policy: 'prefer' });
    expect(responder('off').receive(initiator.start())).toMatchObject({ kind: 'failed' });
  });

  it('refuses a torrent that it does not have', () => {
    const initiator = new MseInitiator({ infoHash: INFO_HASH, rng: seededRng(5), policy: 'prefer' });
    const outcome = negotiate(initiator, responder('prefer', [OTHER_HASH]), 1000);
    expect(outcome.responder).toEqual({ kind: 'failed', reason: 'MSE for a torrent that is not here' });
  });

  it('refuses keys that give away the secret', () => {
    const prime = bytes(
      'ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74020bbea63b139b22514a08798e3404ddef9519b3cd3a431b302b0a6df25f14374fe1356d6d51c245e485b576625e7ec6f44c42e9a63a36210000000000090563',
    );
    const below = prime.slice();
    below[95] = 0x62;
    const one = new Uint8Array(96);
    one[95] = 1;
    for (const key of [new Uint8Array(96), one, below, prime, new Uint8Array(96).fill(255)]) {
      expect(responder('prefer').receive(key)).toEqual({
        kind: 'failed',
        reason: 'MSE public key out of range',
      });
      const initiator = new MseInitiator({ infoHash: INFO_HASH, rng: seededRng(5), policy: 'prefer' });
      initiator.start();
      expect(initiator.receive(key)).toMatchObject({ kind: 'failed' });
    }
  });

  it('gives up at the first byte beyond the longest pad', () => {
    const machine = responder('prefer');
    expect(machine.receive(new Uint8Array(96).fill(7)).kind).toBe('more');
    expect(machine.receive(new Uint8Array(531)).kind).toBe('more');
    expect(machine.receive(new Uint8Array(1))).toEqual({
      kind: 'failed',
      reason: 'no MSE synchronisation mark',
    });
  });

  /** Sends a forged third message whose sealed part starts with `head`. */
  function forge(policy: EncryptionPolicy, head: Uint8Array): MseStep {
    const c = vectors.cases[0] as Case;
    const machine = responder(policy);
    const second = machine.receive(bytes(c.public_a)) as { send: Uint8Array };
    const secret = sharedSecret(bytes(c.private_a), second.send.subarray(0, 96)) as Uint8Array;
    const sealed = head.slice();
    streamCipher(secret, INFO_HASH, true).encrypt(sealed);
    return machine.receive(
      concatBytes([
        mseHash('req1', secret),
        xorBytes(mseHash('req2', INFO_HASH), mseHash('req3', secret)),
        sealed,
      ]),
    );
  }

  it('checks every field of the sealed part', () => {
    expect(forge('prefer', bytes('0000000000000001000000030000'))).toMatchObject({ kind: 'failed' });
    expect(forge('prefer', bytes('0000000000000000000000030201'))).toEqual({
      kind: 'failed',
      reason: 'MSE padding of 513 bytes',
    });
    expect(forge('prefer', bytes('0000000000000000000000040000'))).toMatchObject({ kind: 'failed' });
    expect(forge('require', bytes('0000000000000000000000010000'))).toMatchObject({ kind: 'failed' });
    expect(forge('prefer', bytes('00000000000000000000000200000000')).kind).toBe('done');
    expect(forge('prefer', bytes('0000000000000000000000ff00000000')).kind).toBe('done');
    expect(forge('prefer', bytes('0000000000000000000000020000ffff')).kind).toBe('more');
  });
});

describe('initiator', () => {
  it('gives up when no answer of the protocol comes, or one that was not offered', () => {
    const c = vectors.cases[0] as Case;
    const start = (policy: EncryptionPolicy): MseInitiator => {
      const machine = new MseInitiator({
        infoHash: INFO_HASH,
        rng: noPads,
        policy,
        privateKey: bytes(c.private_a),
      });
      machine.receive(bytes(c.public_b));
      return machine;
    };
    expect(start('prefer').receive(new Uint8Array(520)).kind).toBe('failed');
    expect(start('prefer').receive(new Uint8Array(519)).kind).toBe('more');
    const answer = (select: number, pad: number): Uint8Array => {
      const sealed = concatBytes([new Uint8Array(8), Uint8Array.of(0, 0, 0, select, pad >> 8, pad)]);
      streamCipher(bytes(c.secret), INFO_HASH, false).encrypt(sealed);
      return sealed;
    };
    expect(start('prefer').receive(answer(1, 0)).kind).toBe('done');
    expect(start('require').receive(answer(1, 0)).kind).toBe('failed');
    for (const select of [0, 3, 4]) expect(start('prefer').receive(answer(select, 0)).kind).toBe('failed');
    expect(start('prefer').receive(answer(2, 513)).kind).toBe('failed');
    expect(start('prefer').receive(answer(2, 512)).kind).toBe('more');
  });
});
