/** Rollouts in words, for the command line. */
import { guardText } from '../contracts/rollout.ts';
import type { Act, Observation, RolloutOutcome, RolloutRecord, RolloutView } from '../contracts/rollout.ts';
import type { Bar } from '../contracts/model.ts';
import { durationText, stepText } from '../workflows/rollout-view.ts';
import { seconds, table } from './output.ts';
import type { RolloutStatus } from './rollout.ts';

export function statusText(status: RolloutStatus): string {
  if (status.kind === 'none') return `No rollout of ${status.model} is under way, and none is on record.`;
  return status.kind === 'over' ? recordText(status.record) : viewText(status.view);
}

function viewText(view: RolloutView): string {
  const { model, version, champion, strategy, doing, paused, leftMs, steps, seen, acts } = view;
  const marks = { done: '✓', now: '▸', later: '·' };
  const left = (state: string) => (state === 'now' ? `, ${seconds(leftMs / 1_000)} left` : '');
  const against = champion === null ? 'the first version' : `against version ${champion}`;
  return [
    `${model} version ${version}, ${against}: ${strategy}`,
    `  ${paused ? 'paused; ' : ''}${doing}`,
    ...steps.map(
      (one) => `  ${marks[one.state]} ${stepText(one)}, ${durationText(one.bakeMs)}${left(one.state)}`,
    ),
    ...seenText(seen.at(-1)),
    ...actsText(acts),
  ].join('\n');
}

/** How a rollout ended, and by what it was judged. */
export function recordText({ model, version, champion, strategy, outcome, at }: RolloutRecord): string {
  const against = champion === null ? 'the first version' : `against version ${champion}`;
  return [
    `${model} version ${version}, ${against}: ${strategy}, ${outcome.status} on ${moment(at)}`,
    ...(reasonOf(outcome) ? [`  ${reasonOf(outcome)}`] : []),
    ...seenText(outcome.steps.at(-1)),
    ...actsText(outcome.acts),
  ].join('\n');
}

export function barText({ kind, by, reason }: Bar): string {
  return `  ${kind} by ${by}: ${reason}`;
}

function reasonOf(outcome: RolloutOutcome): string {
  return 'reason' in outcome ? outcome.reason : '';
}

function seenText(seen: Observation | undefined): string[] {
  const rows = (seen?.guards ?? []).map((one) => {
    const verdict = one.passed ? 'ok' : one.passed === null || one.guard === 'winner' ? '–' : 'NO';
    return [verdict, guardText(one)];
  });
  if (rows.length === 0) return seen ? [`  last look: ${seen.reason}`] : [];
  return ['', table(['', `last look${seen?.at ? `, ${moment(seen.at)} UTC` : ''}`], rows)];
}

function actsText(acts: readonly Act[] = []): string[] {
  if (acts.length === 0) return [];
  return ['', table(['when (UTC)', 'who', 'what', 'why'], acts.map(row))];
}

const row = ({ at, by, act, reason }: Act): string[] => [moment(at), by, act, reason];

function moment(instant: string): string {
  return instant.slice(0, 16).replace('T', ' ');
}
