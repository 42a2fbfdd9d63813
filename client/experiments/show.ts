/** `esteira runs show`: one run, all of it. */
import type { Artifact } from '../../contracts/artifact.ts';
import type { TrainingDetails } from '../../contracts/experiment.ts';
import { readBytes } from '../../infra/store/json.ts';
import type { Store } from '../../infra/store/store.ts';
import { counted, seconds, table } from '../output.ts';
import type { WholeRun } from './read.ts';
import { byFame, numberText, scalarText } from './table.ts';

const logLinesShown = 50;

export function wholeRunText(whole: WholeRun): string {
  const parts = [summary(whole), metricsTable(whole), parametersTable(whole), digestsTable(whole)];
  return parts.filter((part) => part !== '').join('\n\n');
}

function summary({ run, details, version, trial }: WholeRun): string {
  const lines: [string, string | undefined][] = [
    ['became', version === undefined ? undefined : `${run.model} version ${version}`],
    ['started', `${run.started.slice(0, 19).replace('T', ' ')} UTC`],
    ['took', `${seconds(run.seconds)}, ${counted(run.steps, 'step')}`],
    ['stopped', details?.stopped ?? undefined],
    ['message', trial?.message],
    ['backend', run.backend === null ? undefined : `${run.backend}, seed ${run.seed}`],
    ['hardware', details && hardware(details)],
    ['resumed', resumed(details)],
    [
      'batch',
      details && details.batchScale !== 1 ? `scaled by ${details.batchScale}, memory was short` : undefined,
    ],
    ['cost', run.cost === null ? undefined : numberText(run.cost)],
    ['agreement', agreement(details)],
    ['commit', commit(details)],
    ['gates', run.gates ?? undefined],
  ];
  const shown = lines.flatMap(([name, text]) => (text === undefined ? [] : [`  ${name.padEnd(9)}  ${text}`]));
  const old = details ? [] : ['  Its record is older than 0.3.0, and does not say how it was trained.'];
  return [`${run.run}  ${run.state}`, ...shown, ...(trial ? [] : old)].join('\n');
}

function hardware({ hardware: { cpu, cores, memoryBytes, device, devices } }: TrainingDetails): string {
  const on = devices.length > 0 ? `${device} (${devices.map(({ name }) => name).join(', ')})` : device;
  return `${on}; ${cores} × ${cpu}, ${numberText(memoryBytes / 1_024 ** 3)} GiB`;
}

function resumed(details: TrainingDetails | undefined): string | undefined {
  if (!details?.resumedFrom) return undefined;
  const { step } = details.resumedFrom as { step?: number };
  return step === undefined ? 'from a checkpoint' : `from a checkpoint at step ${step}`;
}

function agreement(details: TrainingDetails | undefined): string | undefined {
  if (!details?.agreement) return undefined;
  const { rows, worst } = details.agreement;
  return `the ONNX model differs from the framework by at most ${numberText(worst)} on ${counted(rows, 'row')}`;
}

function commit(details: TrainingDetails | undefined): string | undefined {
  if (!details) return undefined;
  const changed = details.git.diff ? ', with uncommitted changes (--diff prints them)' : '';
  return `${details.git.commit ?? 'none'}${changed}`;
}

function metricsTable({ run, evaluate }: WholeRun): string {
  const held = evaluate?.output.metrics ?? {};
  const rows = byFame(Object.keys({ ...run.metrics, ...held })).map((name) => {
    const { value, low, high } = held[name] ?? { value: run.metrics[name] ?? null, low: null, high: null };
    const interval = low === null || high === null ? '' : `${numberText(low)} … ${numberText(high)}`;
    return [name, value === null ? '–' : numberText(value), interval, name in held ? 'holdout' : 'trainer'];
  });
  return rows.length > 0 ? table(['metric', 'value', '95 % interval', 'by'], rows) : '';
}

function parametersTable({ run }: WholeRun): string {
  const rows = Object.entries(run.parameters)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => [name, typeof value === 'number' ? String(value) : scalarText(value)]);
  return rows.length > 0 ? table(['parameter', 'value'], rows) : '';
}

function digestsTable(whole: WholeRun): string {
  const artifacts = Object.entries(artifactsOf(whole));
  const named = new Set(artifacts.map(([, { sha256 }]) => sha256));
  const rows = artifacts.map(([name, { sha256, bytes }]) => [name, sha256, String(bytes)]);
  for (const [name, digest] of Object.entries(whole.run.digests)) {
    if (!named.has(digest)) rows.push([name, digest, '']);
  }
  return table(['what', 'sha256', 'bytes'], rows);
}

/** What it made and what went in, by name. */
export function artifactsOf({ details, train, evaluate }: WholeRun): Record<string, Artifact> {
  return {
    ...(train && { model: train.output.model }),
    ...(train?.inputs['prepared'] && { data: train.inputs['prepared'] }),
    ...(train?.inputs['project'] && { project: train.inputs['project'] }),
    ...(evaluate && { scorecard: evaluate.output.scorecard, report: evaluate.output.report }),
    ...(details && { series: details.series, log: details.log }),
    ...(details?.git.diff && { diff: details.git.diff }),
  };
}

/** @returns what was changed and not committed, or a sentence when nothing was */
export async function diffText(store: Store, { run, details }: WholeRun): Promise<string> {
  const diff = details?.git.diff;
  if (diff) return (await textOf(store, diff)).trimEnd();
  return details ? `${run.run} had no uncommitted changes.` : `${run.run} has no record of its working tree.`;
}

export async function logText(store: Store, { run, details }: WholeRun): Promise<string> {
  const text = details && (await textOf(store, details.log)).trimEnd();
  return text ? text.split('\n').slice(-logLinesShown).join('\n') : `${run.run} left no log.`;
}

async function textOf(store: Store, artifact: Artifact): Promise<string> {
  return new TextDecoder().decode(await readBytes(store, artifact));
}
