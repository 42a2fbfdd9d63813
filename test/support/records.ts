/** Records of trainings as stages write them, for tests and benchmarks of what reads them. */
import type { TrainingDetails, TrialRecord } from '../../contracts/experiment.ts';
import type { Artifact } from '../../contracts/artifact.ts';
import { sha256 } from '../../infra/digest.ts';
import { blobKey } from '../../infra/store/key.ts';

/** Of bytes that nobody stored. */
export function artifactNamed(name: string, mediaType = 'application/json'): Artifact {
  const digest = sha256(name);
  return { uri: blobKey(digest), sha256: digest, bytes: name.length, mediaType };
}

const at = (n: number): string => new Date(Date.UTC(2026, 0, 1) + n * 600_000).toISOString();

export function detailsWith(
  parameters: Record<string, unknown>,
  more: Partial<TrainingDetails> = {},
): TrainingDetails {
  return {
    ...{ backend: 'python', parameters, seed: 7 },
    ...{ data: sha256('data'), project: sha256('project'), code: sha256('code') },
    environment: {
      digest: sha256('environment'),
      python: '3.11.7',
      packages: Array.from({ length: 40 }, (_, i) => `some-package-${i}==1.${i}.0`),
    },
    git: { commit: 'c0ffee0c0ffee0c0ffee0c0ffee0c0ffee0c0ffe' },
    hardware: {
      ...{ cpu: 'AMD EPYC 7763', cores: 2, memoryBytes: 8 * 1_024 ** 3 },
      ...{ platform: 'linux-x64', device: 'cpu', devices: [] },
    },
    ...{ series: artifactNamed('series'), log: artifactNamed('log', 'text/plain') },
    ...{ seconds: 3.3, cost: 0.01, resumedFrom: null, stopped: null, batchScale: 1, agreement: null },
    ...more,
  };
}

export function trainRecord(model: string, n: number, details: object, metrics: Record<string, number>) {
  const lifecycleId = `lifecycle/${model}/${n}`;
  const project = artifactNamed('project');
  const prepared = artifactNamed('data');
  const output = {
    ...{
      model: artifactNamed(`${lifecycleId}/model`, 'application/onnx'),
      metrics,
      steps: 100,
      seconds: 3.3,
    },
  };
  return {
    ...{ stage: 'train', lifecycleId, attempt: 1, seq: 1, startedAt: at(n), endedAt: at(n), seconds: 3.4 },
    input: {
      lifecycleId,
      project,
      prepared: { manifest: prepared, rows: { train: 7, validation: 1, holdout: 2 } },
    },
    ...{ output, inputs: { project, prepared }, runtime: { node: process.version }, details },
  };
}

export function evaluateRecord(model: string, n: number, metrics: Record<string, number>, passed = true) {
  const lifecycleId = `lifecycle/${model}/${n}`;
  const around = ([name, value]: [string, number]) => [
    name,
    { value, low: value - 0.01, high: value + 0.01 },
  ];
  const output = {
    ...{ rows: 100, metrics: Object.fromEntries(Object.entries(metrics).map(around)), gates: [], passed },
    gatesDigest: sha256('gates'),
    scorecard: artifactNamed('scorecard'),
    report: artifactNamed('report', 'text/html'),
  };
  return {
    ...{ stage: 'evaluate', lifecycleId, attempt: 1, seq: 1, startedAt: at(n), endedAt: at(n), seconds: 1 },
    ...{ input: {}, output, inputs: {}, runtime: { node: process.version }, details: {} },
  };
}

export function trialRecord(
  model: string,
  n: number,
  trial: number,
  parameters: Record<string, unknown>,
  value: number | null,
): TrialRecord {
  return {
    ...{
      trial,
      lifecycleId: `lifecycle/${model}/${n}`,
      state: value === null ? 'failed' : 'done',
      parameters,
      value,
    },
    metrics: value === null ? {} : { validation_loss: value },
    ...{ step: 10, seconds: 1, startedAt: at(trial), endedAt: at(trial) },
    ...(value === null
      ? { message: 'the loss was not finite' }
      : { details: detailsWith({ depth: 6, ...parameters }) }),
  };
}
