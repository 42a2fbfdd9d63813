/** The model card: Markdown with YAML front matter, as model hubs read it. Generated, never hand-written. */
import { stringify } from 'yaml';
import type { DatasetManifest } from '../../contracts/dataset.ts';
import type { Scorecard } from '../../contracts/evaluation.ts';
import type { ImportOrigin } from '../../contracts/imported.ts';
import type { Input } from '../../contracts/lifecycle.ts';
import type { PreparedManifest } from '../../contracts/prepared.ts';
import type { PinnedProject } from '../../contracts/project.ts';

export function cardOf(
  { project, gitCommit, imported }: PinnedProject,
  dataset: DatasetManifest,
  prepared: PreparedManifest,
  scorecard: Scorecard,
  input: Input<'deploy'>,
): string {
  const { verdict, candidate, lifecycleId } = input;
  const front = stringify({
    model: project.model,
    task: project.task,
    owner: project.owner,
    lifecycle: lifecycleId,
    git_commit: gitCommit,
    model_sha256: candidate.model.sha256,
    dataset_sha256: input.dataset.digest,
    ...(imported
      ? { imported: imported.origin }
      : {
          trained_on: { from: dataset.window.from, until: dataset.window.until, rows: prepared.rows.train },
        }),
    metrics: Object.fromEntries(Object.entries(scorecard.metrics).map(([name, { value }]) => [name, value])),
  });
  const metrics = Object.entries(scorecard.metrics).map(
    ([name, { value, low, high }]) => `| ${name} | ${digits(value)} | ${digits(low)} to ${digits(high)} |`,
  );
  const inputs = prepared.signature.inputs.map(
    ({ name, datatype, kind, nullable }) =>
      `| ${name} | ${datatype}${kind ? ` (${kind})` : ''} | ${nullable ? 'yes' : 'no'} |`,
  );
  const decisions = verdict.decisions.map(
    ({ by, approved, reason }) => `- ${by}: ${approved ? 'yes' : 'no'}, ${reason}`,
  );
  return [
    `---\n${front}---`,
    `# ${project.model}`,
    project.description,
    ...(imported ? ['## Origin', originText(imported.origin)] : []),
    '## Data',
    `${dataset.rows.toLocaleString('en-US')} rows from ${dataset.first} to ${dataset.last}; ` +
      (imported
        ? `${prepared.rows.holdout} held out.`
        : `${prepared.rows.train} to train, ${prepared.rows.validation} to validate, ${prepared.rows.holdout} held out.`),
    imported
      ? `## Quality on ${scorecard.rows} rows, which its origin must not have trained it on`
      : `## Quality on ${scorecard.rows} rows it never saw`,
    `| metric | value | 95 % interval |\n|-|-|-|\n${metrics.join('\n')}`,
    '## Inputs',
    `| column | type | may be null |\n|-|-|-|\n${inputs.join('\n')}`,
    '## Approval',
    verdict.policy === 'auto' ? 'Approved by policy; nobody was asked.' : decisions.join('\n'),
    '',
  ].join('\n\n');
}

function originText({ file, sha256, producer, by, at, mlflow }: ImportOrigin): string {
  const lines = [
    `Trained elsewhere, and imported from \`${file}\` by ${by} on ${at.slice(0, 10)}.`,
    `- written by ${producer}`,
    `- sha256 of the file: ${sha256}`,
    ...(mlflow
      ? [
          `- MLflow ${mlflow.version ?? ''}: run ${mlflow.runId ?? 'unknown'}, model ${mlflow.modelUuid ?? 'unknown'}, flavors ${mlflow.flavors.join(', ')}`,
        ]
      : []),
  ];
  return `${lines[0]}\n\n${lines.slice(1).join('\n')}`;
}

function digits(value: number | null): string {
  return value === null ? 'undefined' : value.toFixed(4);
}
