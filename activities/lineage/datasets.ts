/**
 * What stages read and write, as OpenLineage names it: where it lies, and what is known of it.
 *
 * Names follow the store's layout; what is named by its content has one name a model, and its digest as its version.
 *
 * @see https://openlineage.io/docs/spec/naming
 */
import { resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { DatasetManifest, Part } from '../../contracts/dataset.ts';
import type { PreparedManifest } from '../../contracts/prepared.ts';
import type { PinnedProject } from '../../contracts/project.ts';
import type { Signature } from '../../contracts/serving.ts';
import { sha256 } from '../../infra/digest.ts';
import type { Dataset, Facets, MakeFacet } from './events.ts';

interface Field {
  name: string;
  type: string;
}

interface About {
  version?: string;
  type?: 'FILE' | 'MODEL';
  fields?: readonly Field[];
  facets?: Facets;
  input?: Facets;
  output?: Facets;
}

export class Datasets {
  readonly facet: MakeFacet;
  readonly #uri: string;
  readonly #namespace: string;
  readonly #prefix: string;

  /** @param storeUri `file:///…` or `s3://bucket/prefix?…` */
  constructor(storeUri: string, facet: MakeFacet) {
    const url = new URL(storeUri);
    const isFile = url.protocol === 'file:';
    this.facet = facet;
    this.#namespace = isFile ? 'file' : `s3://${url.host}`;
    const path = isFile ? fileURLToPath(url) : url.pathname.slice(1);
    this.#prefix = path === '' ? '' : `${path.replace(/\/+$/, '')}/`;
    this.#uri = storeUri.replace(/\?.*$/, '');
  }

  /** Of the store, by its key. */
  stored(key: string, { version, type = 'FILE', fields, facets, input, output }: About = {}): Dataset {
    return {
      namespace: this.#namespace,
      name: `${this.#prefix}${key}`,
      facets: {
        ...this.facet('dataSource', { name: this.#namespace, uri: this.#uri }),
        ...this.facet('datasetType', { datasetType: type }),
        ...(version !== undefined && this.facet('version', { datasetVersion: version })),
        ...(fields && this.facet('schema', { fields: numbered(fields) })),
        ...facets,
      },
      ...(input && { inputFacets: input }),
      ...(output && { outputFacets: output }),
    };
  }

  /** Of one source all files, under the pattern that found them. @param read absent while it is not known what is there */
  sources({ root, project }: PinnedProject, read?: DatasetManifest['sources']): Dataset[] {
    return Object.entries(project.sources).map(([source, { path }]) => {
      const files = read?.filter((file) => file.source === source);
      const size = files?.reduce((sum, { bytes }) => sum + bytes, 0);
      return {
        namespace: 'file',
        name: resolve(root, path),
        facets: {
          ...this.facet('dataSource', { name: source, uri: pathToFileURL(root).href }),
          ...this.facet('datasetType', { datasetType: 'FILE' }),
          ...(files && this.facet('version', { datasetVersion: digestOf(files) })),
        },
        ...(files && { inputFacets: this.facet('inputStatistics', { size, fileCount: files.length }) }),
      };
    });
  }

  rows({ name, columns }: DatasetManifest, digest: string, about: About = {}): Dataset {
    return this.stored(`datasets/${name}`, { version: digest, fields: columns, ...about });
  }

  wrote(parts: readonly Part[]): Facets {
    return this.facet('outputStatistics', {
      rowCount: parts.reduce((sum, { rows }) => sum + rows, 0),
      size: parts.reduce((sum, { artifact }) => sum + artifact.bytes, 0),
      fileCount: parts.length,
    });
  }

  prepared(model: string, manifest: PreparedManifest, digest: string, about: About = {}): Dataset {
    return this.stored(`prepared/${model}`, { version: digest, fields: preparedFields(manifest), ...about });
  }

  /** Not registered, and perhaps never. */
  candidate(model: string, digest: string, about: About = {}): Dataset {
    return this.stored(`models/${model}/candidate`, { version: digest, type: 'MODEL', ...about });
  }

  registered(model: string, version: number, about: About = {}): Dataset {
    return this.stored(`models/${model}`, { version: String(version), type: 'MODEL', ...about });
  }

  scorecard(model: string, digest: string, about: About = {}): Dataset {
    return this.stored(`scorecards/${model}`, { version: digest, ...about });
  }

  /** Each prepared column with the one that it is made of. Label and weight are made by us. */
  madeOf(from: Dataset, { project }: PinnedProject, manifest: PreparedManifest): Facets {
    const { namespace, name } = from;
    const entry = (field: string, column: string) => {
      const transformations = [{ type: 'DIRECT', subtype: 'TRANSFORMATION' }];
      return [field, { inputFields: [{ namespace, name, field: column, transformations }] }];
    };
    const features = Object.entries(project.features).map(([feature, { from: column = feature }]) => ({
      feature,
      column,
    }));
    const origin = (field: string) =>
      features.find(({ feature }) => [feature, `${feature}_sin`, `${feature}_cos`].includes(field))?.column;
    const fields = [...manifest.layout.numeric, ...manifest.layout.categorical.map((one) => one.name)];
    const made = fields.flatMap((field) => {
      const column = origin(field);
      return column === undefined ? [] : [entry(field, column)];
    });
    return this.facet('columnLineage', {
      fields: Object.fromEntries([...made, entry('label', manifest.label)]),
    });
  }
}

/** Inputs and outputs of a model, as those who ask it see them. */
export const signatureFields = ({ inputs, outputs }: Signature): Field[] =>
  [...inputs, ...outputs].map(({ name, datatype }) => ({ name, type: datatype }));

/** A model that was trained elsewhere has all rows as they came. */
function preparedFields({ layout, columns, train }: PreparedManifest): readonly Field[] {
  if (train.length === 0) return columns;
  return [
    ...layout.numeric.map((name) => ({ name, type: 'FLOAT' })),
    ...layout.categorical.map(({ name }) => ({ name, type: 'INTEGER' })),
    { name: 'label', type: 'FLOAT' },
    { name: 'weight', type: 'FLOAT' },
  ];
}

const numbered = (fields: readonly Field[]) =>
  fields.map(({ name, type }, i) => ({ name, type, ordinal_position: i + 1 }));

const digestOf = (files: DatasetManifest['sources']): string =>
  sha256(
    files
      .map((file) => file.sha256)
      .toSorted()
      .join(''),
  );
