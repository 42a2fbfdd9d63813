/** The report's tables. Colour repeats what words say; it never says it alone. */
import type { MetricValue, Scorecard } from '../../contracts/evaluation.ts';
import type { GateResult } from '../../contracts/lifecycle.ts';
import { worseBy } from './direction.ts';
import { html, nothing, number } from '../../infra/page/html.ts';
import type { Html } from '../../infra/page/html.ts';
import { tableSection } from '../../infra/page/table.ts';
import type { Cell } from '../../infra/page/table.ts';

export function gatesTable(gates: readonly GateResult[]): Html {
  if (gates.length === 0)
    return html`<section>
      <h2>Gates</h2>
      <p>The project sets none.</p>
    </section>`;
  return tableSection('Gates', {
    caption: 'Fixed before training. A missing number meets no gate.',
    columns: [{ head: 'Metric' }, { head: 'Rule', words: true }, { head: 'Found' }, { head: 'Verdict' }],
    rows: gates.map(({ metric, bound, limit, value, passed }) => [
      ...[metric, `${boundWords[bound]} ${limit}`, number(value)],
      tag(passed),
    ]),
  });
}

const boundWords: Record<GateResult['bound'], string> = {
  min: 'at least',
  max: 'at most',
  notWorseThanChampionBy: 'not worse than the champion by more than',
  betterThanChampion: 'better than the champion by more than',
};

const tag = (passed: boolean): Html =>
  passed ? html`<span class="tag passed">✓ met</span>` : html`<span class="tag missed">✗ missed</span>`;

export function metricsTable({ metrics, champion }: Scorecard): Html {
  const heads = ['Metric', 'Candidate'];
  if (champion) heads.push(`Champion (version ${champion.version})`, 'Difference');
  return tableSection('Metrics', {
    caption: 'With 95 % intervals: Poisson bootstrap of the rows, 200 replicates, paired for the difference.',
    columns: heads.map((head) => ({ head })),
    rows: Object.entries(metrics).map(([name, value]) => [
      name,
      interval(value),
      ...(champion ? [interval(champion.metrics[name]), difference(name, champion.difference[name])] : []),
    ]),
  });
}

function interval(value: MetricValue | undefined): Html {
  if (!value || value.value === null) return html`–`;
  return html`${number(value.value)} <small>${number(value.low)} … ${number(value.high)}</small>`;
}

/** Says "better" or "worse" only where the interval leaves no doubt. */
function difference(name: string, value: MetricValue | undefined): Html {
  if (!value || value.value === null || value.low === null || value.high === null) return html`–`;
  const unclear = value.low <= 0 && value.high >= 0;
  const better = worseBy(name, 0, value.value) < 0;
  const word = unclear
    ? html`<small>no clear difference</small>`
    : html`<span class="tag ${better ? 'passed' : 'missed'}">${better ? 'better' : 'worse'}</span>`;
  return html`${value.value > 0 ? '+' : ''}${interval(value)} ${word}`;
}

export function confusionTable({ confusion }: Scorecard): Html {
  if (!confusion || confusion.classes.length > 12) return nothing;
  const { classes, counts } = confusion;
  return tableSection('Confusion', {
    caption: 'Rows are what was; columns are what the model said. Shares are of the row.',
    look: 'confusion',
    columns: ['was', ...classes.map((name) => `said ${name}`)].map((head) => ({ head })),
    rows: counts.map((line, i) => {
      const total = line.reduce((sum, count) => sum + count, 0);
      return [classes[i]!, ...line.map((count) => shareCell(count, total === 0 ? 0 : count / total))];
    }),
  });
}

function shareCell(count: number, part: number): Cell {
  const show = html`${count.toLocaleString('en')} <br /><small>${Math.round(part * 100)} %</small>`;
  return { show, style: `background:hsl(var(--hue) / ${(part * 0.45).toFixed(2)})` };
}

export function fitTable({ fit }: Scorecard): Html {
  const names = Object.keys(fit)
    .filter((name) => `validation_${name.slice(6)}` in fit && name.startsWith('train_'))
    .map((name) => name.slice('train_'.length));
  if (names.length === 0) return nothing;
  return tableSection('Fit', {
    caption:
      'As the trainer measured it. The gap is how much worse the model is on rows it did not learn from.',
    columns: ['Metric', 'Training', 'Validation', 'Gap'].map((head) => ({ head })),
    rows: names.map((metric) => [
      metric,
      ...['train_', 'validation_'].map((side) => number(fit[`${side}${metric}`])),
      number(fit[`${metric}_gap`]),
    ]),
  });
}
