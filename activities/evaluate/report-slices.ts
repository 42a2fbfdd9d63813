/** The report's slices: a table a column, the first one open. */
import type { Scorecard } from '../../contracts/evaluation.ts';
import { html, nothing, number } from '../../infra/page/html.ts';
import type { Html } from '../../infra/page/html.ts';

export function slicesTables({ slices, task }: Scorecard): Html {
  const columns = [...new Set(slices.map(({ column }) => column))];
  if (columns.length === 0) return nothing;
  const shown = shownMetrics[task];
  const tables = columns.map((column, i) => {
    const rows = slices.filter((slice) => slice.column === column);
    const heads = shown.map((name) => html`<th scope="col">${name}</th>`);
    const body = rows.map((slice) => {
      const cells = shown.map(
        (name, k) =>
          html`<td>${k === 0 ? bar(rows, slice, name) : nothing} ${number(slice.metrics[name])}</td>`,
      );
      return html`<tr>
        <th scope="row">${slice.value}</th>
        <td>${slice.rows.toLocaleString('en')}</td>
        ${cells}
      </tr>`;
    });
    return html`<details${i === 0 ? html` open` : nothing}><summary>${column}</summary><div class="scroll"><table>
      <thead><tr><th scope="col">Value</th><th scope="col">Rows</th>${heads}</tr></thead><tbody>${body}</tbody>
      </table></div></details>`;
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
