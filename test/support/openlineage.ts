/** Events held against the schemas that they name, which openlineage.io publishes: fetched once, into the cache. */
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import type { AnySchemaObject, ValidateFunction } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { readConfig } from '../../infra/config.ts';
import type { Dataset, Facets, RunEvent } from '../../activities/lineage/events.ts';

const base = 'https://openlineage.io/spec/2-0-2/OpenLineage.json';

/** @returns what is wrong with an event; or a sentence that says why nothing can be told */
export async function openLineageSchemas(): Promise<string | ((event: RunEvent) => Promise<string[]>)> {
  try {
    await schemaAt(base);
  } catch (error) {
    return `the schemas of OpenLineage cannot be fetched: ${(error as Error).message}`;
  }
  const ajv = new Ajv2020({ strict: false, allErrors: true, loadSchema: schemaAt });
  addFormats.default(ajv);
  const known = new Map<string, ValidateFunction>();
  const check = async (url: string, value: unknown): Promise<string[]> => {
    const validate = known.get(url) ?? (await ajv.compileAsync({ $ref: url }));
    known.set(url, validate);
    if (validate(value)) return [];
    return (validate.errors ?? []).map(({ instancePath, message }) => `${url}: ${instancePath} ${message}`);
  };
  return async (event) => {
    const faults = await check(event.schemaURL, event);
    for (const facet of allFacets(event)) faults.push(...(await check(facet['_schemaURL'], facet)));
    return faults;
  };
}

async function schemaAt(url: string): Promise<AnySchemaObject> {
  const [address] = url.split('#') as [string];
  const path = join(readConfig().cacheHome, 'openlineage', new URL(address).pathname);
  if (existsSync(path)) return JSON.parse(await readFile(path, 'utf8')) as AnySchemaObject;
  const response = await fetch(address, { signal: AbortSignal.timeout(10_000) });
  if (!response.ok) throw new Error(`${address} answered ${response.status}`);
  const text = await response.text();
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text);
  return JSON.parse(text) as AnySchemaObject;
}

function allFacets({ run, job, inputs, outputs }: RunEvent) {
  const ofDataset = ({ facets, inputFacets = {}, outputFacets = {} }: Dataset): Facets[] => [
    ...[facets, inputFacets, outputFacets],
  ];
  const all = [run.facets, job.facets, ...[...inputs, ...outputs].flatMap(ofDataset)];
  return all.flatMap((facets) => Object.values(facets));
}
