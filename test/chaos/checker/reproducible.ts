/** I16: a stage that was given the same gave the same, to the byte, in whatever attempt, run or lifecycle. */
import { canonicalJson } from '../../../infra/store/json.ts';
import { breachesOf, grouped } from './breach.ts';
import type { Breach } from './breach.ts';
import type { Evidence } from './evidence.ts';
import { all, projectOf } from './facts.ts';
import { allActivities } from './history.ts';

interface Made {
  stage: string;
  given: string;
  digest: unknown;
  where: string;
}

/** What names the bytes that a stage made. */
const digestOf: Record<string, (output: Output) => unknown> = {
  ingest: ({ manifest }) => manifest?.sha256,
  prepare: ({ manifest }) => manifest?.sha256,
  train: ({ model }) => model?.sha256,
};

interface Output {
  manifest?: { sha256: string };
  model?: { sha256: string };
}

export function reproducible(evidence: Evidence): Breach[] {
  const { breaches, demand } = breachesOf('I16');
  const found = [...filed(evidence), ...told(evidence)];
  for (const alike of grouped(found, ({ stage, given }) => `${stage} ${given}`).values()) {
    const digests = new Set(alike.map(({ digest }) => digest));
    demand(
      digests.size === 1,
      `${alike[0]!.stage} gave ${digests.size} results from the same inputs`,
      alike.map(({ where, digest }) => ({ where, digest })),
    );
  }
  return breaches;
}

function filed(evidence: Evidence): Made[] {
  return all(evidence, 'records').flatMap(({ key, part, value }) =>
    made(evidence, part, value.input, value.output, key, value.details['sources']),
  );
}

function told(evidence: Evidence): Made[] {
  return allActivities(evidence).flatMap(({ type, outcome, input, result, workflowId }) => {
    // The sources that ingest read are in its record only: files may have changed between two runs.
    if (outcome !== 'completed' || !digestOf[type] || type === 'ingest') return [];
    return made(evidence, type, input as object, result as Output, workflowId);
  });
}

function made(
  evidence: Evidence,
  stage: string,
  input: object,
  output: Output,
  where: string,
  sources?: unknown,
): Made[] {
  const name = digestOf[stage];
  if (!name) return [];
  const { lifecycleId: _, ...given } = input as { lifecycleId?: string; project?: { sha256: string } };
  const trainer = projectOf(evidence, given.project?.sha256 ?? '')?.project.trainer;
  if (stage === 'train' && trainer?.backend !== 'onnx') return []; // anybody's program: it promises nothing
  return [{ stage, given: canonicalJson({ given, sources }), digest: name(output), where }];
}
