/** The report's slices: a table a column, the first one open. */
import type { Scorecard } from '../../contracts/evaluation.ts';
import { html, nothing, number } from '../../infra/page/html.ts';
import type { Html } from '../../infra/page/html.ts';
import { tableOf } from '../../infra/page/table.ts';

export function slicesTables({ slices, task }: Scorecard): Html {
  const columns = [...new Set(slices.map(({ column }) => column))];
  if (columns.length === 0) return nothing;
  const shown = shownMetrics[task];
  const tables = columns.map((column, i) => {
    const own = slices.filter((slice) => slice.column === column);
    const table = tableOf({
      columns: ['Value', 'Rows', ...shown].map((head) => ({ head })),
      rows: own.map((slice) => [
        ...[slice.value, slice.rows.toLocaleString('en')],
        ...shown.map(
          (name, k) => html`${k === 0 ? bar(own, slice, name) : nothing} ${number(slice.metrics[name])}`,
        ),
      ]),
    });
    return html`<details${i === 0 ? html` open` : nothing}><summary>${column}</summary>${table}</details>`;
  });
  return html`<section>
    <h2>Slices</h2>
    <p class="soft">The most frequent values with at least 30 rows.</p>
    ${tables}
  </section>`;
}

const shownMetrics: Record<Scorecard['task'], string[]> = {
  'binary-classification': ['roc_auc', 'pr_auc', 'log_loss', 'accuracy'],
  'multiclass-classification': ['accuracy', 'macro_f1', 'log_loss'],
  regression: ['rmse', 'mae', 'r2'],
};

/** Relative to the slice with the most. */
function bar(rows: Scorecard['slices'], { metrics }: Scorecard['slices'][number], name: string): Html {
  const most = Math.max(...rows.map((row) => row.metrics[name] ?? 0), 1e-12);
  const percent = Math.round(Math.max(0, Math.min(1, (metrics[name] ?? 0) / most)) * 100);
  return html`<span class="bar" aria-hidden="true"><i style="width:${percent}%"></i></span>`;
}
