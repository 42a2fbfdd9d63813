/**
 * One trip along the belt: ingest → validate → prepare → train → evaluate → approve → deploy.
 *
 * The model entity starts it and hears how it ended. Monitoring and retraining close the loop in
 * `monitor.ts`. Everything it decides on was pinned in its plan, so a later edit changes nothing here.
 */
import {
  CancellationScope,
  defineQuery,
  executeChild,
  getExternalWorkflowHandle,
  isCancellation,
  log,
  patched,
  setHandler,
  startChild,
  workflowInfo,
} from '@temporalio/workflow';
import type { Verdict } from '../contracts/approval.ts';
import { failedWith } from '../contracts/failures.ts';
import type { LifecycleOutcome, LifecyclePlan, LifecycleProgress, Output } from '../contracts/lifecycle.ts';
import type { StageName } from '../contracts/stage.ts';
import type { RolloutPlan } from '../contracts/rollout.ts';
import { approvalWorkflowId, requestIdOf, rolloutWorkflowId } from '../contracts/search.ts';
import { approval } from './approval.ts';
import { settledSignal } from './messages.ts';
import { Progress } from './progress.ts';
import { rollout } from './rollout.ts';
import { aside, ofModel, onCpu, quick } from './stages.ts';
import { reuseOf, cacheText } from './reuse.ts';
import { count } from './text.ts';
import { trained } from './training.ts';

export const progressQuery = defineQuery<LifecycleProgress>('progress');

/**
 * @param plan already parsed by its model entity; its `lifecycleId` is also the workflow id.
 * @returns how the run ended. A "no" (bad data, missed gate, rejection) is a value, not an error.
 * @throws ActivityFailure when a stage failed for good or spent its tries.
 */
export async function lifecycle(plan: LifecyclePlan): Promise<LifecycleOutcome> {
  const progress = new Progress(plan.lifecycleId);
  setHandler(progressQuery, () => progress.view);
  try {
    const outcome = await belt(plan, progress);
    progress.finish(outcome.status);
    await tellModel(plan, outcome.status);
    await tracked(plan, outcome.status);
    return outcome;
  } catch (error) {
    const status = isCancellation(error) ? 'cancelled' : 'failed';
    await CancellationScope.nonCancellable(() => tellModel(plan, status));
    await tracked(plan, status);
    throw error;
  }
}

async function belt(plan: LifecyclePlan, progress: Progress): Promise<LifecycleOutcome> {
  const { lifecycleId, project, window, champion } = plan;
  const common = { lifecycleId, project };
  const reuse = (stage: StageName) => reuseOf(plan, stage);

  progress.enter('ingest');
  const dataset = await onCpu.ingest.executeWithOptions(
    { summary: `${window.from.slice(0, 10)} to ${window.until.slice(0, 10)}` },
    [{ ...common, ...reuse('ingest'), window }],
  );
  progress.note(`${count(dataset.rows)} rows, version ${dataset.digest.slice(0, 12)}${cacheText(dataset)}`);

  progress.enter('validate');
  const checked = await onCpu.validate.executeWithOptions({ summary: `${count(dataset.rows)} rows` }, [
    { ...common, dataset },
  ]);
  const errors = checked.broken.filter((one) => one.severity === 'error');
  progress.note(
    `${checked.checks} checks, ${errors.length} errors, ${checked.broken.length - errors.length} warnings`,
  );
  if (!checked.passed) return { status: 'bad-data', broken: checked.broken };

  progress.enter('prepare');
  const prepared = await onCpu.prepare.executeWithOptions(
    { summary: plan.shuffleLabels ? 'drill: shuffled labels' : `dataset ${dataset.digest.slice(0, 12)}` },
    [{ ...common, ...reuse('prepare'), dataset, shuffleLabels: plan.shuffleLabels }],
  );
  const { train, validation, holdout } = prepared.rows;
  const fitting =
    train + validation > 0 ? `${count(train)} to train, ${count(validation)} to validate, ` : '';
  progress.note(`${fitting}${count(holdout)} held out${cacheText(prepared)}`);

  progress.enter('train');
  const candidate = await trained(plan, progress, prepared);
  progress.enter('evaluate');
  const scorecard = await onCpu.evaluate.executeWithOptions(
    {
      summary: `${count(holdout)} rows, against ${champion ? `version ${champion.version}` : 'the gates alone'}`,
    },
    [
      {
        ...{ ...common, ...reuse('evaluate'), prepared, candidate },
        ...(champion && { champion }),
        ...(plan.mustBeat && { mustBeat: true }),
      },
    ],
  );
  progress.note(`${summaryOf(scorecard)}${cacheText(scorecard)}`);
  if (!scorecard.passed && !plan.overrideGates) return { status: 'gate-missed', scorecard };

  progress.enter('approve');
  const verdict = await decide(plan, progress, { dataset, candidate, scorecard });
  if (verdict.status !== 'approved') return { status: verdict.status, verdict };

  progress.enter('deploy');
  const { version } = await onCpu.deploy.executeWithOptions({ summary: 'package and register' }, [
    { ...common, dataset, prepared, candidate, scorecard, verdict, window },
  ]);
  progress.made(version);
  const outcome = await executeChild(rollout, {
    workflowId: rolloutWorkflowId(plan.model, version),
    args: [rolloutOf(plan, version)],
    cancellationType: 'WAIT_CANCELLATION_COMPLETED',
    parentClosePolicy: 'REQUEST_CANCEL', // so that it takes its challenger back when the lifecycle is terminated
    staticSummary: `${plan.model} version ${version}`,
    typedSearchAttributes: workflowInfo().typedSearchAttributes,
  });
  progress.note(`version ${version} ${outcome.status}`);
  if (outcome.status === 'rolled-back') return { status: 'rolled-back', version, rollout: outcome };
  if (outcome.status === 'taken-back') return { status: 'taken-back', version, rollout: outcome };
  if (outcome.status === 'superseded') return { status: 'superseded', version, detail: outcome.reason };

  await quick.watch({ model: plan.model, everyMs: plan.monitorEveryMs });
  return { status: 'deployed', version, epoch: outcome.epoch, scorecard };
}

function rolloutOf(plan: LifecyclePlan, version: number): RolloutPlan {
  const { model, lifecycleId, project, bakes, traffic } = plan;
  return { model, version, lifecycleId, project, bakes, ...(traffic && { traffic }) };
}

/** Asks the people that the policy names, and waits as long as it allows. */
async function decide(
  plan: LifecyclePlan,
  progress: Progress,
  made: { dataset: Output<'ingest'>; candidate: Output<'train'>; scorecard: Output<'evaluate'> },
): Promise<Verdict> {
  const requestId = requestIdOf(plan.lifecycleId);
  const { policy, policyDigest, auto, deadlineMs, reminderMs } = plan.approval;
  const waitsFor = auto ? null : `approval ${requestId}`;
  // 0.5.0: it was said before there was a request, and who answered at once was told that there is none.
  const askedFirst = patched('asked-first');
  if (!askedFirst) progress.wait(waitsFor);
  const request = await startChild(approval, {
    workflowId: approvalWorkflowId(requestId),
    parentClosePolicy: 'REQUEST_CANCEL', // so that its records end in a verdict
    staticSummary: `May ${plan.model} go live?`,
    typedSearchAttributes: workflowInfo().typedSearchAttributes,
    args: [
      {
        requestId,
        lifecycleId: plan.lifecycleId,
        subject: {
          model: plan.model,
          modelDigest: made.candidate.model.sha256,
          datasetDigest: made.dataset.digest,
          scorecardDigest: made.scorecard.scorecard.sha256,
          policyDigest,
        },
        policy,
        auto,
        requester: plan.trigger.by,
        report: made.scorecard.report,
        summary: summaryOf(made.scorecard),
        deadlineMs,
        ...(reminderMs && { reminderMs }),
      },
    ],
  });
  if (askedFirst) progress.wait(waitsFor);
  const verdict = await request.result();
  progress.wait(null);
  const who = verdict.policy === 'auto' ? 'policy' : verdict.decisions.map((one) => one.by).join(', ');
  progress.note(who === '' ? verdict.status : `${verdict.status} by ${who}`);
  return verdict;
}

/** Told last, so that a tracking server which is down keeps nobody waiting. */
async function tracked({ lifecycleId }: LifecyclePlan, status: string): Promise<void> {
  // 0.3.0: until then nothing was tracked.
  if (!patched('tracked')) return;
  try {
    // How the run ended is decided: a cancellation comes too late.
    await CancellationScope.nonCancellable(() => aside.track({ lifecycleId, status }));
  } catch (error) {
    log.warn('the tracking server was not told', { lifecycleId, error: String(error) });
  }
}

/** A lifecycle that nobody owns (a test's) has nobody to tell; nor has one whose entity was deleted. */
async function tellModel({ model, lifecycleId }: LifecyclePlan, status: string): Promise<void> {
  const { parent, runId } = workflowInfo();
  if (!parent) return;
  // 0.2.0: by an update, which works for an entity that was terminated, and never changes places with another message.
  if (patched('settled-by-update')) {
    await ofModel.tellSettled({ model, lifecycleId, status, updateId: `settled/${lifecycleId}/${runId}` });
    return;
  }
  try {
    await getExternalWorkflowHandle(parent.workflowId).signal(settledSignal, { lifecycleId, status });
  } catch (error) {
    if (!failedWith(error, 'NotFound') && !isGone(error)) throw error;
  }
}

function isGone(error: unknown): boolean {
  return error instanceof Error && /not found/i.test(error.message);
}

function summaryOf({ metrics, gates }: Output<'evaluate'>): string {
  const shown = ['roc_auc', 'log_loss', 'accuracy', 'rmse', 'r2']
    .map((name) => ({ name, value: metrics[name]?.value }))
    .filter(({ value }) => typeof value === 'number')
    .slice(0, 3)
    .map(({ name, value }) => `${name} ${value!.toFixed(4)}`);
  const missed = gates
    .filter((gate) => !gate.passed)
    .map((gate) => `${gate.metric} ${gate.bound} ${gate.limit}`);
  const judged = missed.length > 0 ? `gates missed: ${missed.join(', ')}` : `${gates.length} gates met`;
  return [...shown, judged].join(', ');
}
