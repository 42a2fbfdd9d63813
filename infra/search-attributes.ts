/** Makes our search attributes known to a namespace that somebody else runs. */
import type { Connection } from '@temporalio/client';
import { searchAttributes } from '../contracts/search.ts';

/** Numbers of `temporal.api.enums.v1.IndexedValueType`. */
const valueTypes = { KEYWORD: 2, INT: 3 } as const;

/** Adds what is missing, so it may run at every start. @throws when they are missing and we may not add them */
export async function registerSearchAttributes(connection: Connection, namespace: string): Promise<void> {
  const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace });
  const missing = Object.entries(searchAttributes).filter(([name]) => !(name in (customAttributes ?? {})));
  if (missing.length === 0) return;
  await connection.operatorService.addSearchAttributes({
    namespace,
    searchAttributes: Object.fromEntries(missing.map(([name, type]) => [name, valueTypes[type]])),
  });
}
