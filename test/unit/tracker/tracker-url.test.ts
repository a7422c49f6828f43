import { describe, expect, it } from 'vitest';
import { joinQuery, parseTrackerUrl, scrapeUrlOf, type TrackerUrl } from '../../../tracker/tracker-url.ts';
import { readVectors } from './material.ts';

function parsed(text: string): TrackerUrl {
  const result = parseTrackerUrl(text);
  if (!result.ok) throw new Error(result.reason.what);
  return result.value;
}

describe('tracker URLs', () => {
  it('take http, https and udp with a port', () => {
    expect(parsed(' HTTP://Tracker.Example/announce?key=A ')).toMatchObject({
      scheme: 'http',
      host: 'tracker.example',
      port: 80,
      target: '/announce?key=A',
      href: 'http://tracker.example/announce?key=A',
    });
    expect(parsed('https://t.example:8443/a').port).toBe(8443);
    expect(parsed('udp://[::1]:6969/announce')).toMatchObject({ scheme: 'udp', host: '::1', port: 6969 });
    expect(parsed('udp://t.example:80')).toMatchObject({ target: '' });
  });

  it('keep a password out of what is shown', () => {
    expect(parsed('http://me:s%20ecret@t.example/announce')).toMatchObject({
      credentials: 'me:s ecret',
      href: 'http://t.example/announce',
    });
  });

  it.each([
    ['wss://t.example/announce', 'wss:// trackers are not supported'],
    ['udp://t.example/announce', 'tracker URL without a port'],
    ['not a url', 'not a URL'],
    [`http://t.example/${'a'.repeat(2048)}`, 'tracker URL of 2065 characters'],
  ])('refuse %s', (text, what) => {
    expect(parseTrackerUrl(text)).toEqual({ ok: false, reason: { what } });
  });

  it('lead to their scrape as BEP 48 says', () => {
    const { urls } = readVectors<{ urls: [string, string | null][] }>('bep48');
    expect(urls.length).toBeGreaterThan(5);
    for (const [announce, scrape] of urls) {
      expect([announce, scrapeUrlOf(parsed(announce))?.href ?? null]).toEqual([announce, scrape]);
    }
  });

  it('take a query with ? or &', () => {
    const { announce_url_join: joins } = readVectors<{ announce_url_join: [string, string][] }>('bep23');
    for (const [url, mark] of joins) {
      const { target } = parsed(url);
      expect(joinQuery(target, 'a=1')).toBe(`${target}${mark}a=1`);
    }
  });
});
