/**
 * OpenLineage's words: events, datasets, and facets with the schema that each follows.
 *
 * @see https://openlineage.io/spec/2-0-2/OpenLineage.json
 */
import { createHash } from 'node:crypto';

export interface Facet {
  _producer: string;
  _schemaURL: string;
  [field: string]: unknown;
}
export type Facets = Record<string, Facet>;

export interface Dataset {
  namespace: string;
  name: string;
  facets: Facets;
  inputFacets?: Facets;
  outputFacets?: Facets;
}

/** A run begins once, and ends in one of the other three. */
export type EventType = 'START' | 'COMPLETE' | 'FAIL' | 'ABORT';

export interface RunEvent {
  eventType: EventType;
  eventTime: string;
  run: { runId: string; facets: Facets };
  job: { namespace: string; name: string; facets: Facets };
  inputs: Dataset[];
  outputs: Dataset[];
  producer: string;
  schemaURL: string;
}

export const eventSchema = 'https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent';

/** By the name that a facet has in an event: its schema and that schema's version. */
const schemas = {
  parent: ['ParentRunFacet', '1-2-0'],
  nominalTime: ['NominalTimeRunFacet', '1-0-1'],
  processing_engine: ['ProcessingEngineRunFacet', '1-1-1'],
  errorMessage: ['ErrorMessageRunFacet', '1-0-1'],
  tags: ['TagsRunFacet', '1-0-0'],
  documentation: ['DocumentationJobFacet', '1-1-0'],
  jobType: ['JobTypeJobFacet', '2-0-4'],
  ownership: ['OwnershipJobFacet', '1-0-1'],
  sourceCodeLocation: ['SourceCodeLocationJobFacet', '1-1-0'],
  sql: ['SQLJobFacet', '1-1-0'],
  schema: ['SchemaDatasetFacet', '1-2-0'],
  dataSource: ['DatasourceDatasetFacet', '1-0-1'],
  version: ['DatasetVersionDatasetFacet', '1-0-1'],
  datasetType: ['DatasetTypeDatasetFacet', '1-0-1'],
  columnLineage: ['ColumnLineageDatasetFacet', '1-2-0'],
  inputStatistics: ['InputStatisticsInputDatasetFacet', '1-0-0'],
  dataQualityMetrics: ['DataQualityMetricsInputDatasetFacet', '1-0-3'],
  dataQualityAssertions: ['DataQualityAssertionsDatasetFacet', '1-1-0'],
  outputStatistics: ['OutputStatisticsOutputDatasetFacet', '1-0-2'],
} as const;

/** @returns makers of facets, by their names, to be spread into an event */
export function facetsBy(producer: string) {
  return (name: keyof typeof schemas, fields: object): Facets => {
    const [schema, version] = schemas[name];
    const url = `https://openlineage.io/spec/facets/${version}/${schema}.json#/$defs/${schema}`;
    return { [name]: { _producer: producer, _schemaURL: url, ...fields } };
  };
}
export type MakeFacet = ReturnType<typeof facetsBy>;

/**
 * The same name in the same store is the same run, whoever tells of it: version 5, over the store's own id.
 *
 * @see RFC 9562, section 5.5
 */
export function runIdOf(storeId: string, name: string): string {
  const hash = createHash('sha1')
    .update(Buffer.from(storeId.replaceAll('-', ''), 'hex'))
    .update(name)
    .digest();
  hash[6] = (hash[6]! & 0x0f) | 0x50;
  hash[8] = (hash[8]! & 0x3f) | 0x80;
  const hex = hash.toString('hex').slice(0, 32);
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
