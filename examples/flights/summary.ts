/** What the demo did, as a table for people and as `summary.json` for machines. */
import { seconds, table } from '../../client/output.ts';
import type { LifecycleOutcome, LifecycleProgress } from '../../contracts/lifecycle.ts';
import type { ModelDescription } from '../../contracts/model.ts';
import type { RetrainAnswer, TickSummary } from '../../contracts/monitor.ts';

export class Summary {
  readonly value = {
    startedAt: new Date().toISOString(),
    seconds: 0,
    lifecycles: [] as {
      lifecycleId: string;
      outcome: LifecycleOutcome['status'];
      reason: string | null;
      version: number | null;
      epoch: number | null;
      stages: { stage: string; seconds: number; result: string }[];
      metrics: object;
      gates: object;
    }[],
    ticks: [] as { day: string; rows: number; worstPsi: object | null; alerts: string[] }[],
    triggers: [] as { day: string; rule: string; reason: string; disposition: object }[],
    champion: null as number | null,
    epoch: null as number | null,
  };

  lifecycle(
    progress: LifecycleProgress,
    outcome: LifecycleOutcome,
    model: ModelDescription | undefined,
  ): void {
    const scorecard = 'scorecard' in outcome ? outcome.scorecard : undefined;
    const rollout = 'rollout' in outcome ? outcome.rollout : undefined;
    this.value.lifecycles.push({
      lifecycleId: progress.lifecycleId,
      outcome: outcome.status,
      reason: rollout && 'reason' in rollout ? rollout.reason : null,
      version: 'version' in outcome ? outcome.version : null,
      epoch: 'epoch' in outcome ? outcome.epoch : null,
      stages: progress.done,
      metrics: scorecard?.metrics ?? {},
      gates: scorecard?.gates ?? [],
    });
    this.value.champion = model?.slots?.champion?.version ?? null;
    this.value.epoch = model?.slots?.epoch ?? null;
  }

  tick(tick: TickSummary, retrain: RetrainAnswer[]): void {
    const day = tick.window.from.slice(0, 10);
    const { rows, worstPsi } = tick;
    this.value.ticks.push({ day, rows, worstPsi, alerts: tick.alerts.map(({ message }) => message) });
    for (const { rule, reason, disposition } of retrain)
      this.value.triggers.push({ day, rule, reason, disposition });
  }

  table(): string {
    this.value.seconds = (Date.now() - Date.parse(this.value.startedAt)) / 1_000;
    const rows = this.value.lifecycles.map((one) => [
      one.lifecycleId,
      one.outcome,
      one.version === null ? '' : String(one.version),
      seconds(one.stages.reduce((sum, stage) => sum + stage.seconds, 0)),
      (one.stages.find(({ stage }) => stage === 'evaluate')?.result ?? '').replace(
        /gates missed: .*/,
        'gates missed',
      ),
    ]);
    const total = `${this.value.ticks.length} ticks, ${this.value.triggers.length} triggers, champion ${this.value.champion}, epoch ${this.value.epoch}, ${seconds(this.value.seconds)} in all`;
    return `${table(['lifecycle', 'outcome', 'version', 'took', 'evaluate'], rows)}\n${total}`;
  }
}
