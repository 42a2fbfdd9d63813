/** How a lifecycle ended, as one sentence and as an exit code. */
import { z } from 'zod';
import { BrokenCheck } from '../contracts/lifecycle.ts';
import type { GateResult, LifecycleOutcome } from '../contracts/lifecycle.ts';
import { readJson } from '../infra/store/json.ts';
import type { Store } from '../infra/store/store.ts';
import { exitCodes } from './output.ts';

export function codeOf(status: LifecycleOutcome['status']): number {
  if (status === 'deployed') return exitCodes.done;
  return status === 'rejected' || status === 'expired' ? exitCodes.rejected : exitCodes.no;
}

export function sentence(lifecycleId: string, outcome: LifecycleOutcome): string {
  switch (outcome.status) {
    case 'deployed':
      return `${lifecycleId}: version ${outcome.version} serves as champion (epoch ${outcome.epoch})`;
    case 'bad-data':
      return `${lifecycleId}: the data is not good enough${brokenText(outcome.broken)}`;
    case 'gate-missed': {
      const missed = outcome.scorecard.gates.filter(({ passed }) => !passed);
      return [`${lifecycleId}: a gate said no`, ...missed.map(gateText)].join('\n  ');
    }
    case 'rejected': {
      const no = outcome.verdict.decisions.find(({ approved }) => !approved);
      return `${lifecycleId}: rejected by ${no?.by ?? 'nobody'}: ${no?.reason ?? ''}`;
    }
    case 'expired':
      return `${lifecycleId}: nobody decided in time, and silence is not consent`;
    case 'rolled-back': {
      const why = 'reason' in outcome.rollout ? `: ${outcome.rollout.reason}` : '';
      return `${lifecycleId}: version ${outcome.version} was rolled back${why}`;
    }
    case 'taken-back': {
      const why = 'reason' in outcome.rollout ? `: ${outcome.rollout.reason}` : '';
      return `${lifecycleId}: version ${outcome.version} was taken back${why}`;
    }
    case 'superseded':
      return `${lifecycleId}: version ${outcome.version} was superseded: ${outcome.detail}`;
  }
}

/** The rows that broke a rule are in the store's record alone; Temporal never sees them. */
export async function withExamples(
  store: Store,
  lifecycleId: string,
  outcome: LifecycleOutcome & { status: 'bad-data' },
): Promise<LifecycleOutcome> {
  const record = z.object({ details: z.object({ broken: z.array(BrokenCheck) }) });
  const found = await readJson(store, `runs/${lifecycleId}/validate/record.json`, record);
  return found ? { ...outcome, broken: found.value.details.broken } : outcome;
}

function brokenText(broken: (LifecycleOutcome & { status: 'bad-data' })['broken']): string {
  return broken
    .filter(({ severity }) => severity === 'error')
    .map(({ check, detail, examples }) => {
      const shown = examples.slice(0, 3).map((example) => `\n    ${JSON.stringify(example)}`);
      return `\n  ${check}: ${detail}${shown.join('')}`;
    })
    .join('');
}

const bounds = { min: 'at least', max: 'at most' } as const;

function gateText({ metric, bound, limit, value }: GateResult): string {
  const found = value === null ? 'could not be computed' : `is ${Number(value.toPrecision(4))}`;
  if (bound === 'betterThanChampion') {
    const better =
      value === null ? found : `is better than the champion's by ${Number(value.toPrecision(4))}`;
    return `${metric} ${better}; what retrains by itself is shipped if it is better`;
  }
  if (bound !== 'notWorseThanChampionBy')
    return `${metric} ${found}; the gate wants ${bounds[bound]} ${limit}`;
  const worse = value === null ? found : `is worse than the champion's by ${Number(value.toPrecision(4))}`;
  return `${metric} ${worse}; the gate allows ${limit}`;
}
