/** What people see of a rollout: the details panel of the Temporal Web UI, and the query `rollout`. */
import type {
  Observation,
  RolloutOutcome,
  RolloutPlan,
  RolloutProgress,
  RolloutView,
  Step,
} from '../contracts/rollout.ts';
import { guardText } from '../contracts/rollout.ts';

export function viewOf(
  plan: RolloutPlan,
  progress: RolloutProgress,
  doing: string,
  outcome: RolloutOutcome['status'] | null,
): RolloutView {
  const { champion, paused, step, leftMs, steps: seen, last, acts } = progress;
  const stateOf = (i: number) =>
    i < step || outcome === 'promoted' ? 'done' : i === step && outcome === null ? 'now' : 'later';
  return {
    ...{ model: plan.model, version: plan.version, champion, paused, leftMs, doing, acts, outcome },
    strategy: plan.traffic?.strategy ?? 'canary',
    steps: stepsOf(plan).map((one, i) => ({ ...one, state: stateOf(i) })),
    seen: last ? [...seen, last] : seen,
  };
}

/** Without a strategy, as before 0.4.0: the bakes, as canary steps. */
export function stepsOf({ traffic, bakes }: RolloutPlan): Step[] {
  return traffic?.steps ?? bakes.map((bake) => ({ mode: 'canary' as const, ...bake }));
}

/** `10 % of the traffic`, `unseen, beside the champion, on 50 % of the requests`. */
export function stepText({ mode, share, shadow }: Step): string {
  if (mode === 'shadow') return `unseen, beside the champion, on ${percent(shadow ?? 0)} of the requests`;
  return mode === 'ab'
    ? `against the champion, ${percent(share)} of the traffic`
    : `${percent(share)} of the traffic`;
}

export function detailsOf({ model, version, champion, strategy, doing, ...view }: RolloutView): string {
  const marks = { done: '✓', now: '▸', later: '·' };
  return [
    `### ${model} version ${version}`,
    view.paused ? `${doing}, **paused**` : doing,
    '',
    `${strategy}, against ${champion === null ? 'nobody: it is the first' : `version ${champion}`}`,
    ...view.steps.map((one) => `- ${marks[one.state]} ${stepText(one)}, ${durationText(one.bakeMs)}`),
    ...view.seen.flatMap(seenTable),
    ...view.acts.map(({ act, by, reason, at }) => `- ${at.slice(0, 16)} **${act}** by ${by}: ${reason}`),
  ].join('\n');
}

function seenTable({ mode, share, reason, guards = [] }: Observation): string[] {
  const head = `**${mode ?? 'canary'} ${percent(share)}**: ${reason}`;
  if (guards.length === 0) return ['', head];
  const rows = guards.map((one) => {
    const verdict =
      one.passed === null ? '–' : one.passed ? 'holds' : one.guard === 'winner' ? 'not yet' : 'broken';
    return `| ${one.guard} | ${guardText(one).slice(one.guard.length + 1)} | ${verdict} |`;
  });
  return ['', head, '', '| guard | seen | |', '|-|-|-|', ...rows, ''];
}

/** `4 s`, `90 min`, `14 d`: whole numbers of the largest unit that fits twice. */
export function durationText(ms: number): string {
  const units = [
    { name: 'd', ms: 86_400_000 },
    { name: 'h', ms: 3_600_000 },
    { name: 'min', ms: 60_000 },
  ];
  const unit = units.find((one) => ms >= 2 * one.ms) ?? { name: 's', ms: 1_000 };
  return `${Math.round(ms / unit.ms)} ${unit.name}`;
}

const percent = (share: number): string => `${Math.round(share * 1_000) / 10} %`;
