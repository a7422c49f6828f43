import { describe, expect, it } from 'vitest';
import {
  flagValue,
  type Parser,
  parseBytes,
  parseChoice,
  parseCount,
  parseDurationMs,
  parseHostPort,
  parseNumber,
  parseOnOff,
  parsePort,
  parsePortRange,
  parseProxy,
  parseRate,
  parseRatio,
  parseTracker,
  parseWebUrl,
} from '../../../cli/base/parse.ts';
import { UsageError } from '../../../core/base/result.ts';
import fc from '../../support/property.ts';

function value<T>(parse: Parser<T>, text: string): T | undefined {
  const parsed = parse(text);
  return parsed.ok ? parsed.value : undefined;
}

describe('sizes and rates', () => {
  it.each([
    ['0', 0],
    ['512', 512],
    ['10M', 10 * 2 ** 20],
    ['10MiB', 10 * 2 ** 20],
    ['10mib', 10 * 2 ** 20],
    ['10MB', 10e6],
    ['1.5K', 1536],
    ['2 GiB', 2 ** 31],
    ['1T', 2 ** 40],
  ])('%s is %d bytes', (text, bytes) => {
    expect(value(parseBytes, text)).toBe(bytes);
    expect(value(parseRate, text)).toBe(bytes);
    expect(value(parseRate, `${text}/s`)).toBe(bytes);
  });

  it.each(['', '-1', 'M', '10X', '1e9', '10MM', '0x10', '99999999T', 'NaN', '10M/h'])(
    'refuses %j',
    (text) => {
      expect(value(parseRate, text)).toBeUndefined();
    },
  );
});

describe('times', () => {
  it.each([
    ['30', 30_000],
    ['0.5', 500],
    ['90s', 90_000],
    ['500ms', 500],
    ['1h30m', 5_400_000],
    ['2d', 172_800_000],
  ])('%s is %d ms', (text, ms) => expect(value(parseDurationMs, text)).toBe(ms));

  it.each(['', 's', '1x', '-5', '1h 30m', '30d', '9999999999'])('refuses %j', (text) =>
    expect(value(parseDurationMs, text)).toBeUndefined(),
  );
});

describe('ports', () => {
  it('reads a port, a range and 0', () => {
    expect(value(parsePortRange, '6881')).toEqual([6881, 6881]);
    expect(value(parsePortRange, '6881-6889')).toEqual([6881, 6889]);
    expect(value(parsePortRange, '0')).toEqual([0, 0]);
    expect(value(parsePort, '65535')).toBe(65535);
  });
  it.each(['', '65536', '-1', '6889-6881', '0-10', '1-2-3', '6881-', 'http', '1.5', '000001'])(
    'refuses %j',
    (text) => expect(value(parsePortRange, text)).toBeUndefined(),
  );
});

describe('HOST:PORT', () => {
  it.each([
    ['192.0.2.1:80', '192.0.2.1', 80],
    ['[2001:db8::1]:6881', '2001:db8::1', 6881],
    ['seed.example:1', 'seed.example', 1],
    ['localhost:65535', 'localhost', 65535],
  ])('reads %s', (text, host, port) => expect(value(parseHostPort, text)).toEqual({ host, port }));

  it.each([
    'host',
    ':80',
    'host:',
    'host:0',
    '1.2.3:80',
    '999.1.1.1:80',
    '2001:db8::1:80',
    '[x]:80',
    '[1.2.3.4]:80',
    'a b:80',
    'http://x:80',
  ])('refuses %j', (text) => expect(value(parseHostPort, text)).toBeUndefined());
});

it('reads counts, ratios, switches and choices', () => {
  expect(value(parseCount, '200')).toBe(200);
  expect(value(parseCount, '0')).toBeUndefined();
  expect(value(parseRatio, '1.5')).toBe(1.5);
  expect(value(parseRatio, '-1')).toBeUndefined();
  expect(value(parseNumber, '0.5')).toBe(0.5);
  // Nobody who sets a rate has asked for a ratio.
  expect(parseNumber('1e3')).toMatchObject({ ok: false, reason: { what: 'not a number like 2 or 0.5' } });
  expect(value(parseOnOff, 'Yes')).toBe(true);
  expect(value(parseOnOff, '0')).toBe(false);
  expect(value(parseOnOff, 'maybe')).toBeUndefined();
  expect(value(parseChoice(['a', 'b']), 'b')).toBe('b');
  expect(value(parseChoice(['a', 'b']), 'c')).toBeUndefined();
});

it('knows trackers, web seeds and proxies from each other', () => {
  expect(value(parseTracker, 'udp://tracker.example:6969')).toBe('udp://tracker.example:6969');
  expect(value(parseTracker, 'udp://tracker.example')).toBeUndefined();
  expect(value(parseTracker, 'ftp://x/')).toBeUndefined();
  expect(value(parseWebUrl, 'https://x.example/a')).toBe('https://x.example/a');
  expect(value(parseWebUrl, 'udp://x:1')).toBeUndefined();
  expect(value(parseProxy, 'socks5://u:p@h:1')).toBe('socks5://u:p@h:1');
  expect(value(parseProxy, 'http://h:1')).toBeUndefined();
});

it('names flag, value and rule in what it throws', () => {
  expect(() => flagValue('--port', '99999', parsePort)).toThrow(UsageError);
  expect(() => flagValue('--port', '99999', parsePort)).toThrow(/--port: "99999".*1 to 65535/);
});

it('never throws on any text', () => {
  const parsers = [
    parseBytes,
    parseRate,
    parseDurationMs,
    parsePortRange,
    parseHostPort,
    parseProxy,
    parseTracker,
    parseRatio,
  ];
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (text) => {
      for (const parse of parsers) expect(typeof parse(text).ok).toBe('boolean');
    }),
  );
});
