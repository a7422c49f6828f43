// Port mappings (PCP, NAT-PMP, UPnP): asks the router for the port a download would listen on, and gives it back at once.
import { setTimeout as sleep } from 'node:timers/promises';
import type { FamilyMappings } from '../../core/nat/io/mapping-service.ts';
import { systemClock, systemRng } from '../../core/session/system.ts';
import { mappingLine } from '../nat/report.ts';
import {
  type DoctorContext,
  type DoctorFact,
  type DoctorProbe,
  type DoctorSection,
  good,
  notChecked,
  note,
} from './section.ts';

const ID = 'mappings';
const TITLE = 'Port mappings';
const POLL_MS = 25;
/** Where the settings let the system choose. */
const ANY_PORT = 6891;

/** @returns why it is not looked at, or undefined */
function whyNot({ isOffline, settings }: DoctorContext): string | undefined {
  if (isOffline) return '--offline';
  if (!settings.portMap) return 'port-map is off (tt config shows where)';
  return settings.proxy === '' ? undefined : 'behind a proxy no port is mapped';
}

/** What the router forwards. */
function mappingFacts(families: readonly FamilyMappings[]): DoctorFact[] {
  const facts: DoctorFact[] = [];
  for (const { family, mappings } of families) {
    for (const mapping of mappings) {
      const id = `mapping${family}-${mapping.transport}`;
      const name = `${mapping.transport.toUpperCase()}, IPv${family}`;
      const text = mappingLine(mapping);
      const { renewInMs: _, ...data } = mapping;
      if (mapping.state === 'claimed' || mapping.state === 'verified') facts.push(good(id, name, text, data));
      else if (mapping.state === 'asking') facts.push(notChecked(id, name, text));
      else {
        const advice = 'Switch on UPnP, NAT-PMP or PCP at the router, or forward the port there by hand.';
        facts.push(note(id, name, text, advice, data));
      }
    }
  }
  return facts.length > 0 ? facts : [notChecked('mapping', 'Mapping', 'there is no router to ask')];
}

async function examine(context: DoctorContext): Promise<readonly DoctorSection[]> {
  const why = whyNot(context);
  if (why !== undefined) return [{ id: ID, title: TITLE, facts: [notChecked('mapping', 'Mapping', why)] }];
  const { MappingService } = await import('../../core/nat/io/mapping-service.ts');
  const { settings, bindAddresses, log, signal, deadlineMs, nowMs } = context;
  const port = settings.port[0] === 0 ? ANY_PORT : settings.port[0];
  const service = new MappingService({
    clock: systemClock,
    rng: systemRng,
    log,
    stateDir: settings.stateDir,
    families: [4, 6],
    ports: { tcp: port, udp: port },
    bindAddresses,
    onChange: () => undefined,
    onClaim: () => undefined,
    onGatewayNews: () => undefined,
  });
  try {
    await service.start();
    const isOpen = (): boolean =>
      service.snapshot().some(({ mappings }) => mappings.some(({ state }) => state === 'asking'));
    while (isOpen() && nowMs() < deadlineMs && !signal.aborted) await sleep(POLL_MS);
    return [{ id: ID, title: TITLE, facts: mappingFacts(service.snapshot()) }];
  } finally {
    await service.close();
  }
}

export const mappingsProbe: DoctorProbe = { id: ID, title: TITLE, run: examine };
