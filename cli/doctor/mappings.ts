// Port mappings at the router (PCP, NAT-PMP, UPnP). This version makes none, so there is nothing to report but that.
import { type DoctorProbe, notChecked } from './section.ts';

/** The place for what core/nat finds out: a probe like the others. */
export const mappingsProbe: DoctorProbe = {
  id: 'mappings',
  title: 'Port mappings',
  run: async () => [
    {
      id: 'mappings',
      title: 'Port mappings',
      facts: [notChecked('mapping', 'Mapping', 'this version asks no router for one')],
    },
  ],
};
