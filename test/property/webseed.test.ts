// A web seed's machine against made-up servers: whatever they do that is allowed, and however the bytes are cut, every block that is
// waited for comes once and is right; whatever else they do, nothing is thrown, and nothing goes on for ever.

import { describe, expect, it } from 'vitest';
import { seededRng } from '../../core/base/clock.ts';
import { AskQueue } from '../../core/webseed/ask-queue.ts';
import { ResponseReader } from '../../core/webseed/http-response.ts';
import fc from '../support/property.ts';
import { chunked, joined, type Reply, type SeenRequest, WebRig } from '../support/web-rig.ts';

const file = fc.record({
  length: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 60_000 }), fc.constant(16_384)),
  isPadding: fc.boolean(),
});
const files = fc
  .array(file, { minLength: 1, maxLength: 7 })
  .map((list) => list.map((each, i) => ({ ...each, name: `f${i}` })))
  .filter((list) => list.some(({ length, isPadding }) => length > 0 && !isPadding));
const pieceLength = fc.constantFrom(16_384, 32_768, 65_536, 5_000, 40_000);

/** One of the ways to answer with the right data. */
function answer(rig: WebRig, request: SeenRequest, chance: () => number): Reply {
  const there = rig.fileOf(request);
  const [first, last] = request.range;
  const range = (end: number): string => `Content-Range: bytes ${first}-${end}/${there.length}\r\n`;
  switch (Math.floor(chance() * 7)) {
    case 0: // less than asked for
      {
        const end = first + Math.floor((last - first) * chance());
        const body = rig.bytesOf(there, first, end);
        return {
          bytes: joined(`HTTP/1.1 206 P\r\n${range(end)}Content-Length: ${body.length}\r\n\r\n`, body),
        };
      }
    case 1: {
      const body = chunked(rig.bytesOf(there, first, last), 1 + Math.floor(chance() * 5000));
      return { bytes: joined(`HTTP/1.1 206 P\r\ntransfer-encoding: Chunked\r\n${range(last)}\r\n`, body) };
    }
    case 2: // the end of the connection is the end of the body
      return {
        bytes: joined(`HTTP/1.0 206 P\n${range(last)}\n`, rig.bytesOf(there, first, last)),
        close: true,
      };
    case 3: {
      const body = rig.bytesOf(there, 0, there.length - 1);
      return { bytes: joined(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n`, body) };
    }
    case 4: // breaks off, though not before it brought something
      {
        const { bytes } = rig.partial(request);
        return {
          bytes: bytes.subarray(0, Math.min(bytes.length, 17_000 + Math.floor(chance() * bytes.length))),
          close: true,
        };
      }
    case 5:
      return { bytes: rig.partial(request, 'Connection: close\r\n').bytes, close: true };
    default:
      return { bytes: joined('HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n', rig.partial(request).bytes) };
  }
}

describe('a web seed that is asked', () => {
  it('brings every block once, right, and asks for no padding', () => {
    fc.assert(
      fc.property(files, pieceLength, fc.integer(), (list, length, chanceSeed) => {
        const rng = seededRng(chanceSeed);
        const rig: WebRig = new WebRig({
          files: list,
          pieceLength: length,
          cut: (left) => Math.ceil(left * rng.next() ** 3),
          reply: (request) => answer(rig, request, () => rng.next()),
        });
        const pieces = Array.from({ length: rig.layout.pieceCount }, (_, piece) => piece).sort(
          () => rng.next() - 0.5,
        );
        rig.askAll(pieces.slice(0, 3));
        for (let turn = 0; turn < 3; turn++) rig.step();
        rig.askAll(pieces.slice(3));
        // What one bad answer ends is asked for again, as the swarm does.
        for (let turn = 0; turn < 100 && !isDone(rig); turn++) {
          rig.run();
          rig.nowMs += 700_000;
          for (const piece of pieces) if (!hasPiece(rig, piece)) rig.askAll([piece]);
        }
        expect(isDone(rig)).toBe(true);
        expect(Buffer.compare(rig.arrived, rig.content)).toBe(0);
        expect(rig.lost).toEqual([]);
        for (const request of rig.requests) {
          const there = rig.fileOf(request);
          expect(there.isPadding).toBe(false);
          expect(request.range[0]).toBeLessThanOrEqual(request.range[1]);
          expect(request.range[1]).toBeLessThan(there.length);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('gives up what is cancelled, and nothing else', () => {
    fc.assert(
      fc.property(files, pieceLength, fc.integer(), (list, length, chanceSeed) => {
        const rng = seededRng(chanceSeed);
        const rig: WebRig = new WebRig({
          files: list,
          pieceLength: length,
          reply: (request) => rig.partial(request),
        });
        rig.askAll();
        const kept: number[] = [];
        for (let piece = 0; piece < rig.layout.pieceCount; piece++) {
          for (let block = 0; block < rig.layout.blockCount(piece); block++) {
            const size = rig.layout.blockSize(piece, block);
            if (rng.next() < 0.5) rig.fetch.cancel(piece, block * 16_384, size);
            else kept.push(rig.layout.pieceOffset(piece) + block * 16_384);
            if (rng.next() < 0.3) rig.step();
          }
        }
        rig.fetch.pump(0);
        rig.run();
        for (const offset of kept) expect(rig.completed.get(offset)).toBe(1);
        for (const count of rig.completed.values()) expect(count).toBe(1);
        expect(rig.fetch.requestsInFlight).toBe(0);
      }),
      { numRuns: 300 },
    );
  });

  it('survives any answer', () => {
    const word = fc.constantFrom(
      'HTTP/1.1 206 P\r\n',
      'HTTP/1.1 200 OK\r\n',
      'HTTP/1.1 302 F\r\n',
      'HTTP/1.1 503 B\r\n',
      'HTTP/1.1 404 N\r\n',
      'Content-Length: 5\r\n',
      'Content-Length: -1\r\n',
      'Content-Range: bytes 0-4/5\r\n',
      'Content-Range: bytes 0-16383/60000\r\n',
      'Transfer-Encoding: chunked\r\n',
      'Location: /x\r\n',
      'Location: http://[\r\n',
      'Retry-After: 3\r\n',
      '\r\n',
      '\n',
      '5\r\n',
      'hello',
      '0\r\n\r\n',
      '\0',
    );
    fc.assert(
      fc.property(
        fc.array(fc.array(word, { maxLength: 12 }), { maxLength: 6 }),
        fc.integer(),
        (replies, chanceSeed) => {
          const rng = seededRng(chanceSeed);
          let turn = 0;
          const rig = new WebRig({
            files: [
              { name: 'a', length: 60_000 },
              { name: 'b', length: 5 },
            ],
            pieceLength: 32_768,
            cut: (left) => Math.ceil(left * rng.next()),
            reply: () => ({ bytes: joined((replies[turn++] ?? []).join(''), ''), close: true }),
          });
          rig.askAll();
          rig.run();
          expect(rig.requests.length).toBeLessThan(60);
        },
      ),
      { numRuns: 500 },
    );
  });
});

it('an answer is read the same however it is cut', () => {
  const body = new Uint8Array(300).map((_, i) => i);
  const texts: Uint8Array[] = [
    joined('HTTP/1.1 206 P\r\nContent-Length: 300\r\n\r\n', body),
    joined('HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n', chunked(body, 7)),
    joined('\r\nHTTP/1.1 404 Not Found\r\nContent-Length: 3\r\nA: b\r\na: c\r\n\r\n', 'abc'),
    joined('HTTP/1.1 204 None\r\n\r\n', ''),
  ];
  const read = (cuts: readonly number[]): readonly string[] => {
    const seen: string[] = [];
    let text = '';
    const reader = new ResponseReader({
      onHead: ({ status, fields, contentLength, keepsAlive }) =>
        seen.push(JSON.stringify([status, [...fields], contentLength, keepsAlive])),
      onBody: (bytes) => {
        text += Buffer.from(bytes).toString('hex');
      },
      onEnd: () => {
        seen.push(text);
        text = '';
      },
    });
    const all = Buffer.concat(texts);
    for (let at = 0, i = 0; at < all.length; i++) {
      const count = cuts.length === 0 ? all.length : Math.max(1, cuts[i % cuts.length] as number);
      expect(reader.receive(all.subarray(at, at + count))).toBeUndefined();
      at += count;
    }
    expect(reader.isBetween).toBe(true);
    return seen;
  };
  const whole = read([]);
  expect(whole.length).toBe(8);
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 20 }), (cuts) => {
      expect(read(cuts)).toEqual(whole);
    }),
  );
});

it('the queue of what is asked keeps its order, and knows what is sent', () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('add' as const), block: fc.nat(20) }),
    fc.record({ kind: fc.constant('cancel' as const), block: fc.nat(20) }),
    fc.record({
      kind: fc.constantFrom('send' as const, 'arrive' as const, 'rewind' as const),
      block: fc.nat(9),
    }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const queue = new AskQueue();
      /** Bytes in order: what is to come, and how much of it is sent. */
      let bytes: number[] = [];
      let sent = 0;
      const owed = new Set<number>();
      for (const { kind, block } of steps) {
        const offset = block * 4;
        if (kind === 'add') {
          if (!bytes.includes(offset + 3) && queue.add(offset, 4)) {
            owed.add(offset);
            bytes.push(offset, offset + 1, offset + 2, offset + 3);
          }
        } else if (kind === 'cancel') {
          const at = bytes.indexOf(offset);
          if (owed.delete(offset) && at >= sent)
            bytes = bytes.filter((byte) => byte < offset || byte >= offset + 4);
          queue.cancel(offset, 4);
        } else if (kind === 'send') {
          const next = queue.unsent();
          expect(next?.at).toBe(bytes[sent]);
          if (next === undefined) continue;
          const count = Math.min(next.end - next.at, 1 + block);
          queue.noteSent(count);
          sent += count;
        } else if (kind === 'arrive') {
          const count = Math.min(sent, queue.arrivalLeft, 1 + block);
          for (let i = 0; i < count; i++) {
            expect(queue.arrivalAt).toBe(bytes[0]);
            const byte = bytes.shift() as number;
            if (byte % 4 === 3) {
              owed.delete(byte - 3);
              queue.settle(byte - 3);
            }
            sent--;
            queue.noteArrived(1);
          }
        } else {
          queue.rewind();
          sent = 0;
        }
        expect(queue.arrivalAt).toBe(bytes[0]);
        expect(queue.owedCount).toBe(owed.size);
      }
      // All that is left is asked for, in order.
      const rest: number[] = [];
      for (let next = queue.unsent(); next !== undefined; next = queue.unsent()) {
        for (let at = next.at; at < next.end; at++) rest.push(at);
        queue.noteSent(next.end - next.at);
      }
      expect(rest).toEqual(bytes.slice(sent));
    }),
    { numRuns: 1000 },
  );
});

function hasPiece(rig: WebRig, piece: number): boolean {
  for (let block = 0; block < rig.layout.blockCount(piece); block++)
    if (!rig.completed.has(rig.layout.pieceOffset(piece) + block * 16_384)) return false;
  return true;
}

function isDone(rig: WebRig): boolean {
  for (let piece = 0; piece < rig.layout.pieceCount; piece++) if (!hasPiece(rig, piece)) return false;
  return true;
}
