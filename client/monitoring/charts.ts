/** The pictures of monitoring: numbers over time, columns over time, and a column's rows beside the reference's. */
import type { TickRecord, WindowDetails } from '../../contracts/monitor.ts';
import { blue, drawSvg, grey } from '../../infra/page/chart.ts';
import { html, markup } from '../../infra/page/html.ts';
import type { Html } from '../../infra/page/html.ts';

const orange = '#d97706';
const clockMs = 3 * 86_400_000;

/** Days; hours, where all is within some days. In UTC, as all that is told of windows. */
function timeOf(moments: readonly string[]) {
  const times = moments.map((at) => Date.parse(at));
  const format = Math.max(...times) - Math.min(...times) < clockMs ? '%H:%M' : '%d %b';
  return {
    ...{ field: 'at', type: 'temporal', title: null },
    ...{ scale: { type: 'utc' }, axis: { format, labelOverlap: true } },
  };
}

/** A number a window, with its interval, what was expected, and what it was at evaluation. */
export interface Series {
  title: string;
  points: { at: string; value: number | null; low?: number | null; high?: number | null }[];
  /** From scores, before the labels came. */
  expected?: { at: string; value: number }[];
  /** A level to compare with. */
  level?: number | undefined;
  /** The values are shares of 1. */
  share?: boolean;
}

export async function seriesChart({
  title,
  points,
  expected = [],
  level,
  share = false,
}: Series): Promise<Html> {
  const y = {
    ...{ type: 'quantitative', title: null, scale: { zero: false } },
    ...(share && { axis: { format: '.1%' } }),
  };
  const time = timeOf(points.map(({ at }) => at));
  const layer: Record<string, unknown>[] = [
    {
      data: { values: points.filter(({ low }) => typeof low === 'number') },
      mark: { type: 'area', color: blue, opacity: 0.18 },
      encoding: { x: time, y: { ...y, field: 'low' }, y2: { field: 'high' } },
    },
    {
      data: { values: expected },
      mark: { type: 'line', color: orange, strokeDash: [5, 3], strokeWidth: 1.5 },
      encoding: { x: time, y: { ...y, field: 'value' } },
    },
    {
      data: { values: points.filter(({ value }) => value !== null) },
      mark: { type: 'line', color: blue, strokeWidth: 2, point: { size: 22, color: blue } },
      encoding: { x: time, y: { ...y, field: 'value' } },
    },
  ];
  if (level !== undefined)
    layer.unshift({
      data: { values: [{ value: level }] },
      mark: { type: 'rule', color: grey, strokeDash: [4, 4] },
      encoding: { y: { ...y, field: 'value' } },
    });
  const svg = await drawSvg({ width: 300, height: 140, layer }, `${title} by window`);
  return html`<section>
    <h2>${title}</h2>
    ${markup(svg)}
  </section>`;
}

/** Rows are columns of the model, those of most weight first; dark is far from the reference. */
export async function columnsChart(ticks: readonly TickRecord[], names: readonly string[]): Promise<Html> {
  const wanted = new Set(names);
  const values = ticks.flatMap(({ window, drift }) =>
    drift
      .filter(({ name }) => wanted.has(name))
      .map(({ name, psi, drifted = false }) => ({
        at: window.from,
        name,
        psi: Math.min(psi ?? 0, 1),
        drifted,
      })),
  );
  const y = { field: 'name', type: 'ordinal', title: null, sort: names, axis: { labelLimit: 180 } };
  const x = { field: 'at', type: 'ordinal', title: null, axis: null };
  const layer = [
    {
      mark: { type: 'rect', stroke: 'transparent' },
      encoding: {
        x,
        y,
        color: {
          ...{ field: 'psi', type: 'quantitative', title: 'PSI', scale: { scheme: 'blues', domain: [0, 1] } },
          legend: { orient: 'top', gradientLength: 160 },
        },
      },
    },
    {
      transform: [{ filter: 'datum.drifted' }],
      mark: { type: 'point', shape: 'diamond', filled: true, color: orange, size: 26 },
      encoding: { x, y },
    },
  ];
  const chart = { width: 760, height: { step: 16 }, data: { values }, layer };
  return html`<section>
    <h2>Columns</h2>
    <p class="soft">
      One window after the other, to the right; how far from the reference (PSI, up to 1). A diamond: it has
      drifted, by the rule.
    </p>
    ${markup(await drawSvg(chart, 'how far each column is from the reference, by window'))}
  </section>`;
}

type Column = WindowDetails['columns'][number];

/** Grey bars: the reference. Blue: this window. */
export async function columnChart({ name, bins }: Column, note: string): Promise<Html> {
  const side = (shares: readonly number[], of: string) =>
    shares.map((share, i) => ({
      share,
      of,
      ...(bins.values ? { value: short(bins.values[i]!) } : { from: bins.edges![i], to: bins.edges![i + 1] }),
    }));
  const color = {
    ...{ field: 'of', type: 'nominal', legend: null },
    scale: { domain: ['reference', 'now'], range: [grey, blue] },
  };
  const y = { field: 'share', type: 'quantitative', title: null, axis: { format: '.0%' }, stack: null };
  const data = { values: [...side(bins.reference, 'reference'), ...side(bins.current, 'now')] };
  const text = {
    ...{ data, width: 250, height: 120, mark: { type: 'bar' } },
    encoding: {
      x: {
        field: 'value',
        type: 'nominal',
        title: null,
        sort: null,
        axis: { labelAngle: -40, labelLimit: 60 },
      },
      xOffset: { field: 'of', sort: null },
      ...{ y, color },
    },
  };
  const numbers = {
    ...{ data, width: 250, height: 120, mark: { type: 'bar', opacity: 0.55, binSpacing: 0 } },
    encoding: {
      x: { field: 'from', bin: 'binned', title: null, scale: { zero: false, nice: false } },
      x2: { field: 'to' },
      ...{ y, color },
    },
  };
  const svg = await drawSvg(
    bins.values ? text : numbers,
    `${name}: shares of this window and of the reference`,
  );
  return html`<section>
    <h2>${name}</h2>
    <p class="soft">${note}</p>
    ${markup(svg)}
  </section>`;
}

const short = (text: string): string => (text.length > 16 ? `${text.slice(0, 15)}…` : text);
