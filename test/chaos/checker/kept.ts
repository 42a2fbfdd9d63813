/** I5: what a client was told is so: triggers in the ledger, predictions and labels in the log. */
import { breachesOf, grouped, same } from './breach.ts';
import { Disposition } from '../../../contracts/model.ts';
import type { Breach } from './breach.ts';
import type { Evidence } from './evidence.ts';
import { all } from './facts.ts';
import { runsOf, triggerOf } from './history.ts';

export function kept(evidence: Evidence): Breach[] {
  return [...triggers(evidence), ...rows(evidence), ...repeats(evidence)];
}

function triggers(evidence: Evidence): Breach[] {
  const { breaches, breach, demand } = breachesOf('I5');
  const ledger = all(evidence, 'events');
  const started = new Set(
    evidence.runs.filter(({ type }) => type === 'lifecycle').map((run) => triggerOf(run)),
  );
  const entries = grouped(ledger, ({ of, value }) => `${of} ${value.trigger.id}`);
  for (const { key, of, value } of ledger) {
    const { status, lifecycleId } = value.disposition;
    const isKnown = Disposition.safeParse(value.disposition).success && status !== 'duplicate';
    demand(isKnown, `${key} has no disposition that is known`, value.disposition);
    if (['ignored', 'suggested'].includes(status))
      demand(
        !started.has(`${of} ${value.trigger.id}`),
        `${key} says ${status}, and a lifecycle was started by it`,
        value.disposition,
      );
    if (status === 'started')
      demand(
        runsOf(evidence, String(lifecycleId)).length > 0,
        `${key} says it started ${String(lifecycleId)}, which there is not`,
      );
  }
  for (const one of evidence.acknowledged) {
    if (one.kind !== 'trigger') continue;
    const filed = entries.get(`${one.model} ${one.id}`) ?? [];
    const told = one.disposition;
    if (filed.length === 0)
      breach(`trigger ${one.id} of ${one.model} was acknowledged and is not in the ledger`, one);
    else if (told && told.status !== 'duplicate')
      demand(
        filed.some(({ value }) => same(value.disposition, told)),
        `trigger ${one.id} of ${one.model} is filed otherwise than its sender was told`,
        { told, filed: filed.map(({ value }) => value.disposition) },
      );
  }
  return breaches;
}

function rows(evidence: Evidence): Breach[] {
  const { breaches, demand } = breachesOf('I5');
  // What was asked beside, for comparison, nobody was answered with.
  const answers = evidence.predictions.filter(({ route }) => route !== 'shadow');
  const predictions = grouped(answers, ({ model, id }) => `${model} ${id}`);
  const labels = grouped(evidence.labels, ({ model, id }) => `${model} ${id}`);
  /** As whoever reads it takes it. */
  const lastOf = (id: string, model: string) =>
    labels
      .get(`${model} ${id}`)
      ?.toSorted((a, b) => String(a.time).localeCompare(String(b.time)))
      .at(-1)?.label;
  for (const one of evidence.acknowledged) {
    if (one.kind === 'prediction') {
      const lost = one.ids.filter((id) => !predictions.has(`${one.model} ${id}`));
      demand(lost.length === 0, `${lost.length} answered predictions of ${one.model} are in no log`, {
        at: one.at,
        lost,
      });
      const other = one.ids.filter((id) => {
        const found = predictions.get(`${one.model} ${id}`);
        return found && one.version !== undefined && !found.some(({ version }) => version === one.version);
      });
      demand(
        other.length === 0,
        `predictions of ${one.model} are logged for another version than ${one.version}, which answered`,
        other,
      );
    } else if (one.kind === 'label') {
      const lost = one.ids.filter((id) => !labels.has(`${one.model} ${id}`));
      demand(lost.length === 0, `${lost.length} accepted labels of ${one.model} are in no log`, {
        at: one.at,
        lost,
      });
      const wrong =
        one.value === undefined ? [] : one.ids.filter((id) => lastOf(id, one.model) !== one.value);
      demand(wrong.length === 0, `labels of ${one.model} are not ${one.value}, as was told`, wrong);
    }
  }
  return breaches;
}

/** A client that asks again under the same id asks the same, and one version answers it alike. */
function repeats(evidence: Evidence): Breach[] {
  const { breaches, demand } = breachesOf('I5');
  const stored = evidence.predictions.filter(({ asked }) => asked !== undefined);
  for (const copies of grouped(stored, ({ model, id, version }) => [model, version, id].join(' ')).values()) {
    const { model, id, asked, answered } = copies[0]!;
    demand(
      copies.every((copy) => copy.asked === asked && close(copy.answered, answered)),
      `prediction ${id} of ${model} is logged with different contents`,
      copies,
    );
  }
  return breaches;
}

/** Another batch may add in another order: the last digits may differ, not the answer. */
function close(a = '', b = ''): boolean {
  const [left, right] = [numbers(a), numbers(b)];
  return left.length === right.length && left.every((value, at) => Math.abs(value - right[at]!) < 1e-3);
}

function numbers(text: string): number[] {
  return (text.match(/-?\d+(\.\d+)?(e[-+]?\d+)?/g) ?? []).map(Number);
}
