/** `esteira runs compare --html`: one file without scripts or anything from elsewhere. */
import { drawSvg } from '../../infra/page/chart.ts';
import { html, markup, nothing, number } from '../../infra/page/html.ts';
import type { Html } from '../../infra/page/html.ts';
import { pageText } from '../../infra/page/page.ts';
import { tableSection } from '../../infra/page/table.ts';
import type { Goal } from './best.ts';
import { curveCharts, parallelChart } from './curves.ts';
import type { Chart, Curve } from './curves.ts';
import { differences, sharedValues } from './differences.ts';
import { importances, runsAtLeast } from './importance.ts';
import type { Importance } from './importance.ts';
import { namesIn, parameter, valueOf } from './names.ts';
import type { Run } from './run.ts';
import { scalarText } from './table.ts';
import { sorted } from './where.ts';

/** The page is to stay below 1.5 MB: a thousand rows of twenty columns alone would be a third of it. */
const rowsAtMost = 200;
const axesAtMost = 6;

const own = `main { max-width: 1240px; } .wide svg { max-width: none; }
.wide text { paint-order: stroke; stroke: var(--card); stroke-width: 3px; stroke-linejoin: round; } td.best { font-weight: 700; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(440px, 1fr)); gap: 16px; margin-top: 16px; }
.charts section { margin: 0; } .imp { width: auto; } .imp .bar { width: 220px; }
@media (max-width: 520px) { .charts { grid-template-columns: 1fr; } }`;

export interface Comparison {
  title: string;
  runs: readonly Run[];
  goal: Goal;
  curves: readonly Curve[];
}

export async function comparisonPage({ title, runs, goal, curves }: Comparison): Promise<string> {
  const best = sorted(runs, goal.metric, goal.ascending);
  const value = valueOf(goal.metric, namesIn(runs));
  const strengths = importances(runs, value);
  const place = new Map(best.map(({ run }, i) => [run, i]));
  const ordered = curves.toSorted((a, b) => (place.get(a.run) ?? 0) - (place.get(b.run) ?? 0));
  const charts = curveCharts(ordered, runs.length > 200 ? 2 : 4);
  const body = html`<header>
      <p>
        ${runs.length} runs, the best by ${goal.metric} first (${goal.ascending ? 'least' : 'greatest'} is
        best)
      </p>
      <h1>${title}</h1>
    </header>
    ${winner(best, goal)}
    ${charts.length > 0 ? html`<div class="charts">${await draw(charts)}</div>` : nothing}
    ${await parallel(best, goal, strengths)} ${importanceTable(strengths, goal, runs.length)}
    ${differencesTable(best)} ${sharedTable(best)}`;
  return pageText({ title, css: own, body });
}

function winner([best]: readonly Run[], { metric }: Goal): Html {
  if (!best) return nothing;
  const value = valueOf(metric, namesIn([best]))(best);
  if (typeof value !== 'number') return nothing;
  return html`<section class="verdict passed">
    <strong>${best.run}</strong> has the best ${metric}: ${number(value)}
  </section>`;
}

async function draw(charts: readonly Chart[]): Promise<Html[]> {
  const drawn: Html[] = [];
  for (const { title, label, spec } of charts) {
    drawn.push(
      html`<section>
        <h2>${title}</h2>
        ${markup(slim(await drawSvg(spec, label)))}
      </section>`,
    );
  }
  return drawn;
}

/** A tenth of a pixel is enough, and what a thousand lines say to a screen reader, the table says better. */
function slim(svg: string): string {
  const short = (number: string) => String(Math.round(Number(number) * 10) / 10);
  return svg
    .replaceAll(/ d="[^"]*"/g, (path) => path.replaceAll(/-?\d+\.\d{2,}(e-?\d+)?/g, short))
    .replaceAll(/<path class="(fore|back)ground" aria-hidden="true" d="[^"]*"( display="none")?\/>/g, '')
    .replaceAll(/(?<=<(path|g)\b[^>]*) (role|class|aria-[a-z]+)="[^"]*"/g, '');
}

async function parallel(
  runs: readonly Run[],
  { metric }: Goal,
  strengths: readonly Importance[],
): Promise<Html> {
  const strongest = strengths.map(({ name }) => name);
  const varied = differences(runs).filter(({ kind }) => kind === 'parameter');
  const rank = (name: string) => strongest.indexOf(name) + 1 || strongest.length + 1;
  const names = varied.map(({ name }) => name).toSorted((a, b) => rank(a) - rank(b));
  if (names.length === 0) return nothing;
  const shown = names.slice(0, axesAtMost);
  const axes = [
    ...shown.map((name) => ({ name, value: parameter(name) })),
    { name: metric, value: valueOf(metric, namesIn(runs)) },
  ];
  const chart = parallelChart(runs.toReversed(), axes); // the best is drawn last, above the others
  const left = names.length - shown.length;
  const note =
    left > 0
      ? html`<p class="soft">
          The ${shown.length} that go together with ${metric} most; ${left} more differ.
        </p>`
      : nothing;
  return html`<section class="wide">
    <h2>${chart.title}</h2>
    ${note}
    <div class="scroll">${markup(slim(await drawSvg(chart.spec, chart.label)))}</div>
  </section>`;
}

function importanceTable(strengths: readonly Importance[], { metric }: Goal, runs: number): Html {
  if (strengths.length === 0) {
    const why =
      runs < runsAtLeast
        ? `fewer than ${runsAtLeast} runs say nothing about it`
        : 'no parameter can be compared';
    return html`<section>
      <h2>Which parameters matter</h2>
      <p class="soft">Not told: ${why}.</p>
    </section>`;
  }
  const table = {
    look: 'imp',
    columns: [
      ...['Parameter', '', 'Strength'].map((head) => ({ head })),
      { head: 'Direction', words: true },
      { head: 'Runs' },
    ],
    rows: strengths
      .slice(0, 15)
      .map(({ name, strength, sign, runs }) => [
        name,
        html`<span class="bar" aria-hidden="true"
          ><i style="width:${Math.round(strength * 100)}%"></i
        ></span>`,
        strength.toFixed(2),
        sign === null ? 'words: no direction' : `${metric} ${sign > 0 ? 'grows' : 'falls'} with it`,
        runs,
      ]),
  };
  const note = html`<p class="soft">
    How strongly each goes together with ${metric} over these runs: the absolute Spearman rank correlation, or
    for words the correlation ratio of the ranks. It is correlation, not cause, and tells nothing of
    parameters that act only together.
  </p>`;
  return tableSection('Which parameters matter', table, note);
}

function differencesTable(runs: readonly Run[]): Html {
  const found = differences(runs);
  const shown = runs.slice(0, rowsAtMost);
  const rest = runs.length - shown.length;
  const note =
    rest > 0 ? `The best ${shown.length}; the other ${rest} are in \`esteira runs export --csv\`. ` : '';
  return tableSection('What differs', {
    caption: `${note}The best first. Digests are cut to twelve signs.`,
    columns: [{ head: 'Run' }, ...found.map(({ name, kind }) => ({ head: name, words: kind === 'digest' }))],
    rows: shown.map((run) => [run.run, ...found.map(({ value }) => scalarText(value(run)))]),
  });
}

function sharedTable(runs: readonly Run[]): Html {
  const rows = sharedValues(runs).map(([name, value]) => [name, scalarText(value)]);
  return rows.length === 0 ? nothing : tableSection('What all of them share', { rows });
}
