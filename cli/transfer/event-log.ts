// Session events as log lines: what -v shows on the terminal, and what a log file tells afterwards.
import type { Log, LogLevel } from '../../core/base/log.ts';
import type { SessionEvent } from '../../core/session/session-api.ts';
import { eventRecord } from '../output/events-renderer.ts';

const LEVELS: Readonly<Record<SessionEvent['kind'], LogLevel>> = {
  added: 'info',
  metadata: 'info',
  checking: 'debug',
  checked: 'info',
  started: 'info',
  'first-byte': 'info',
  piece: 'trace',
  'piece-failed': 'info',
  'file-complete': 'info',
  completed: 'info',
  'peer-connected': 'debug',
  'peer-disconnected': 'debug',
  // These three are told to people in any case; here they are for the file.
  'peer-banned': 'debug',
  'source-error': 'debug',
  error: 'debug',
  paused: 'info',
  resumed: 'info',
  stopped: 'info',
};

export function logEvent(log: Log, event: SessionEvent): void {
  const { schema: _schema, event: kind, atMs: _atMs, ...fields } = eventRecord(event);
  log(LEVELS[event.kind], String(kind), fields);
}
