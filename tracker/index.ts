// The public face of the tracker library: trackers as a peer source, single questions, and a tracker of one's own.

export type { ProxyConnect } from './io/http-client.ts';
export {
  type AnnounceOnceOptions,
  type AnnounceOnceResult,
  announceOnce,
  type ScrapeOnceResult,
  scrapeOnce,
} from './io/once.ts';
export type { IpFamily, TrackerClientOptions } from './io/tracker-client.ts';
export { TrackerSource, type TrackerSourceOptions } from './io/tracker-source.ts';
export { type ListeningOn, TrackerServer, type TrackerServerOptions } from './serve/tracker-server.ts';
export type { ServedAnnounce, TrackerStats } from './serve/tracker-service.ts';
export { parseTrackerUrl, type TrackerUrl } from './tracker-url.ts';
