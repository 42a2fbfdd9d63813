/** The model card: Markdown with YAML front matter, as model hubs read it. Generated, never hand-written. */
import { stringify } from 'yaml';
import type { DatasetManifest } from '../../contracts/dataset.ts';
import type { Scorecard } from '../../contracts/evaluation.ts';
import type { Input } from '../../contracts/lifecycle.ts';
import type { PreparedManifest } from '../../contracts/prepared.ts';
import type { PinnedProject } from '../../contracts/project.ts';

export function cardOf(
  { project, gitCommit }: PinnedProject,
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
    trained_on: { from: dataset.window.from, until: dataset.window.until, rows: prepared.rows.train },
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
    '## Data',
    `${dataset.rows.toLocaleString('en-US')} rows from ${dataset.first} to ${dataset.last}; ` +
      `${prepared.rows.train} to train, ${prepared.rows.validation} to validate, ${prepared.rows.holdout} held out.`,
    `## Quality on ${scorecard.rows} rows it never saw`,
    `| metric | value | 95 % interval |\n|-|-|-|\n${metrics.join('\n')}`,
    '## Inputs',
    `| column | type | may be null |\n|-|-|-|\n${inputs.join('\n')}`,
    '## Approval',
    verdict.policy === 'auto' ? 'Approved by policy; nobody was asked.' : decisions.join('\n'),
    '',
  ].join('\n\n');
}

function digits(value: number | null): string {
  return value === null ? 'undefined' : value.toFixed(4);
}
