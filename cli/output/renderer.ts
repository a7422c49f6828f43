// How a running session is shown. Every view (progress line, NDJSON, nothing, and later the full screen) is one of these:
// pictures come at the pace it asks for, facts as they happen.
import type { SessionEvent } from '../../core/session/session-api.ts';
import type { SessionSnapshot } from '../../core/session/snapshot.ts';

export interface Renderer {
  /** How often a picture is wanted; undefined: never. */
  readonly intervalMs: number | undefined;
  /** Where the first is wanted sooner. */
  readonly firstAfterMs?: number;
  render(snapshot: SessionSnapshot): void;
  handleEvent(event: SessionEvent): void;
  /** Leaves the terminal as it was found. */
  close(): void;
}

/** Progress of one piece of work counted in bytes: hashing for create and verify. */
export interface Meter {
  update(bytes: number, totalBytes: number): void;
  close(): void;
}

export const quietRenderer: Renderer = {
  intervalMs: undefined,
  render: () => {},
  handleEvent: () => {},
  close: () => {},
};

export const quietMeter: Meter = { update: () => {}, close: () => {} };
