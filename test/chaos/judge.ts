/** The evidence of a town, gathered and judged. Stops its stack: what is left then should not be. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { workflowBundle } from '../../infra/workflow-bundle.ts';
import { readAcknowledged, readDisturbances } from './checker/acknowledged.ts';
import { check } from './checker/check.ts';
import type { Breach } from './checker/check.ts';
import type { Evidence } from './checker/evidence.ts';
import { askServer, gather, portsOf } from './checker/gather.ts';
import { canary } from './town.ts';
import type { Town } from './town.ts';

export async function judge(town: Town): Promise<{ evidence: Evidence; breaches: Breach[] }> {
  const { esteira, config, home, files, stack } = town;
  const server = await askServer(esteira.client, await workflowBundle(config.cacheHome));
  await stack.stop();
  const evidence = await gather({
    ...{ store: esteira.store, storeFolder: fileURLToPath(config.store), home, server, stopped: true },
    cacheDir: join(config.cacheHome, 'artifacts'),
    acknowledged: readAcknowledged(files.acknowledged),
    disturbances: readDisturbances(files.disturbances),
    canaries: [canary],
    ports: portsOf(stack),
  });
  return { evidence, breaches: check(evidence) };
}
