/** The report's tables. Colour repeats what words say; it never says it alone. */
import type { MetricValue, Scorecard } from '../../contracts/evaluation.ts';
import type { GateResult } from '../../contracts/lifecycle.ts';
import { worseBy } from './direction.ts';
import { html, nothing, number } from '../../infra/page/html.ts';
import type { Html } from '../../infra/page/html.ts';

export function gatesTable(gates: readonly GateResult[]): Html {
  if (gates.length === 0)
    return html`<section>
      <h2>Gates</h2>
      <p>The project sets none.</p>
    </section>`;
  const rows = gates.map(
    ({ metric, bound, limit, value, passed }) =>
      html`<tr>
        <th scope="row">${metric}</th>
        <td class="text">${boundWords[bound]} ${limit}</td>
        <td>${number(value)}</td>
        <td>${tag(passed)}</td>
      </tr>`,
  );
  return html`<section>
    <h2>Gates</h2>
    <div class="scroll">
      <table>
        <caption>
          Fixed before training. A missing number meets no gate.
        </caption>
        <thead>
          <tr>
            <th scope="col">Metric</th>
            <th scope="col" class="text">Rule</th>
            <th scope="col">Found</th>
            <th scope="col">Verdict</th>
          </tr>
        </thead>
        <tbody>
          ${rows}
        </tbody>
      </table>
    </div>
  </section>`;
}

const boundWords: Record<GateResult['bound'], string> = {
  min: 'at least',
  max: 'at most',
  notWorseThanChampionBy: 'not worse than the champion by more than',
};

const tag = (passed: boolean): Html =>
  passed ? html`<span class="tag passed">✓ met</span>` : html`<span class="tag missed">✗ missed</span>`;

export function metricsTable({ metrics, champion }: Scorecard): Html {
  const rows = Object.entries(metrics).map(([name, value]) => {
    const other =
      champion &&
      html`<td>${interval(champion.metrics[name])}</td>
        <td>${difference(name, champion.difference[name])}</td>`;
    return html`<tr>
      <th scope="row">${name}</th>
      <td>${interval(value)}</td>
      ${other ?? nothing}
    </tr>`;
  });
  const heads = champion
    ? html`<th scope="col">Champion (version ${champion.version})</th>
        <th scope="col">Difference</th>`
    : nothing;
  return html`<section>
    <h2>Metrics</h2>
    <div class="scroll">
      <table>
        <caption>
          With 95 % intervals: Poisson bootstrap of the rows, 200 replicates, paired for the difference.
        </caption>
        <thead>
          <tr>
            <th scope="col">Metric</th>
            <th scope="col">Candidate</th>
            ${heads}
          </tr>
        </thead>
        <tbody>
          ${rows}
        </tbody>
      </table>
    </div>
  </section>`;
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
  const rows = counts.map((line, i) => {
    const total = line.reduce((sum, count) => sum + count, 0);
    const cells = line.map((count) => {
      const part = total === 0 ? 0 : count / total;
      return html`<td style="background:hsl(var(--hue) / ${(part * 0.45).toFixed(2)})">
        ${count.toLocaleString('en')} <br /><small>${Math.round(part * 100)} %</small>
      </td>`;
    });
    return html`<tr>
      <th scope="row">${classes[i]!}</th>
      ${cells}
    </tr>`;
  });
  const heads = classes.map((name) => html`<th scope="col">said ${name}</th>`);
  return html`<section>
    <h2>Confusion</h2>
    <div class="scroll">
      <table class="confusion">
        <caption>
          Rows are what was; columns are what the model said. Shares are of the row.
        </caption>
        <thead>
          <tr>
            <th scope="col">was</th>
            ${heads}
          </tr>
        </thead>
        <tbody>
          ${rows}
        </tbody>
      </table>
    </div>
  </section>`;
}

export function fitTable({ fit }: Scorecard): Html {
  const names = Object.keys(fit).filter(
    (name) => `validation_${name.slice(6)}` in fit && name.startsWith('train_'),
  );
  if (names.length === 0) return nothing;
  const rows = names.map((name) => {
    const metric = name.slice('train_'.length);
    return html`<tr>
      <th scope="row">${metric}</th>
      <td>${number(fit[name])}</td>
      <td>${number(fit[`validation_${metric}`])}</td>
      <td>${number(fit[`${metric}_gap`])}</td>
    </tr>`;
  });
  return html`<section>
    <h2>Fit</h2>
    <div class="scroll">
      <table>
        <caption>
          As the trainer measured it. The gap is how much worse the model is on rows it did not learn from.
        </caption>
        <thead>
          <tr>
            <th scope="col">Metric</th>
            <th scope="col">Training</th>
            <th scope="col">Validation</th>
            <th scope="col">Gap</th>
          </tr>
        </thead>
        <tbody>
          ${rows}
        </tbody>
      </table>
    </div>
  </section>`;
}
