// The screen without a terminal: takes pictures, events and keys, and says which rows to show. What keys ask for goes out
// through `control`. Ink only draws what this gives it.
import type { Command, SessionEvent } from '../../core/session/session-api.ts';
import type { SessionSnapshot } from '../../core/session/snapshot.ts';
import { parseHostPort } from '../base/parse.ts';
import { safeText } from '../terminal/text.ts';
import { History } from './history.ts';
import { eventWords, ScreenLog } from './panels/log.ts';
import { completionText } from './panels/overview.ts';
import { INITIAL_STATE, isDetailView, type UiState } from './state.ts';
import { paintLine, type Tone } from './styled.ts';
import { type Effect, paste, press } from './update.ts';
import { viewLines } from './view.ts';

/** What the screen may ask of the program around it. */
export interface ScreenControl {
  command(command: Command): Promise<void>;
  /** A fresh picture, so that the next key counts from what the last one did. */
  readonly snapshot?: () => SessionSnapshot;
  /** Adds what was pasted: magnet, file, URL or hash. undefined: this command takes nothing more. */
  readonly add: ((source: string) => Promise<void>) | undefined;
  /** A clean end, asked for by `q`. */
  quit(): void;
  /** Ctrl-C: raw mode makes it a key, it means the signal all the same. */
  interrupt(): void;
}

export interface ScreenModelOptions {
  readonly control: ScreenControl;
  readonly hasColor: boolean;
  readonly nowMs: () => number;
}

export class ScreenModel {
  /** Ctrl-Z; set once there is a terminal to give back. */
  onSuspend: (() => void) | undefined;
  onRedraw: (() => void) | undefined;
  private readonly options: ScreenModelOptions;
  private readonly history = new History();
  private readonly log = new ScreenLog();
  private readonly startedAtMs: number;
  private readonly listeners = new Set<() => void>();
  private ui: UiState = INITIAL_STATE;
  private snapshot: SessionSnapshot | undefined;
  private count = 0;

  constructor(options: ScreenModelOptions) {
    this.options = options;
    this.startedAtMs = options.nowMs();
  }

  /** Changes whenever there is something else to draw. */
  readonly version = (): number => this.count;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  setSnapshot(snapshot: SessionSnapshot): void {
    this.snapshot = snapshot;
    this.history.add(snapshot);
    this.changed();
  }

  /** Shown with the next picture: events come in bursts. */
  handleEvent(event: SessionEvent): void {
    const words = eventWords(event);
    if (words === undefined) return;
    this.note(words[1], words[0]);
    if (event.kind !== 'completed') return;
    const torrent = this.snapshot?.torrents.find(({ infoHash }) => infoHash === event.torrent);
    if (torrent !== undefined) this.note(completionText(torrent), 'good');
  }

  /** A line of safe text for the log. */
  note(text: string, tone?: Tone): void {
    this.log.add({ atMs: this.options.nowMs(), tone, text });
  }

  press(key: string): void {
    if (this.snapshot === undefined) {
      if (key === 'ctrl-c') this.options.control.interrupt();
      if (key === 'q') this.options.control.quit();
      return;
    }
    const update = press({ ui: this.ui, snapshot: this.snapshot, logRows: this.log.entries.length }, key);
    this.ui = update.ui;
    this.changed();
    for (const effect of update.effects) this.run(effect);
  }

  paste(text: string): void {
    this.ui = paste(this.ui, text);
    this.changed();
  }

  /** The rows of the terminal, top first. */
  frame(columns: number, rows: number): readonly string[] {
    const { ui, snapshot, history, log, startedAtMs } = this;
    return viewLines({ ui, snapshot, history, log, startedAtMs }, columns, rows).map((line) =>
      paintLine(line, columns, this.options.hasColor),
    );
  }

  private run(effect: Effect): void {
    const { control } = this.options;
    switch (effect.kind) {
      case 'quit':
        control.quit();
        break;
      case 'interrupt':
        control.interrupt();
        break;
      case 'suspend':
        this.onSuspend?.();
        break;
      case 'redraw':
        this.onRedraw?.();
        break;
      case 'command':
        this.attempt(control.command(effect.command));
        if (control.snapshot !== undefined) this.setSnapshot(control.snapshot());
        break;
      case 'add':
        this.add(effect.text, effect.torrent);
        break;
    }
  }

  private add(text: string, torrent: string | undefined): void {
    const { control } = this.options;
    const peer = parseHostPort(text);
    if (peer.ok && torrent !== undefined) {
      this.say(`connecting to ${safeText(text)}`);
      this.attempt(control.command({ kind: 'add-peer', torrent, ...peer.value }));
    } else if (control.add === undefined) {
      this.say('nothing can be added here');
    } else {
      this.say(`adding ${safeText(text)}`);
      const added = (): void => {
        const isDetail = this.snapshot !== undefined && isDetailView(this.ui, this.snapshot);
        this.say(isDetail ? 'added; Esc shows the list of torrents' : 'added');
      };
      this.attempt(control.add(text).then(added));
    }
  }

  /** What goes wrong is told where the person looks, and kept in the log. */
  private attempt(work: Promise<void>): void {
    work.catch((error: unknown) => {
      const text = safeText(error instanceof Error ? error.message : String(error));
      this.note(text, 'bad');
      this.say(text);
    });
  }

  private say(message: string): void {
    this.ui = { ...this.ui, message };
    this.changed();
  }

  private changed(): void {
    this.count++;
    for (const listener of this.listeners) listener();
  }
}
