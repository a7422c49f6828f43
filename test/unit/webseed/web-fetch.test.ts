// A web seed's machine: which URL holds which file, redirects and where they may lead, answers that are refusals, back-off, time-outs.
import { describe, expect, it } from 'vitest';
import { joined, type Reply, type SeenRequest, WebRig } from '../../support/web-rig.ts';

const BLOCK = 16_384;
const status = (line: string, fields = ''): Reply => ({
  bytes: joined(`HTTP/1.1 ${line}\r\n${fields}Content-Length: 2\r\n\r\n`, 'no'),
});
const moved = (location: string): Reply => status('302 Found', `Location: ${location}\r\n`);
const one = [{ name: 'a b.bin', length: 100_000 }];

function single(
  reply: (request: SeenRequest, rig: WebRig) => Reply,
  more: { url?: string; mayBeLocal?: boolean; length?: number } = {},
): WebRig {
  const { length = 100_000, ...rest } = more;
  return new WebRig({
    files: [{ name: 'it', length }],
    pieceLength: 65_536,
    isMultiFile: false,
    reply,
    ...rest,
  });
}

describe('URLs', () => {
  it.each([
    ['http://h/', false, '/it'],
    ['http://h/x.iso', false, '/x.iso'],
    ['http://h/x.iso?key=1#top', false, '/x.iso?key=1'],
    ['http://h/pub', true, '/pub/it/a%20b.bin'],
    ['http://h/pub/', true, '/pub/it/a%20b.bin'],
  ])('%s, several files: %s', (url, isMultiFile, target) => {
    const rig = new WebRig({
      files: one,
      pieceLength: 65_536,
      url,
      isMultiFile,
      reply: (r, self) => self.partial(r),
    });
    rig.askAll();
    expect(rig.opened).toHaveLength(1);
    rig.run();
    expect(rig.requests[0]?.target).toBe(target);
    expect(rig.completed.size).toBe(7);
  });

  it('asks for bytes as they are, and tells a password only where it was typed for', () => {
    const rig = single(
      (request, self) => (request.target === '/it' ? moved('http://other/it') : self.partial(request)),
      {
        url: 'http://user:p%40ss@h:81/',
      },
    );
    rig.askAll();
    rig.run();
    const fields = rig.requests.map((request) => request.fields);
    expect(fields[0]?.get('host')).toBe('h:81');
    expect(fields[0]?.get('accept-encoding')).toBe('identity');
    expect(fields[0]?.get('authorization')).toBe(`Basic ${btoa('user:p@ss')}`);
    expect(fields[1]?.get('host')).toBe('other');
    expect(fields[1]?.has('authorization')).toBe(false);
    expect(rig.opened[0]?.url.href).toBe('http://h:81/it');
  });

  it('asks one request for neighbouring pieces of one file', () => {
    const rig = single((request, self) => self.partial(request));
    rig.askAll();
    rig.run();
    expect(rig.requests.map(({ range }) => range)).toEqual([[0, 99_999]]);
  });
});

describe('redirects', () => {
  const tree = [
    { name: 'a', length: BLOCK },
    { name: 'b', length: BLOCK },
    { name: 'c', length: BLOCK },
  ];

  it('are remembered for the whole tree where that has moved', () => {
    const rig = new WebRig({
      files: tree,
      pieceLength: BLOCK,
      reply: (request, self) =>
        request.place.url.host === 'seed.example'
          ? moved(`https://cdn.example/m${request.target}`)
          : self.partial(request),
    });
    rig.askAll();
    rig.run();
    expect(rig.completed.size).toBe(3);
    expect(rig.requests.map(({ place }) => place.url.host)).toEqual([
      'seed.example',
      ...Array.from({ length: 3 }, () => 'cdn.example'),
    ]);
  });

  it('are forgotten when what they led to is gone', () => {
    let isGone = false;
    const rig = new WebRig({
      files: tree,
      pieceLength: BLOCK,
      reply: (request, self) => {
        const { host } = request.place.url;
        if (host === 'old.example') return isGone ? status('403 Forbidden') : self.partial(request);
        if (host === 'new.example') return self.partial(request);
        return moved(`http://${isGone ? 'new' : 'old'}.example/signed?${request.target.at(-1)}`);
      },
    });
    rig.files.forEach((file) => {
      (rig as { fileOf: WebRig['fileOf'] }).fileOf = ({ target }) =>
        rig.files.find(({ path }) => target.endsWith(path.at(-1) as string)) ?? file;
    });
    rig.askAll([0]);
    rig.run();
    isGone = true;
    rig.completed.clear();
    rig.askAll([0, 1]);
    rig.run();
    expect(rig.completed.size).toBe(2);
    expect(rig.failures).toEqual([]);
    expect(rig.lost).toEqual([]);
  });

  it('in a circle end', () => {
    const rig = single(() => moved('/it'));
    rig.askAll();
    rig.run();
    expect(rig.requests.length).toBeLessThan(10);
    expect(rig.failures).toEqual([{ why: 'more than 5 redirects', retryAtMs: undefined }]);
  });

  it.each(['ftp://h/it', 'http://', 'file:///etc/passwd'])('to %s are refused', (location) => {
    const rig = single(() => moved(location));
    rig.askAll();
    rig.run();
    expect(rig.failures[0]?.why).toMatch(/^a redirect to/);
    expect(rig.failures[0]?.retryAtMs).toBeUndefined();
  });

  it('may lead to this machine only from this machine, for who may be there at all', () => {
    for (const [mayBeLocal, isLocal] of [
      [true, true],
      [true, false],
      [false, false],
    ] as const) {
      const rig = single(
        (request, self) => (request.target === '/it' ? moved('http://10.0.0.1/x') : self.partial(request)),
        { mayBeLocal },
      );
      rig.isLocal = isLocal;
      rig.askAll();
      rig.run();
      expect(rig.opened.map((place) => place.mayBeLocal)).toEqual([mayBeLocal, mayBeLocal && isLocal]);
    }
  });
});

describe('answers that are refusals', () => {
  it.each([
    ['404 Not Found', '', /HTTP status 404/],
    ['416 Range Not Satisfiable', '', /shorter than the torrent says/],
    [
      '206 Partial Content',
      'Content-Range: bytes 0-1/2\r\n',
      /the file there has 2 bytes, in the torrent 100000/,
    ],
    ['200 OK', '', /the file there has 2 bytes/],
    ['200 OK', 'Content-Encoding: gzip\r\n', /compresses/],
    ['302 Found', '', /without a place/],
  ])('%s %s', (line, fields, why) => {
    const rig = single(() => status(line, fields));
    rig.askAll();
    rig.run();
    expect(rig.failures).toHaveLength(1);
    expect(rig.failures[0]?.why).toMatch(why);
    expect(rig.failures[0]?.retryAtMs).toBeUndefined();
    expect(rig.completed.size).toBe(0);
  });

  it('of one file leave the others', () => {
    const rig = new WebRig({
      files: [
        { name: 'there', length: 2 * BLOCK },
        { name: 'gone', length: 2 * BLOCK },
        { name: 'small', length: 2 * BLOCK },
      ],
      pieceLength: 2 * BLOCK,
      reply: (request, self) => (request.target.endsWith('gone') ? status('404 N') : self.partial(request)),
    });
    rig.askAll([1]);
    rig.run();
    expect(rig.lost).toEqual([{ name: 'gone', why: 'HTTP status 404' }]);
    expect([...rig.fetch.lostFiles]).toEqual([1]);
    rig.askAll([0, 2]);
    rig.run();
    expect(rig.completed.size).toBe(4);
    expect(rig.failures).toEqual([]);
  });

  it('of ten files, and no data, end it', () => {
    const files = Array.from({ length: 30 }, (_, i) => ({ name: `f${i}`, length: BLOCK }));
    const rig = new WebRig({ files, pieceLength: BLOCK, reply: () => status('404 N') });
    for (let piece = 0; piece < 30; piece++) {
      if (rig.failures.length > 0) break;
      rig.askAll([piece]);
      rig.run();
    }
    expect(rig.requests).toHaveLength(10);
    expect(rig.failures).toEqual([{ why: 'HTTP status 404', retryAtMs: undefined }]);
  });

  it('a server of whole files is used for small ones, and asked for no part of a large one', () => {
    const whole = (request: SeenRequest, self: WebRig): Reply => {
      const file = self.fileOf(request);
      return {
        bytes: joined(
          `HTTP/1.1 200 OK\r\nContent-Length: ${file.length}\r\n\r\n`,
          self.bytesOf(file, 0, file.length - 1),
        ),
      };
    };
    const small = single(whole);
    small.askAll([1]);
    small.run();
    expect(small.completed.size).toBe(3);
    const large = single(whole, { length: 3 << 20 });
    large.askAll([5]);
    large.run();
    expect(large.completed.size).toBe(0);
    expect(large.failures[0]?.why).toMatch(/only whole files/);
  });
});

describe('later', () => {
  it.each([
    ['429 Too Many', 'Retry-After: 120\r\n', 120_000],
    [
      '503 Busy',
      'Retry-After: Sun, 06 Nov 1994 08:50:37 GMT\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n',
      60_000,
    ],
    ['503 Busy', 'Retry-After: 999999999\r\n', 3_600_000],
    ['503 Busy', 'Retry-After: 0\r\n', 1_000],
    ['503 Busy', '', 5_000],
    ['500 Oops', '', 5_000],
  ])('%s %s: in %s ms', (line, fields, retryAtMs) => {
    const rig = single(() => status(line, fields));
    rig.askAll();
    rig.run();
    expect(rig.failures).toEqual([{ why: `HTTP status ${line.slice(0, 3)}`, retryAtMs }]);
  });

  it('waits longer each time, up to ten minutes, and afresh after data', () => {
    let isUp = false;
    const rig = single((request, self) =>
      isUp ? self.partial(request) : { bytes: new Uint8Array(0), close: true },
    );
    const waits: number[] = [];
    for (let i = 0; i < 10; i++) {
      rig.askAll([0]);
      rig.run();
      waits.push((rig.failures.at(-1)?.retryAtMs as number) - rig.nowMs);
    }
    expect(waits).toEqual([5, 10, 20, 40, 80, 160, 320, 600, 600, 600].map((s) => s * 1000));
    isUp = true;
    rig.askAll([0]);
    rig.run();
    expect(rig.completed.size).toBe(4);
    isUp = false;
    rig.askAll([1]);
    rig.run();
    expect((rig.failures.at(-1)?.retryAtMs as number) - rig.nowMs).toBe(5_000);
  });

  it('a refusal that is final is the end; no connection is tried again', () => {
    const rig = single((request, self) => self.partial(request));
    rig.refusal = { why: 'no connection (ECONNREFUSED)', isFinal: false };
    rig.askAll();
    rig.run();
    rig.refusal = { why: 'its certificate does not hold', isFinal: true };
    rig.askAll();
    rig.run();
    expect(rig.failures).toEqual([
      { why: 'no connection (ECONNREFUSED)', retryAtMs: 5_000 },
      { why: 'its certificate does not hold', retryAtMs: undefined },
    ]);
  });

  it('silence of 20 s ends a connection, but not while our own limit holds it', () => {
    const rig = single((request, self) => ({ bytes: self.partial(request).bytes.subarray(0, 40_000) }));
    rig.askAll();
    rig.run();
    expect(rig.completed.size).toBe(2);
    expect(rig.fetch.nextTimeoutMs()).toBe(20_000);
    rig.fetch.setHeld(true, 5_000);
    expect(rig.fetch.nextTimeoutMs()).toBe(Number.POSITIVE_INFINITY);
    rig.fetch.setHeld(false, 90_000);
    rig.fetch.handleTimeout(109_999);
    expect(rig.failures).toEqual([]);
    rig.fetch.handleTimeout(110_000);
    expect(rig.failures[0]?.why).toBe('no answer for 20 s');
    expect(rig.fetch.nextTimeoutMs()).toBe(Number.POSITIVE_INFINITY);
  });
});

it('a connection that breaks costs no byte that came', () => {
  let isFirst = true;
  const rig = single((request, self) => {
    const { bytes } = self.partial(request);
    if (!isFirst) return { bytes };
    isFirst = false;
    return { bytes: bytes.subarray(0, bytes.length - 50_001), close: true };
  });
  rig.askAll();
  rig.run();
  expect(rig.requests.map(({ range }) => range)).toEqual([
    [0, 99_999],
    [49_999, 99_999],
  ]);
  expect(Buffer.compare(rig.arrived, rig.content)).toBe(0);
});

it('what nobody waits for any more is not read to its end', () => {
  const rig = single((request, self) => ({ bytes: self.partial(request).bytes.subarray(0, 20_000) }), {
    length: 8 << 20,
  });
  rig.askAll();
  rig.run();
  expect(rig.fetch.requestsInFlight).toBe(1);
  for (let piece = 0; piece < rig.layout.pieceCount; piece++)
    for (let block = 0; block < 4; block++) rig.fetch.cancel(piece, block * BLOCK, BLOCK);
  rig.fetch.pump(0);
  expect(rig.fetch.requestsInFlight).toBe(0);
  expect(rig.fetch.isConnected).toBe(false);
});
