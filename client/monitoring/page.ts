/** `esteira monitor --html`: what was seen of a model over time, and of one window all, in one file. */
import type { TickRecord, WindowDetails } from '../../contracts/monitor.ts';
import { html, nothing, number } from '../../infra/page/html.ts';
import type { Html } from '../../infra/page/html.ts';
import { pageText } from '../../infra/page/page.ts';
import { tableSection } from '../../infra/page/table.ts';
import { columnChart, columnsChart, seriesChart } from './charts.ts';
import type { Series } from './charts.ts';
import { metricsShown } from './ticks.ts';
import type { Watching } from './ticks.ts';

/** The page is to stay below 1.5 MB and to open at once: of wide models the columns of most weight are drawn. */
const drawnAtMost = 24;
const rowsInTime = 40;

const css = `main { max-width: 1120px; } .figures { grid-template-columns: repeat(auto-fit, minmax(320px, 1fr)); }
td.text { white-space: normal; min-width: 280px; }`;

/** @param watching whose last window is shown whole. @param details of that window, if it has any */
export async function monitoringPage(
  watching: Watching,
  details: WindowDetails | undefined,
): Promise<string> {
  const { model, ticks } = watching;
  const last = ticks.at(-1)!;
  const names = last.drift.slice(0, rowsInTime).map(({ name }) => name);
  const figures: Html[] = [];
  for (const series of seriesOf(ticks)) figures.push(await seriesChart(series));
  const title = `${model}: monitoring`;
  const body = html`<header>
      <p>
        ${ticks.length} windows, ${day(ticks[0]!.window.from)} to ${day(last.window.until)}; version
        ${last.version ?? '–'}
      </p>
      <h1>${model}</h1>
    </header>
    ${verdict(last)}
    <div class="figures">${figures}</div>
    ${names.length > 0 ? await columnsChart(ticks, names) : nothing} ${qualityTable(last)}
    ${fairnessTable(last)} ${columnsTable(last)} ${await distributions(last, details)}`;
  return pageText({ title, css, body });
}

function verdict({ window, rows, alerts, version }: TickRecord): Html {
  const when = `${moment(window.from)} to ${moment(window.until)}`;
  if (alerts.length === 0)
    return html`<section class="verdict passed">
      <strong>Nothing to be told</strong> ${when}: ${rows} rows of version ${version ?? '–'}
    </section>`;
  return html`<section class="verdict missed">
    <strong>${alerts.length} to look at</strong> ${when}, ${rows} rows
    <ul>
      ${alerts.slice(0, 20).map(({ kind, message }) => html`<li><b>${kind}</b>: ${message}</li>`)}
    </ul>
  </section>`;
}

function seriesOf(ticks: readonly TickRecord[]): Series[] {
  const at = ({ window }: TickRecord) => window.from;
  const measured = metricsShown.filter((name) =>
    ticks.some(({ quality }) => quality?.metrics[name] !== undefined),
  );
  const quality = measured.map((name): Series => ({
    title: name.replaceAll('_', ' '),
    points: ticks.flatMap(({ quality: seen }) => {
      const value = seen?.metrics[name];
      if (typeof value !== 'number') return [];
      const { low = null, high = null } = seen!.intervals?.[name] ?? {};
      return [{ at: seen!.window.from, value, low, high }];
    }),
    expected: ticks.flatMap((tick) => {
      const value = tick.estimate?.metrics[name]?.value;
      return value === undefined ? [] : [{ at: at(tick), value }];
    }),
    level: ticks.at(-1)!.quality?.reference[name] ?? undefined,
  }));
  const plain = (title: string, pick: (tick: TickRecord) => number | null | undefined): Series[] => {
    const points = ticks.map((tick) => ({ at: at(tick), value: pick(tick) ?? null }));
    return points.every(({ value }) => value === null) ? [] : [{ title, points }];
  };
  return [
    ...quality,
    ...plain('rows', ({ rows }) => rows),
    ...plain('columns that drifted', ({ drift }) => drift.filter(({ drifted }) => drifted).length),
    ...plain('99 % of answers within, ms', (tick) => tick.service?.latencyMs?.p99),
    ...plain('failed requests', ({ service }) =>
      service && service.requests > 0 ? service.errors / service.requests : null,
    ).map((one) => ({ ...one, share: true })),
  ];
}

function qualityTable({ quality, estimate }: TickRecord): Html {
  if (!quality) return nothing;
  const rows = Object.entries(quality.metrics).map(([name, value]) => {
    const { low = null, high = null } = quality.intervals?.[name] ?? {};
    const expected = quality.estimate?.metrics[name]?.value ?? null;
    return [
      name,
      ...[number(value), low === null ? '' : `${number(low)} to ${number(high)}`],
      ...[number(quality.reference[name]), number(expected), number(estimate?.metrics[name]?.value)],
    ];
  });
  return tableSection('Quality', {
    caption: `${quality.labelled} of ${quality.rows} rows from ${moment(quality.window.from)} have a label. Expected: from scores alone.`,
    columns: ['Metric', 'Found', '95 %', 'At evaluation', 'Expected then', 'Expected now'].map((head) => ({
      head,
    })),
    rows,
  });
}

function fairnessTable({ quality }: TickRecord): Html {
  const rows = (quality?.fairness ?? []).flatMap(({ column, groups, ...gaps }) =>
    (['demographicParityDifference', 'equalizedOddsDifference'] as const).flatMap((name) => {
      const gap = gaps[name];
      if (!gap) return [];
      const what = name === 'equalizedOddsDifference' ? 'rates of error' : 'positive predictions';
      return [
        [
          `${column}: ${what}`,
          String(groups.length),
          number(gap.value),
          `${number(gap.low)} to ${number(gap.high)}`,
        ],
      ];
    }),
  );
  if (rows.length === 0) return nothing;
  return tableSection('Gaps between groups', {
    caption: 'The largest rate minus the least, of groups that are large enough.',
    columns: ['Groups of', 'Groups', 'Gap', '95 %'].map((head) => ({ head })),
    rows,
  });
}

function columnsTable({ drift }: TickRecord): Html {
  if (drift.length === 0) return nothing;
  const columns = [
    { head: 'Column' },
    { head: '' },
    { head: 'PSI' },
    { head: 'Importance' },
    { head: 'p' },
    { head: 'Missing' },
    { head: 'Why', words: true },
  ];
  return tableSection('Columns of the last window', {
    caption: 'By importance × distance; those that drifted first.',
    columns,
    rows: drift.map(({ name, drifted, psi, importance, pValue, nulls, why }) => [
      name,
      drifted ? html`<span class="tag missed">drift</span>` : html`<span class="tag passed">ok</span>`,
      ...[number(psi), number(importance), number(pValue), String(nulls), why ?? ''],
    ]),
  });
}

async function distributions({ drift }: TickRecord, details: WindowDetails | undefined): Promise<Html> {
  if (!details) return nothing;
  const figures: Html[] = [];
  for (const { name, drifted, psi } of drift.slice(0, drawnAtMost)) {
    const column = details.columns.find((one) => one.name === name);
    if (!column || column.bins.current.length === 0) continue;
    figures.push(await columnChart(column, `PSI ${number(psi)}${drifted ? '; has drifted' : ''}`));
  }
  const more = drift.length - figures.length;
  return html`<h2 style="margin-top: 28px">This window (blue) and the reference (grey)</h2>
    ${more > 0 ? html`<p class="soft">${more} columns of less weight are not drawn.</p>` : nothing}
    <div class="figures">${figures}</div>`;
}

const day = (at: string): string => at.slice(0, 10);
const moment = (at: string): string => at.slice(0, 16).replace('T', ' ');
