/** What each stage of a lifecycle reads and writes: pure but for the manifests that it looks up. */
import { z } from 'zod';
import { DatasetManifest, Profile } from '../../contracts/dataset.ts';
import { BrokenCheck } from '../../contracts/lifecycle.ts';
import type { GateResult, Input, Output, Stage } from '../../contracts/lifecycle.ts';
import { PreparedManifest } from '../../contracts/prepared.ts';
import type { PinnedProject, Project } from '../../contracts/project.ts';
import { readJsonBlob } from '../../infra/store/json.ts';
import type { Store } from '../../infra/store/store.ts';
import { nameOf } from '../validate/checks.ts';
import { signatureFields } from './datasets.ts';
import type { Datasets } from './datasets.ts';
import type { Dataset, Facets, MakeFacet } from './events.ts';

export interface Flow {
  inputs: Dataset[];
  outputs: Dataset[];
  /** Of the job, beside those that every stage has. */
  job?: Facets;
}

export interface Reading {
  store: Store;
  datasets: Datasets;
  model: string;
  pinned: PinnedProject;
}

/** What the record says; undefined while the stage runs, and when it failed. */
export type Ended<S extends Stage> = { output: Output<S>; details: Record<string, unknown> } | undefined;

type Flows = { [S in Stage]: (of: Reading, input: Input<S>, ended: Ended<S>) => Promise<Flow> };

export const flows: Flows = {
  async ingest({ store, datasets, pinned }, _input, ended) {
    const job = datasets.facet('sql', { query: pinned.sql, dialect: 'duckdb' });
    if (!ended) return { inputs: datasets.sources(pinned), outputs: [], job };
    const { digest, manifest: artifact } = ended.output;
    const manifest = await readJsonBlob(store, artifact, DatasetManifest);
    const output = datasets.wrote(manifest.parts);
    return {
      inputs: datasets.sources(pinned, manifest.sources),
      outputs: [datasets.rows(manifest, digest, { output })],
      job,
    };
  },

  async validate({ store, datasets, pinned }, { dataset }, ended) {
    const manifest = await readJsonBlob(store, dataset.manifest, DatasetManifest);
    if (!ended) return { inputs: [datasets.rows(manifest, dataset.digest)], outputs: [] };
    const profile = await readJsonBlob(store, ended.output.profile, Profile);
    const broken = z.array(BrokenCheck).safeParse(ended.details['broken']).data ?? ended.output.broken;
    const input = {
      ...datasets.facet('dataQualityMetrics', measured(profile, manifest)),
      ...datasets.facet('dataQualityAssertions', { assertions: asserted(pinned.project.checks, broken) }),
    };
    return { inputs: [datasets.rows(manifest, dataset.digest, { input })], outputs: [] };
  },

  async prepare({ store, datasets, model, pinned }, { dataset }, ended) {
    const manifest = await readJsonBlob(store, dataset.manifest, DatasetManifest);
    const from = datasets.rows(manifest, dataset.digest);
    if (!ended) return { inputs: [from], outputs: [] };
    const artifact = ended.output.manifest;
    const prepared = await readJsonBlob(store, artifact, PreparedManifest);
    const output = datasets.wrote([...prepared.train, ...prepared.validation, ...prepared.holdout]);
    const facets = prepared.train.length > 0 ? datasets.madeOf(from, pinned, prepared) : {};
    return {
      inputs: [from],
      outputs: [datasets.prepared(model, prepared, artifact.sha256, { facets, output })],
    };
  },

  async train({ store, datasets, model }, { prepared: { manifest, rows } }, ended) {
    const prepared = await readJsonBlob(store, manifest, PreparedManifest);
    const input = datasets.facet('inputStatistics', { rowCount: rows.train + rows.validation });
    const inputs = [datasets.prepared(model, prepared, manifest.sha256, { input })];
    if (!ended) return { inputs, outputs: [] };
    const { sha256, bytes } = ended.output.model;
    const output = datasets.facet('outputStatistics', { size: bytes, fileCount: 1 });
    const fields = signatureFields(prepared.signature);
    return { inputs, outputs: [datasets.candidate(model, sha256, { fields, output })] };
  },

  async evaluate({ store, datasets, model }, { prepared: { manifest, rows }, candidate, champion }, ended) {
    const prepared = await readJsonBlob(store, manifest, PreparedManifest);
    const fields = signatureFields(prepared.signature);
    const judged = ended && gated(datasets.facet, ended.output.gates);
    const inputs = [
      datasets.prepared(model, prepared, manifest.sha256, {
        input: datasets.facet('inputStatistics', { rowCount: rows.holdout }),
      }),
      datasets.candidate(model, candidate.model.sha256, { fields, ...(judged && { input: judged }) }),
      ...(champion ? [datasets.registered(model, champion.version)] : []),
    ];
    return { inputs, outputs: ended ? [datasets.scorecard(model, ended.output.scorecard.sha256)] : [] };
  },

  async deploy({ store, datasets, model }, { prepared, candidate, scorecard, verdict }, ended) {
    const { signature } = await readJsonBlob(store, prepared.manifest, PreparedManifest);
    const fields = signatureFields(signature);
    const inputs = [
      datasets.candidate(model, candidate.model.sha256, { fields }),
      datasets.scorecard(model, scorecard.scorecard.sha256),
      datasets.stored(`approvals/${model}`, { version: verdict.requestId }),
    ];
    return { inputs, outputs: ended ? [datasets.registered(model, ended.output.version, { fields })] : [] };
  },
};

function measured(profile: Profile, { parts }: DatasetManifest) {
  const metrics = profile.columns.map(({ name, rows, nulls, distinct, min, max, deciles }) => {
    const quantiles = deciles && Object.fromEntries(deciles.map((value, i) => [String(i / 10), value]));
    const bounds = { ...(min !== undefined && { min }), ...(max !== undefined && { max }) };
    return [
      name,
      {
        ...{ nullCount: nulls, distinctCount: distinct, count: rows - nulls },
        ...bounds,
        ...(quantiles && { quantiles }),
      },
    ];
  });
  return {
    rowCount: profile.rows,
    bytes: parts.reduce((sum, { artifact }) => sum + artifact.bytes, 0),
    fileCount: parts.length,
    columnMetrics: Object.fromEntries(metrics),
  };
}

/** Every check of the project, and what is broken besides: the schema's comparison with the last good version. */
function asserted(checks: Project['checks'], broken: readonly BrokenCheck[]): object[] {
  const declared = checks.map((check) => {
    const name = nameOf(check);
    const fault = broken.find((one) => one.check === name);
    return {
      assertion: check.check,
      success: fault === undefined,
      name,
      severity: check.severity,
      ...('column' in check && { column: check.column }),
      ...(check.check === 'sql' && { content: check.holds, contentType: 'sql' }),
      ...(fault && { description: fault.detail, actual: String(fault.count) }),
    };
  });
  const names = new Set(checks.map(nameOf));
  const others = broken
    .filter(({ check }) => !names.has(check))
    .map(({ check, severity, detail, count }) => ({
      ...{ assertion: 'schema', success: false, name: check, severity },
      ...{ description: detail, actual: String(count) },
    }));
  return [...declared, ...others];
}

function gated(facet: MakeFacet, gates: readonly GateResult[]): Facets {
  const assertions = gates.map(({ metric, bound, limit, value, passed }) => ({
    ...{ assertion: 'gate', success: passed, name: `${metric} ${bound}`, severity: 'error' },
    ...{ expected: String(limit), ...(value !== null && { actual: String(value) }) },
  }));
  return facet('dataQualityAssertions', { assertions });
}
