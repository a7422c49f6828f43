// `tt dht enrich RUN --mmdb FILE`: AS, organisation and country of the addresses of a run, from databases.
import path from 'node:path';
import { UsageError } from '../../core/base/result.ts';
import { enrichRun } from '../../dht/dataset/io/enrich.ts';
import { AddressDatabase } from '../../dht/dataset/io/mmdb.ts';
import { done, type Outcome } from '../base/outcome.ts';
import type { CommandContext } from '../contract/context.ts';
import { bigNumber } from '../crawl/crawl-text.ts';
import { openRun } from '../crawl/run-directory.ts';
import { formatFields } from '../terminal/table.ts';
import { safeText } from '../terminal/text.ts';
import { formatShare } from '../terminal/units.ts';

export async function run(context: CommandContext): Promise<Outcome> {
  const { args, flags, environment } = context;
  const files = flags.list('mmdb');
  if (files.length === 0)
    throw new UsageError(
      'enrich needs a database: --mmdb FILE',
      'MaxMind (GeoLite2), DB-IP and IPinfo publish free ones.',
    );
  const { directory, header, store } = await openRun(context, args[0] as string, 'write');
  try {
    const databases = files.map((file) => AddressDatabase.open(path.resolve(environment.cwd, file)));
    const { addresses, known, ambiguous, database, date } = enrichRun(store, directory, header, databases);
    const fields: (readonly [string, string])[] = [
      ['database', safeText(`${database}, built ${date.slice(0, 10)}`)],
      [
        'addresses',
        `${bigNumber(addresses)}, of which it knows ${bigNumber(known)} (${formatShare(known, addresses)})`,
      ],
    ];
    if (ambiguous > 0)
      fields.push(['left out', `${bigNumber(ambiguous)} prefixes that the database splits further`]);
    return done(formatFields(fields).join('\n'), {
      directory,
      database,
      databaseDate: date,
      addresses,
      known,
      ambiguous,
    });
  } finally {
    store.close();
  }
}
