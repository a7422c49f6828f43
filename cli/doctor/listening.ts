// The port a download would listen on, held open while the other parts of `tt doctor` look around; and what the last
// session that ran here saw of the world coming in.
import { OperationError } from '../../core/base/result.ts';
import { Listeners } from '../../core/session/listeners.ts';
import { failureOf } from '../base/failure.ts';
import { formatCount, formatElapsed, formatUnixSeconds } from '../terminal/units.ts';
import { type Reachability, readReachability } from '../transfer/reachability.ts';
import {
  bad,
  type DoctorContext,
  type DoctorFact,
  type DoctorSection,
  good,
  notChecked,
  note,
} from './section.ts';

const WILDCARDS: readonly string[] = ['0.0.0.0', '::'];

/** What the last session saw. Pure. */
export function reachabilityFact(last: Reachability | undefined): DoctorFact {
  const id = 'came-in';
  const name = 'Coming in';
  if (last === undefined) return notChecked(id, name, 'no session has ended here yet that could tell');
  const when = formatUnixSeconds(Math.floor(last.atUnixMs / 1000));
  const data = { ...last };
  if (last.fromOutside > 0) {
    return good(
      id,
      name,
      `${formatCount(last.fromOutside, 'peer')} from outside, last session (${when})`,
      data,
    );
  }
  const local = last.incomingCount > 0 ? `, ${last.incomingCount} from this network` : '';
  return note(
    id,
    name,
    `nobody from outside in ${formatElapsed(last.elapsedMs)} of the last session (${when})${local}`,
    'After a longer session that means: forward the port at the router, or use IPv6. Half of all peers cannot reach you.',
    data,
  );
}

function portFact(context: DoctorContext, listeners: Listeners): DoctorFact {
  const listening = listeners.snapshot();
  const port = listening[0]?.port ?? 0;
  const [first, last] = context.settings.port;
  const hosts = listening.map(({ host }) => host).join(' and ');
  const data = { port, hosts: listening.map(({ host }) => host), first, last };
  if (first === 0) return good('tcp', 'TCP', `any free port, ${port} just now, on ${hosts}`, data);
  const busy = port - first;
  const taken = busy > 0 ? ` (${first}${busy > 1 ? `-${port - 1}` : ''} taken, by another tt perhaps)` : '';
  return good('tcp', 'TCP', `port ${port} is free on ${hosts}${taken}`, data);
}

export class ListeningExam {
  readonly #context: DoctorContext;
  readonly #listeners = new Listeners();
  #port: DoctorFact | undefined;
  #cameIn = 0;

  constructor(context: DoctorContext) {
    this.#context = context;
  }

  /** @returns the port; 0 when none could be had */
  async open(): Promise<number> {
    const { settings, bindAddresses } = this.#context;
    if (settings.proxy !== '') {
      this.#port = good('tcp', 'TCP', 'nothing listens behind a proxy', { port: null });
      return 0;
    }
    try {
      await this.#listeners.open(bindAddresses ?? WILDCARDS, settings.port, (stream) => {
        this.#cameIn++;
        stream.events = { onBytes: () => {}, onDrain: () => {}, onClose: () => {} };
        stream.destroy();
      });
      this.#port = portFact(this.#context, this.#listeners);
    } catch (error) {
      if (!(error instanceof OperationError)) throw error;
      const { message } = failureOf(error);
      const advice = `${error.hint ?? 'Name other ports'}: --port FIRST-LAST, or 0 for any.`;
      this.#port = bad('tcp', 'TCP', message, advice, 'network');
    }
    return this.#listeners.port;
  }

  /** Closes it and tells. */
  async close(): Promise<DoctorSection> {
    await this.#listeners.close();
    const port = this.#port ?? notChecked('tcp', 'TCP', 'interrupted');
    const last = await readReachability(this.#context.settings.stateDir);
    const facts = [port];
    if (this.#cameIn > 0) {
      const value = `${formatCount(this.#cameIn, 'connection')} while this page was made`;
      facts.push(good('knocks', 'Knocks', value, { count: this.#cameIn }));
    }
    return { id: 'listening', title: 'Listening', facts: [...facts, reachabilityFact(last)] };
  }
}
