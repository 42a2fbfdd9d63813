/** Metrics by step, one chart a metric, and the parallel coordinates: as Vega-Lite specifications. */
import type { Series } from '../../contracts/experiment.ts';
import { grey } from '../../infra/page/chart.ts';
import type { Run, Scalar } from './run.ts';
import { byFame, numberText } from './table.ts';

/** Points of all curves of a chart together, so that a page of a thousand runs stays small. */
const pointsAtMost = 24_000;
const palette = ['#3b82f6', '#f97316', '#10b981', '#a855f7', '#ef4444', '#eab308', '#06b6d4', '#ec4899'];
/** More curves than this cannot be told apart: the best ones keep a colour, the others are grey. */
const namedAtMost = palette.length;
const highlighted = 5;

export interface Curve {
  run: string;
  series: Series;
}

export interface Chart {
  title: string;
  label: string;
  spec: Record<string, unknown>;
}

/** @param curves the best run first. @param most so many charts: metrics that most runs recorded go first */
export function curveCharts(curves: readonly Curve[], most: number): Chart[] {
  const recorded = new Map<string, number>();
  for (const { series } of curves) {
    for (const [name, { step }] of Object.entries(series)) {
      if (step.length > 1) recorded.set(name, (recorded.get(name) ?? 0) + 1);
    }
  }
  const names = byFame([...recorded.keys()]).toSorted((a, b) => recorded.get(b)! - recorded.get(a)!);
  return names.slice(0, most).map((name) =>
    curveChart(
      name,
      curves.filter(({ series }) => series[name]),
    ),
  );
}

function curveChart(name: string, curves: readonly Curve[]): Chart {
  const points = Math.min(200, Math.max(8, Math.floor(pointsAtMost / curves.length)));
  const named = curves.length <= namedAtMost ? curves : curves.slice(0, highlighted);
  const others = curves.slice(named.length);
  const layer = [
    ...(others.length > 0
      ? [lines(others, name, points, { color: grey, opacity: 0.25, strokeWidth: 1 })]
      : []),
    {
      ...lines(named, name, points, { strokeWidth: 2 }),
      encoding: {
        ...axes(name),
        color: {
          field: 'run',
          type: 'nominal',
          scale: { domain: named.map(({ run }) => run), range: palette },
          legend: { title: others.length > 0 ? 'best' : null },
        },
      },
    },
  ];
  const label = `${name} by step for ${curves.length} runs`;
  return { title: `${name} by step`, label, spec: { width: 330, height: 230, layer } };
}

function lines(curves: readonly Curve[], name: string, points: number, mark: object) {
  const values = curves.flatMap(({ run, series }) =>
    thinned(series[name]!, points).map((at) => ({ run, ...at })),
  );
  return {
    data: { values },
    mark: { type: 'line', ...mark },
    encoding: { ...axes(name), detail: { field: 'run' } },
  };
}

const axes = (name: string) => ({
  x: { field: 'step', type: 'quantitative', title: 'Step', scale: { zero: false } },
  y: { field: 'value', type: 'quantitative', title: name, scale: { zero: false } },
});

/** So many of them, evenly, the first and the last included. */
export function thinned(
  { step, value }: { step: number[]; value: number[] },
  points: number,
): { step: number; value: number }[] {
  const count = Math.min(points, step.length);
  const places = Array.from({ length: count }, (_, i) =>
    count === 1 ? step.length - 1 : Math.round((i * (step.length - 1)) / (count - 1)),
  );
  return places.map((i) => ({ step: step[i]!, value: value[i]! }));
}

export interface Axis {
  name: string;
  value: (run: Run) => Scalar | undefined;
}

/** One line a run across its parameters to the metric. @param axes the metric last */
export function parallelChart(runs: readonly Run[], axes: readonly Axis[]): Chart {
  const scales = axes.map((axis) => scaleOf(runs.map(axis.value)));
  const metric = axes.at(-1)!;
  const numbers = runs.filter((run) => typeof metric.value(run) === 'number');
  const values = numbers.flatMap((run) =>
    axes.flatMap((axis, i) => {
      const value = axis.value(run);
      const y = value === undefined ? undefined : scales[i]!.place(value);
      return y === undefined ? [] : [{ run: run.run, axis: axis.name, y, metric: metric.value(run) }];
    }),
  );
  const names = axes.map(({ name }) => name);
  const x = { field: 'axis', type: 'nominal', sort: names, scale: { domain: names }, title: null };
  const ticks = axes.flatMap(({ name }, i) => scales[i]!.ticks.map((tick) => ({ axis: name, ...tick })));
  const y = { field: 'y', type: 'quantitative', axis: null, scale: { domain: [0, 1] } };
  const line = {
    data: { values },
    mark: {
      type: 'line',
      strokeWidth: runs.length > 50 ? 1 : 2,
      opacity: runs.length > 200 ? 0.3 : runs.length > 50 ? 0.55 : 0.85,
    },
    encoding: {
      ...{
        x: {
          ...x,
          axis: {
            labelAngle: 0,
            labelPadding: 14,
            labelFontSize: 12,
            orient: 'top',
            grid: true,
            ticks: false,
            domain: false,
          },
        },
        y,
      },
      detail: { field: 'run' },
      color: {
        field: 'metric',
        type: 'quantitative',
        scale: { range: ['#f59e0b', '#a855f7', '#2563eb'] },
        legend: { title: metric.name, gradientLength: 180, gradientOpacity: 1 },
      },
    },
  };
  const text = {
    data: { values: ticks },
    mark: { type: 'text', align: 'left', dx: 5, color: 'currentColor', fontSize: 11 },
    encoding: { x, y, text: { field: 'text' } },
  };
  const width = Math.max(360, Math.min(900, axes.length * 150));
  const label = `Parallel coordinates of ${numbers.length} runs: ${names.join(', ')}`;
  return {
    title: 'Parameters and what came of them',
    label,
    spec: { width, height: 280, layer: [line, text] },
  };
}

interface Scale {
  place(value: Scalar): number;
  ticks: { y: number; text: string }[];
}

/** Words at equal distances; numbers by their size, or by its logarithm when they span a factor of a hundred. */
function scaleOf(values: readonly (Scalar | undefined)[]): Scale {
  const given = values.filter((value) => value !== undefined);
  const numbers = given.filter((value) => typeof value === 'number');
  if (numbers.length < given.length) {
    const words = [...new Set(given.map(String))].toSorted();
    const at = (word: string) => (words.length === 1 ? 0.5 : words.indexOf(word) / (words.length - 1));
    const shown = words.length <= 10 ? words : [words[0]!, words.at(-1)!];
    return {
      place: (value) => at(String(value)),
      ticks: shown.map((text) => ({ y: at(text), text: text.length > 16 ? `${text.slice(0, 15)}…` : text })),
    };
  }
  const low = numbers.reduce((a, b) => Math.min(a, b), Infinity);
  const high = numbers.reduce((a, b) => Math.max(a, b), -Infinity);
  const log = low > 0 && high / low >= 100;
  const of = (value: number) => (log ? Math.log(value) : value);
  const place = (value: Scalar) =>
    high === low ? 0.5 : (of(Number(value)) - of(low)) / (of(high) - of(low));
  const middle = log ? Math.sqrt(low * high) : (low + high) / 2;
  const shown = high === low ? [low] : [low, middle, high];
  return { place, ticks: shown.map((value) => ({ y: place(value), text: numberText(value) })) };
}
