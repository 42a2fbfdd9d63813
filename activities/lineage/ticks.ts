/** What a tick of monitoring, and the rules after it, read and write. */
import type { MonitorActivities, RetrainActivities } from '../../contracts/activities.ts';
import { TickRecord } from '../../contracts/monitor.ts';
import type { TickSummary } from '../../contracts/monitor.ts';
import type { PinnedProject } from '../../contracts/project.ts';
import { VersionRecord } from '../../contracts/serving.ts';
import type { Signature } from '../../contracts/serving.ts';
import { readJson, readJsonBlob } from '../../infra/store/json.ts';
import type { Store } from '../../infra/store/store.ts';
import { versionKey } from '../deploy/slots.ts';
import { championOf } from '../monitor/champion.ts';
import type { Datasets } from './datasets.ts';
import type { Dataset, Facets } from './events.ts';
import type { Flow } from './stages.ts';

export type MonitorInput = Parameters<MonitorActivities['monitor']>[0];
export type RetrainInput = Parameters<RetrainActivities['retrain']>[0];
export type RetrainAnswers = Awaited<ReturnType<RetrainActivities['retrain']>>;

/** The version that a tick is about: absent while nothing serves. */
export interface Watched {
  version: number;
  lifecycleId: string;
  pinned: PinnedProject;
  signature: Signature;
}

/** @param version of the tick's record, when there is one: it may not be the one that serves now */
export async function watchedBy(store: Store, model: string, version?: number): Promise<Watched | undefined> {
  const now = await championOf(store, model);
  if (!now) return undefined;
  const { pinned, made } = now;
  const then = version ?? now.version;
  const record =
    then === now.version ? undefined : await readJson(store, versionKey(model, then), VersionRecord);
  const lifecycleId = record?.value.lifecycleId ?? made.lifecycleId;
  return { version: then, lifecycleId, pinned, signature: made.signature };
}

export async function monitorFlow(
  { store, datasets }: { store: Store; datasets: Datasets },
  { model }: MonitorInput,
  watched: Watched | undefined,
  summary: TickSummary | undefined,
): Promise<Flow> {
  const tick = summary && (await readJsonBlob(store, summary.record, TickRecord));
  const fields = watched && loggedFields(watched.signature);
  const inputs = [
    datasets.stored(`predictions/${model}`, {
      ...(fields && { fields }),
      ...(tick && { input: lookedAt(datasets, tick, watched) }),
    }),
    ...(tick?.quality ? [labels(datasets, tick)] : []),
    ...(watched
      ? [datasets.registered(model, watched.version, tick && { input: judged(datasets, tick) })]
      : []),
  ];
  return { inputs, outputs: summary ? [tickOf(datasets, model, summary)] : [] };
}

export function retrainFlow(
  datasets: Datasets,
  { model, tick }: RetrainInput,
  answers: RetrainAnswers | undefined,
): Flow {
  const outputs = answers && answers.length > 0 ? [datasets.stored(`events/${model}`)] : [];
  return { inputs: [tickOf(datasets, model, tick)], outputs };
}

const tickOf = (datasets: Datasets, model: string, { record }: TickSummary): Dataset =>
  datasets.stored(`monitor/${model}`, { version: record.sha256 });

/** As the prediction log has them. */
function loggedFields({ inputs, outputs }: Signature) {
  const side = (prefix: string, tensors: Signature['inputs']) =>
    tensors.map(({ name, datatype }) => ({ name: `${prefix}_${name}`, type: datatype }));
  return [...side('in', inputs), ...side('out', outputs)];
}

function lookedAt(
  { facet }: Datasets,
  { rows, drift, alerts, checks = [] }: TickRecord,
  watched: Watched | undefined,
): Facets {
  const outputs = new Set(watched?.signature.outputs.map(({ name }) => name));
  const logged = (name: string) => `${outputs.has(name) ? 'out' : 'in'}_${name}`;
  const columns = drift.map(({ name, nulls }) => [logged(name), { nullCount: nulls, count: rows - nulls }]);
  // Versions made before 0.5.0 say it in their alerts alone.
  const isTold = (name: string) =>
    alerts.some(({ key }) => key === `drift/${name}` || key === `prediction/${name}`);
  const drifted = drift.map(({ name, drifted: is = isTold(name), why, psi }) => ({
    ...{ assertion: 'drift', success: !is, column: logged(name), severity: 'warn' },
    ...(why && { description: why }),
    ...(psi !== null && { actual: `PSI ${psi}` }),
  }));
  const broken = checks.map(({ check, severity, count, detail }) => ({
    ...{ assertion: 'check', success: false, name: check, severity },
    ...{ description: detail, actual: String(count) },
  }));
  return {
    ...facet('inputStatistics', { rowCount: rows }),
    ...facet('dataQualityMetrics', { rowCount: rows, columnMetrics: Object.fromEntries(columns) }),
    ...facet('dataQualityAssertions', { assertions: [...drifted, ...broken] }),
  };
}

function labels(datasets: Datasets, { model, quality }: TickRecord): Dataset {
  const input = datasets.facet('inputStatistics', { rowCount: quality!.labelled });
  return datasets.stored(`labels/${model}`, { input });
}

/** Of the version: what it was judged by, and what was found. */
function judged({ facet }: Datasets, { alerts, judged: kinds = [] }: TickRecord): Facets {
  const about = new Set(['quality', 'concept', 'fairness', 'prediction', 'service', 'forecast']);
  const found = alerts.filter(({ kind }) => about.has(kind));
  const well = kinds.filter((kind) => about.has(kind) && !found.some((alert) => alert.kind === kind));
  return facet('dataQualityAssertions', {
    assertions: [
      ...well.map((kind) => ({ assertion: kind, success: true })),
      ...found.map(({ kind, key = kind, severity, message }) => ({
        ...{ assertion: kind, success: false, name: key, description: message },
        severity: severity === 'critical' ? 'error' : 'warn',
      })),
    ],
  });
}
